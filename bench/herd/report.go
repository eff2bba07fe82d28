package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// results is what the runs came to.
type results struct {
	runs  []found
	nodes []state
}

// best is the time of the quickest run with slow readers or without; 0 if there
// was none. What else the machine does can only add to it.
func (r *results) best(slow bool) (took time.Duration) {
	for _, f := range r.runs {
		if f.slow > 0 == slow && (took == 0 || f.took < took) {
			took = f.took
		}
	}
	return took
}

// minSlowShare is the share of its pace that a slow reader must have had: one
// that gets nothing holds nothing up.
const minSlowShare = 0.8

// report prints the tables and reports whether the bars were met.
func report(w io.Writer, o options, r *results) bool {
	fmt.Fprintf(w, "%d clients at once over %d nodes, each %d MiB at a random place of a cold object of %d MiB (seed %d)\n\n",
		o.clients, o.nodes, o.pieceMiB, o.objectMiB, o.seed)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "slow readers\tall served in\tMiB/s\tfirst byte p50\tp99\twhole p50\tp99\tfailed\tHEADs\tGETs\tchunks\tfetched again\tbytes from S3 / distinct")
	for _, f := range r.runs {
		distinct := max(1, int64(f.asked.fetched)*chunkBytes)
		fmt.Fprintf(table, "%d\t%s\t%.0f\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.3f\n",
			f.slow, round(f.took), float64(f.bytes)/mib/f.took.Seconds(), round(quantile(f.first, .5)), round(quantile(f.first, .99)),
			round(quantile(f.all, .5)), round(quantile(f.all, .99)), f.failed, f.asked.heads, f.asked.gets,
			f.asked.fetched, f.asked.again, float64(f.asked.sentBytes)/float64(distinct))
	}
	_ = table.Flush() // where it goes is the caller's; standard output has no better answer
	fmt.Fprintln(w)
	limit := (o.memoryMiB + o.beyondMiB) * mib
	fmt.Fprintln(table, "node\tmost memory\tbar\towners passed over\tsilences\tring changes\tlimits hit")
	for _, n := range r.nodes {
		fmt.Fprintf(table, "%s\t%d MiB\t%d MiB\t%.0f\t%.0f\t%.0f\t%.0f\n", n.name, n.peak/mib, limit/mib,
			n.figures[0], n.figures[1], n.figures[2], n.figures[3])
	}
	_ = table.Flush()
	fmt.Fprintln(w)
	faults := judge(o, r)
	for _, fault := range faults {
		fmt.Fprintln(w, "FAILED:", fault)
	}
	if len(faults) == 0 {
		fmt.Fprintln(w, "ok: every byte right, every chunk fetched once, nobody slowed, memory within its bound")
	}
	return len(faults) == 0
}

// judge lists the bars that were missed.
func judge(o options, r *results) (faults []string) {
	miss := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for n, f := range r.runs {
		if f.failed > 0 {
			miss("run %d: %d clients, one of them by: %v", n+1, f.failed, f.err)
		}
		if f.slowFailed != nil {
			miss("run %d: a slow reader: %v", n+1, f.slowFailed)
		}
		if f.asked.again > 0 {
			miss("run %d: %d chunks were fetched more than once, one of them %d times", n+1, f.asked.again, f.asked.most)
		}
		if f.asked.heads != 1 {
			miss("run %d: %d HEADs, want 1", n+1, f.asked.heads)
		}
		if f.asked.unconditional > 0 || f.asked.wholeOrStrange > 0 {
			miss("run %d: %d GETs without If-Match, %d without a plain range", n+1, f.asked.unconditional, f.asked.wholeOrStrange)
		}
		if f.slow > 0 && f.slowShare < minSlowShare {
			miss("run %d: a slow reader had %.0f %% of its pace", n+1, 100*f.slowShare)
		}
	}
	without, with := r.best(false), r.best(true)
	if without > 0 && with.Seconds() > o.slowdown*without.Seconds() {
		miss("the slow readers cost the others: %s in place of %s", round(with), round(without))
	}
	for _, n := range r.nodes {
		if n.peak > (o.memoryMiB+o.beyondMiB)*mib {
			miss("%s took %d MiB", n.name, n.peak/mib)
		}
	}
	return faults
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
