// Command herd lets thousands of clients ask a cluster for a cold object at the
// same moment, each for a piece of it at a random place, and shows what that
// costs: S3 must be asked for each chunk once, every byte must be right, no
// request may fail, a few very slow readers must slow nobody, and no node may
// take more memory than it was given and a fixed room beyond it.
//
// It starts the nodes as processes of their own and is itself the origin and the
// clients. It runs the herd several times, each time on another cold object, without
// the slow readers and with them in turn. It owns a temporary directory and the processes that
// it started, and leaves neither behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rookery/bench/nodes"
	"rookery/internal/pattern"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// options are the flags.
type options struct {
	rookery            string // the program
	nodes, clients     int
	objectMiB          int64
	pieceMiB           int64
	slow, rounds       int
	slowKiB            float64 // of one slow reader, a second
	slowdown           float64 // what the slow readers may cost the others
	memoryMiB, diskMiB int64   // of the configuration
	beyondMiB          int64   // what a node may take beyond cache.memory
	within             time.Duration
	seed               uint64
	logs               bool
}

func parseOptions(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("herd", flag.ContinueOnError)
	set.StringVar(&o.rookery, "rookery", "bin/rookery", "the program to measure")
	set.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster")
	set.IntVar(&o.clients, "clients", 5000, "clients at once, spread over the nodes")
	set.Int64Var(&o.objectMiB, "object-mib", 100, "size of the object in MiB")
	set.Int64Var(&o.pieceMiB, "piece-mib", 4, "what each client asks for, in MiB")
	set.IntVar(&o.slow, "slow", 5, "slow readers beside them in the second run")
	set.IntVar(&o.rounds, "rounds", 2, "how often the herd runs without slow readers and with them; the best time of each counts")
	set.Float64Var(&o.slowKiB, "slow-kib", 10, "pace of each slow reader in KiB a second")
	set.Float64Var(&o.slowdown, "slowdown", 1.25, "what the slow readers may cost: the time with them over the time without")
	set.Int64Var(&o.memoryMiB, "memory-mib", 512, "cache.memory of each node in MiB")
	set.Int64Var(&o.diskMiB, "disk-mib", 2<<10, "cache.disk of each node in MiB")
	set.Int64Var(&o.beyondMiB, "beyond-mib", 256, "what a node may take beyond cache.memory in MiB")
	set.DurationVar(&o.within, "within", 10*time.Minute, "how long one run may take")
	set.Uint64Var(&o.seed, "seed", 0, "of the random places; 0 takes one by chance")
	set.BoolVar(&o.logs, "logs", false, "show the nodes' logs")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if o.nodes < 1 || o.clients < 1 || o.slow < 0 || o.rounds < 1 || o.slowKiB <= 0 || o.pieceMiB < 1 || o.objectMiB < o.pieceMiB || o.within <= 0 {
		return o, errors.New("nodes, clients, sizes, paces and times must be above zero, and a piece within the object")
	}
	for o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, nil
}

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok := false
	if err == nil {
		err = enoughFiles(o.clients + o.slow + 1000)
	}
	if err == nil {
		ok, err = measure(ctx, o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/herd:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// enoughFiles raises this process's limit of open files. That of the nodes is
// theirs: Go raises the soft limit to the hard one at the start of each program.
func enoughFiles(count int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	need := uint64(count)
	if limit.Max < need {
		return fmt.Errorf("this user may open %d files (ulimit -Hn), the herd needs %d", limit.Max, need)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}

// bucket is the origin's bucket and the configured one.
const bucket = "bench"

// coldAt is the object of run n.
func (o *options) coldAt(n int) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: fmt.Sprintf("cold-%d", n), Version: "1", Size: o.objectMiB * mib}
}

// pathOf is an object's path, at the origin and at a node.
func pathOf(object pattern.Object) string { return "/" + bucket + "/" + object.Key }

// measure runs the cluster and the herds, prints the table, and reports whether
// the bars were met.
func measure(ctx context.Context, o options) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "rookery-bench-herd-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	objects := make([]pattern.Object, 2*o.rounds)
	for run := range objects {
		objects[run] = o.coldAt(run)
	}
	origin, err := startOrigin(objects)
	if err != nil {
		return false, fmt.Errorf("origin: %w", err)
	}
	defer func() { err = errors.Join(err, origin.Close()) }()
	all, err := nodes.Start(ctx, nodes.Options{
		Program: o.rookery, Nodes: o.nodes, Dir: dir, OriginURL: origin.url, Bucket: bucket,
		MemoryMiB: o.memoryMiB, DiskMiB: o.diskMiB, Logs: o.logs,
	})
	defer func() { err = errors.Join(err, nodes.Stop(all)) }()
	if err != nil {
		return false, err
	}
	var r results
	for run, object := range objects {
		found, err := newHerd(o, object, run%2*o.slow, all).run(ctx)
		if err != nil {
			return false, fmt.Errorf("run %d: %w", run+1, err)
		}
		found.asked = origin.counts(object)
		r.runs = append(r.runs, found)
	}
	for _, n := range all {
		state, err := inspect(ctx, n)
		if err != nil {
			return false, fmt.Errorf("%s: %w", n.Name, err)
		}
		r.nodes = append(r.nodes, state)
	}
	return report(os.Stdout, o, &r), nil
}

// watched are the metrics that tell why chunks were fetched twice, if they were.
var watched = [...]string{"rookery_owners_passed_over_total", "rookery_peer_silences_total", "rookery_ring_changes_total", "rookery_limits_hit_total"}

// state is a node after the runs.
type state struct {
	name    string
	peak    int64 // the most that it had in memory, in bytes
	figures [len(watched)]float64
}

func inspect(ctx context.Context, n *nodes.Process) (state, error) {
	s := state{name: n.Name}
	var err error
	if s.peak, err = nodes.PeakBytes(n.Pid()); err != nil {
		return s, err
	}
	for i, name := range watched {
		if s.figures[i], err = n.Metric(ctx, name); err != nil {
			return s, err
		}
	}
	return s, nil
}
