// Command parts reads a cold object the way S3 clients do, in parts, many at a time,
// straight from an origin and through a cluster, and compares: how long it took,
// and what the origin was asked for. The origin gives each connection so many bytes
// a second.
//
// It starts the nodes as processes of their own and is itself the origin and the
// client. Every byte is compared. The two ways take turns, in several rounds, each
// on an object that nobody has read; the medians count.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"rookery/bench/nodes"
)

const mib = 1 << 20

type options struct {
	rookery                    string
	nodes, rounds, at          int
	objectMiB, partMiB, perMBs int64
	slower, bytes              float64
}

func parseOptions(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("parts", flag.ContinueOnError)
	set.StringVar(&o.rookery, "rookery", "bin/rookery", "the program to measure")
	set.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster")
	set.IntVar(&o.rounds, "rounds", 3, "rounds, of which the medians count")
	set.IntVar(&o.at, "at", 16, "parts at a time")
	set.Int64Var(&o.objectMiB, "object-mib", 1024, "size of the object in MiB")
	set.Int64Var(&o.partMiB, "part-mib", 8, "size of a part in MiB")
	set.Int64Var(&o.perMBs, "mbs", 100, "what the origin gives a connection, in MB a second")
	set.Float64Var(&o.slower, "slower", 1.1, "the most that the cluster may take of the time that the origin takes alone")
	set.Float64Var(&o.bytes, "bytes", 1.02, "the most bytes that may leave the origin for each of the object")
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
		fmt.Fprintln(os.Stderr, "parts:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options) (err error) {
	s, err := startOrigin(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.server.Close()) }()
	dir, err := os.MkdirTemp("", "rookery-parts-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	all, err := nodes.Start(ctx, nodes.Options{
		Program: o.rookery, Nodes: o.nodes, Dir: dir, OriginURL: s.url, Bucket: bucket, MemoryMiB: 512, DiskMiB: 20 << 10,
	})
	defer func() { err = errors.Join(err, nodes.Stop(all)) }()
	if err != nil {
		return err
	}
	through := make([]string, len(all))
	for i, n := range all {
		through[i] = "http://" + n.Client
	}
	var direct, cached []float64
	worst := asked{}
	for round := range o.rounds {
		path := fmt.Sprintf("/%s/object-%d", bucket, round)
		alone, err := s.read(ctx, o, []string{s.url}, path)
		if err != nil {
			return fmt.Errorf("straight from the origin: %w", err)
		}
		s.forget()
		together, err := s.read(ctx, o, through, path)
		if err != nil {
			return fmt.Errorf("through the cluster: %w", err)
		}
		a := s.forget()
		fmt.Printf("round %d: origin alone %.2f s, cluster %.2f s; origin: %d HEAD, %d GET, %.4f bytes for each\n",
			round+1, alone.Seconds(), together.Seconds(), a.heads, a.gets, float64(a.bytes)/float64(o.objectMiB*mib))
		direct, cached = append(direct, alone.Seconds()), append(cached, together.Seconds())
		worst.gets, worst.bytes = max(worst.gets, a.gets), max(worst.bytes, a.bytes)
	}
	return judge(o, median(cached)/median(direct), worst)
}

func judge(o options, slower float64, worst asked) error {
	gets := (o.objectMiB+o.partMiB-1)/o.partMiB + (o.objectMiB+63)/64
	bytes := float64(worst.bytes) / float64(o.objectMiB*mib)
	fmt.Printf("%d parts of %d MiB, %d at a time, %d MB/s a connection: %.2f times the time (at most %.2f), %d GETs (at most %d), %.4f bytes (at most %.2f)\n",
		(o.objectMiB+o.partMiB-1)/o.partMiB, o.partMiB, o.at, o.perMBs, slower, o.slower, worst.gets, gets, bytes, o.bytes)
	if slower > o.slower || int64(worst.gets) > gets || bytes > o.bytes {
		return errors.New("a bar is missed")
	}
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// forget returns what the origin was asked for since it was called last.
func (s *origin) forget() asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asked
	s.asked = asked{}
	return a
}
