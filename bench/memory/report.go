package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// minServed is the share of the asked pace that must have been served for a run
// to show anything. A paced origin may be what holds the readers up.
const minServed = 0.9

// report prints the table and reports whether the bar was met.
func report(w io.Writer, o options, memory []resident, read readings, fetched int64) bool {
	seconds := o.duration.Seconds()
	limit := (o.memoryMiB + o.beyondMiB) * mib
	fmt.Fprintf(w, "%d clients, %d objects of %d MiB, %g MiB/s each, %s, %d node(s), cache.memory %d MiB\n",
		o.clients, o.objects, o.objectMiB, o.rateMiB, o.duration, o.nodes, o.memoryMiB)
	fmt.Fprintf(w, "served %d MiB (%.1f MiB/s in all, %.2f by the slowest client), every byte checked; fetched %d MiB from the origin\n\n",
		read.bytes/mib, float64(read.bytes)/mib/seconds, float64(read.slowest)/mib/seconds, fetched/mib)
	ok := true
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "node\tresident at the end\tmost\tbar\tsamples\t")
	for _, r := range memory {
		verdict := "within"
		if r.max > limit {
			verdict, ok = "ABOVE", false
		}
		fmt.Fprintf(table, "%s\t%d MiB\t%d MiB\t%d MiB\t%d\t%s\n", r.name, r.last/mib, r.max/mib, limit/mib, r.samples, verdict)
	}
	_ = table.Flush() // where it goes is the caller's; standard output has no better answer
	fmt.Fprintln(w)
	if read.failed > 0 {
		fmt.Fprintf(w, "FAILED: %d clients, one of them by: %v\n", read.failed, read.err)
		ok = false
	}
	served := float64(read.bytes) / (float64(o.clients) * o.rateMiB * mib * seconds)
	if served < minServed && o.originMiB == 0 {
		fmt.Fprintf(w, "FAILED: only %.0f %% of the pace was served: a node that is not asked needs no memory\n", 100*served)
		ok = false
	}
	if ok {
		fmt.Fprintln(w, "ok")
	}
	return ok
}
