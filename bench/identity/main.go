// Command identity measures what it costs a hit to say who one is: small objects in
// memory, over HTTP, from an open bucket, and the same ones from a bucket that wants a
// token and looks at its claims and at the name. Each token is verified once and
// remembered then.
//
// One node in a process of its own serves both buckets, which are asked in turn, in
// many short rounds: the rounds are compared in pairs, by the processor time that the
// node used for the same requests.
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
	"slices"
	"syscall"
)

type options struct {
	serve            string
	rounds, requests int
	clients, objects int
	subjects         int
	bytes            int64
	bar              float64
}

func parseOptions(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("identity", flag.ContinueOnError)
	set.StringVar(&o.serve, "serve", "", "serve, with the store in this directory (what the measured process does)")
	set.IntVar(&o.rounds, "rounds", 80, "pairs of rounds")
	set.IntVar(&o.requests, "requests", 3000, "requests of a round")
	set.IntVar(&o.clients, "clients", 8, "clients, each with one request at a time")
	set.IntVar(&o.objects, "objects", 100, "objects of each subject")
	set.IntVar(&o.subjects, "subjects", 8, "subjects, each with a token")
	set.Int64Var(&o.bytes, "bytes", 4096, "size of each object")
	set.Float64Var(&o.bar, "bar", 0.10, "what identity may cost, by the median")
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
	if o.serve != "" {
		err = serve(ctx, o)
	} else {
		err = run(ctx, o, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "identity:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options, args []string) (err error) {
	dir, err := os.MkdirTemp("", "rookery-bench-identity-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := startServer(ctx, o, dir, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	l := &load{options: o, server: s, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients}}}
	if err := l.fill(ctx); err != nil {
		return err
	}
	costs, err := l.compare(ctx)
	if err != nil {
		return err
	}
	return report(o, costs)
}

// report prints what the pairs of rounds showed, in CPU time a hit.
func report(o options, costs []pair) error {
	var with, without, differences []float64
	for _, c := range costs {
		with, without = append(with, c.with), append(without, c.without)
		differences = append(differences, c.with-c.without)
	}
	perHit := 1e6 / float64(o.requests)
	base := median(without)
	cost := median(differences) / base
	low, high := interval(differences)
	fmt.Printf("%d pairs of rounds of %d hits of %d bytes, medians\n", len(costs), o.requests, o.bytes)
	fmt.Printf("anonymous            %8.2f CPU µs a hit\n", base*perHit)
	fmt.Printf("with a token         %8.2f CPU µs a hit\n", median(with)*perHit)
	fmt.Printf("difference           %+8.2f %%, 95 %% confidence interval %+.2f to %+.2f %%\n", 100*cost, 100*low/base, 100*high/base)
	if cost > o.bar {
		return fmt.Errorf("identity costs %.2f %%, more than %.0f %%", 100*cost, 100*o.bar)
	}
	return nil
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// interval returns the 95 % confidence interval of the median, from the order
// statistics by the normal approximation of the binomial.
func interval(all []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(all))
	half := 1.96 * math.Sqrt(float64(len(all))) / 2
	middle := float64(len(all)) / 2
	at := func(rank float64) float64 { return sorted[min(max(int(rank), 0), len(sorted)-1)] }
	return at(math.Floor(middle - half)), at(math.Ceil(middle + half))
}
