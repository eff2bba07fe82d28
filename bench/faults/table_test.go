package faults

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// table prints the results as the documentation shows them.
func table(w io.Writer, results []*result) {
	fmt.Fprintln(w, "| fault | times | requests (a second) | errors in the first 5 s | later | wrong bytes | short | origin bytes / distinct | recovered | after its end | p99 before | during | slowest | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range results {
		all := r.count(failed)
		first := r.count(func(s sample) bool {
			return failed(s) && slices.ContainsFunc(r.spans, func(f span) bool { return f.early(s) })
		})
		fault, end := r.recovery()
		recovered, after := fault.String(), end.String()
		if len(r.spans) == 0 {
			recovered, after = "–", "–"
		}
		verdict := "ok"
		if len(r.broken) > 0 {
			verdict = "**FAILED**"
		}
		ratio := "–"
		if r.distinct > 0 {
			ratio = fmt.Sprintf("%.2f", float64(r.origin)/float64(r.distinct))
		}
		fmt.Fprintf(w, "| %s | %d | %d (%.0f) | %d | %d | %d | %d | %s | %s | %s | %s | %s | %s | %s |\n",
			r.name, max(1, len(r.spans)), len(r.samples), float64(len(r.samples)-all)/max(r.ran.Seconds(), 1), first, all-first,
			r.count(func(s sample) bool { return s.class == wrong }), r.count(func(s sample) bool { return s.class == short }),
			ratio, recovered, after,
			r.latency(0.99, r.before).Round(time.Millisecond), r.latency(0.99, r.during).Round(time.Millisecond),
			r.latency(1, func(s sample) bool { return !r.struck(s) }).Round(time.Millisecond), verdict)
	}
}
