// Command skew measures what a very popular key costs a cluster: half of all
// requests are for one small object, the others follow a Zipf distribution over
// many. No node may have much more than its share of the work, and a request may
// cost the cluster little more than it costs a node that is alone.
//
// It starts the nodes as processes of their own and is itself the origin and the
// clients. A cluster, and as many nodes each of which is alone, are measured in
// turn, in several rounds, by the processor time that the nodes use for each request
// once they have read everything. Every byte is checked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"rookery/bench/nodes"
	"rookery/internal/pattern"
)

type options struct {
	rookery          string
	nodes, rounds    int
	objects, clients int
	bytes            int64
	warm, measure    time.Duration
	share, cost      float64
}

func parseOptions(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("skew", flag.ContinueOnError)
	set.StringVar(&o.rookery, "rookery", "bin/rookery", "the program to measure")
	set.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster")
	set.IntVar(&o.rounds, "rounds", 3, "rounds, of which the medians count")
	set.IntVar(&o.objects, "objects", 10_000, "objects beside the popular one")
	set.IntVar(&o.clients, "clients", 32, "clients, each with one request at a time")
	set.Int64Var(&o.bytes, "bytes", 4096, "size of each object")
	set.DurationVar(&o.warm, "warm", 3*time.Second, "how long clients ask before a round is measured, once every object has been read")
	set.DurationVar(&o.measure, "measure", 8*time.Second, "how long a round is measured")
	set.Float64Var(&o.share, "share", 0.45, "the most that the busiest node of the cluster may have of its CPU time")
	set.Float64Var(&o.cost, "cost", 1.2, "the most that a request may cost the cluster, a node alone being 1")
	return o, set.Parse(args)
}

func main() { os.Exit(start(os.Args[1:])) }

// start returns the exit code.
func start(args []string) int {
	o, err := parseOptions(args)
	if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "skew:", err)
		return 1
	}
	return 0
}

// bucket is the origin's bucket and the configured one.
const bucket = "bench"

func (o *options) objectAt(n int) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: fmt.Sprintf("small-%06d", n), Version: "1", Size: o.bytes}
}

func run(ctx context.Context, o options) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	origin := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(o.serve)}
	go func() { _ = origin.Serve(ln) }() // it ends with Close, below
	defer origin.Close()

	var together, alone []figures
	for range o.rounds {
		f, err := measure(ctx, o, 1, "http://"+ln.Addr().String())
		if err != nil {
			return err
		}
		fmt.Println("a cluster:         ", f)
		together = append(together, f)
		if f, err = measure(ctx, o, o.nodes, "http://"+ln.Addr().String()); err != nil {
			return err
		}
		fmt.Println("each node alone:   ", f)
		alone = append(alone, f)
	}
	return judge(o, together, alone)
}

// serve is as much of an S3 as the nodes ask for.
func (o *options) serve(w http.ResponseWriter, r *http.Request) {
	var n int
	if _, err := fmt.Sscanf(r.URL.Path, "/"+bucket+"/small-%d", &n); err != nil {
		http.NotFound(w, r)
		return
	}
	object := o.objectAt(n)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+object.Key+`"`)
	http.ServeContent(w, r, "", time.Unix(1_750_000_000, 0), object.Reader())
}

// judge compares the medians with the bars.
func judge(o options, together, alone []figures) error {
	share := median(together, func(f figures) float64 { return f.busiest })
	cost := median(together, figures.perRequest) / median(alone, figures.perRequest)
	fmt.Printf("busiest of %d nodes: %.1f %% of the CPU time (at most %.0f %%); a request costs %.2f times that of a node alone (at most %.2f)\n",
		o.nodes, 100*share, 100*o.share, cost, o.cost)
	if share > o.share || cost > o.cost {
		return errors.New("a bar is missed")
	}
	return nil
}

func median(all []figures, of func(figures) float64) float64 {
	values := make([]float64, len(all))
	for i, f := range all {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// measure runs the load against the nodes, which are so many clusters: one, or
// each node its own. So as many processes share the machine in either case.
func measure(ctx context.Context, o options, clusters int, origin string) (f figures, err error) {
	dir, err := os.MkdirTemp("", "rookery-skew-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var all []*nodes.Process
	defer func() { err = errors.Join(err, nodes.Stop(all)) }()
	for i := range clusters {
		own := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return f, err
		}
		started, err := nodes.Start(ctx, nodes.Options{
			Program: o.rookery, Nodes: o.nodes / clusters, Dir: own, OriginURL: origin, Bucket: bucket, MemoryMiB: 512, DiskMiB: 1024,
		})
		all = append(all, started...)
		if err != nil {
			return f, err
		}
	}
	l := newLoad(o, all)
	if err := errors.Join(l.fill(ctx), l.run(ctx, o.warm)); err != nil {
		return f, err
	}
	before, err := usage(all)
	if err != nil {
		return f, err
	}
	l.done.Store(0)
	if err := l.run(ctx, o.measure); err != nil {
		return f, err
	}
	after, err := usage(all)
	if err != nil {
		return f, err
	}
	return newFigures(before, after, l.done.Load()), nil
}
