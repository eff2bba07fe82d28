// Command lease measures what the promise of purges costs a hit: small objects in
// memory, over HTTP, by a node that looks at its lease and at its floors on each hit,
// and by the same node built without looking. It is no mode of the product: the
// second program is compiled with another node/purged.go (see without.go).
//
// The two serve at the same time, as processes of their own that share the machine,
// and are asked in turn, in many short rounds: the rounds are compared in pairs, by
// the processor time that each program used for the same requests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"rookery/internal/pattern"
)

type options struct {
	serve            string
	rounds, requests int
	clients, objects int
	bytes            int64
	floors           int
	bar              float64
}

func parseOptions(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("lease", flag.ContinueOnError)
	set.StringVar(&o.serve, "serve", "", "serve, with the store in this directory (what the measured programs do)")
	set.IntVar(&o.rounds, "rounds", 120, "pairs of rounds")
	set.IntVar(&o.requests, "requests", 3000, "requests of a round")
	set.IntVar(&o.clients, "clients", 8, "clients, each with one request at a time")
	set.IntVar(&o.objects, "objects", 100, "objects")
	set.Int64Var(&o.bytes, "bytes", 4096, "size of each object")
	set.IntVar(&o.floors, "floors", 1000, "purges of prefixes and of tags since the objects were read, none of which covers one")
	set.Float64Var(&o.bar, "bar", 0.03, "the upper end of what the promise may cost")
	return o, set.Parse(args)
}

// bucket is the one that is measured.
const bucket = "bench"

func (o *options) objectAt(n int) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: fmt.Sprintf("small-%06d", n), Version: "1", Size: o.bytes}
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
	if o.serve != "" {
		err = serve(ctx, o)
	} else {
		err = run(ctx, o, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lease:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options, args []string) (err error) {
	dir, err := os.MkdirTemp("", "rookery-bench-lease-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := build(ctx, dir)
	if err != nil {
		return err
	}
	var both [2]*server
	for i, program := range programs {
		if both[i], err = startServer(ctx, program, filepath.Join(dir, fmt.Sprint(i)), args); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, both[i].stop()) }()
	}
	l := &load{options: o, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients}}}
	for _, s := range both {
		if err := l.fill(ctx, s); err != nil {
			return err
		}
	}
	costs, err := l.compare(ctx, both)
	if err != nil {
		return err
	}
	return report(o, costs)
}

// report prints what the pairs of rounds showed.
func report(o options, costs []pair) error {
	var with, without float64
	differences := make([]float64, len(costs))
	for _, c := range costs {
		with, without = with+c.with, without+c.without
	}
	for i, c := range costs { // against the mean: quotients of short rounds lean to one side
		differences[i] = (c.with - c.without) / (without / float64(len(costs)))
	}
	mean, half := interval(differences)
	n := float64(len(costs) * o.requests)
	fmt.Printf("%d pairs of rounds of %d hits of %d bytes, %d floors\n", len(costs), o.requests, o.bytes, o.floors)
	fmt.Printf("with the promise     %8.2f CPU µs a hit, %6.0f hits a CPU second\n", 1e6*with/n, n/with)
	fmt.Printf("without it           %8.2f CPU µs a hit, %6.0f hits a CPU second\n", 1e6*without/n, n/without)
	fmt.Printf("difference           %+8.2f %%, 95 %% confidence interval %+.2f to %+.2f %%\n", 100*mean, 100*(mean-half), 100*(mean+half))
	if mean+half > o.bar {
		return fmt.Errorf("the promise may cost %.2f %%, more than %.1f %%", 100*(mean+half), 100*o.bar)
	}
	return nil
}

// interval returns the mean and half its 95 % confidence interval; 1.96 stands for
// Student's t, which it nears for as many rounds as this takes.
func interval(all []float64) (mean, half float64) {
	n := float64(len(all))
	for _, x := range all {
		mean += x / n
	}
	var variance float64
	for _, x := range all {
		variance += (x - mean) * (x - mean) / (n - 1)
	}
	return mean, 1.96 * math.Sqrt(variance/n)
}
