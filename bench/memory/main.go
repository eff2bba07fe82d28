// Command memory shows what a node's memory is worth as a promise: with its hot
// set full, many clients read large objects slowly through one node, and its
// resident memory must stay within cache.memory and a fixed room beyond it.
//
// It starts the nodes as processes of their own, so that what it measures is
// theirs alone, and is itself the origin and the clients. Every byte of every
// answer is checked. It owns a temporary directory and the processes it started,
// and leaves neither behind. It refuses to call a run good in which the clients
// were not served at their pace: an idle node needs no memory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rookery/bench/nodes"
)

const mib = 1 << 20

// options are the flags.
type options struct {
	rookery                string // the program
	nodes, clients         int
	objects                int
	objectMiB              int64
	rateMiB                float64 // of one client, a second
	originMiB              float64 // of the origin in all, a second; 0 is no limit
	memoryMiB, diskMiB     int64   // of the configuration
	beyondMiB              int64   // what a node may take beyond cache.memory
	duration, samplesEvery time.Duration
	hot, logs              bool
}

func parseOptions(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("memory", flag.ContinueOnError)
	set.StringVar(&o.rookery, "rookery", "bin/rookery", "the program to measure")
	set.IntVar(&o.nodes, "nodes", 1, "nodes of the cluster; the clients ask the first alone")
	set.IntVar(&o.clients, "clients", 200, "readers at once")
	set.IntVar(&o.objects, "objects", 40, "different objects that they read")
	set.Int64Var(&o.objectMiB, "object-mib", 256, "size of each object in MiB")
	set.Float64Var(&o.rateMiB, "rate-mib", 1, "pace of each reader in MiB a second")
	set.Float64Var(&o.originMiB, "origin-mib", 0, "pace of the origin in all in MiB a second; 0 is as fast as it can")
	set.Int64Var(&o.memoryMiB, "memory-mib", 256, "cache.memory of each node in MiB")
	set.Int64Var(&o.diskMiB, "disk-mib", 6<<10, "cache.disk of each node in MiB")
	set.Int64Var(&o.beyondMiB, "beyond-mib", 128, "what a node may take beyond cache.memory in MiB")
	set.DurationVar(&o.duration, "for", 30*time.Second, "how long the readers read")
	set.DurationVar(&o.samplesEvery, "sample", 250*time.Millisecond, "how often resident memory is read")
	set.BoolVar(&o.hot, "hot", true, "fill the hot set with small objects first")
	set.BoolVar(&o.logs, "logs", false, "show the nodes' logs")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if o.nodes < 1 || o.clients < 1 || o.objects < 1 || o.objectMiB < 1 || o.rateMiB <= 0 || o.duration <= 0 || o.samplesEvery <= 0 {
		return o, errors.New("nodes, clients, objects, sizes, paces and times must be above zero")
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
		ok, err = measure(ctx, o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/memory:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// measure runs the cluster, the clients and the sampling, prints the table, and
// reports whether the bar was met.
func measure(ctx context.Context, o options) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "rookery-bench-memory-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	origin, err := startOrigin(o)
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

	watched := watch(all, o.samplesEvery)
	err = fillHot(ctx, o, all[0].Client)
	var read readings
	if err == nil {
		read = streamAll(ctx, o, all[0].Client)
	}
	memory, watchErr := watched.stop()
	err = errors.Join(err, watchErr, ctx.Err())
	if err != nil {
		return false, err
	}
	return report(os.Stdout, o, memory, read, origin.sent.Load()), nil
}
