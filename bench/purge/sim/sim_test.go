package sim

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rookery/bench/purge/history"
)

var (
	operationsFlag = flag.Int("operations", short, "how many operations are simulated")
	seedFlag       = flag.Uint64("seed", 0, "what the operations follow from; 0 takes the time")
)

// clients work at the same time.
const clients = 24

// TestPurgeIsAPromise is the whole of it.
func TestPurgeIsAPromise(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for name, council := range map[string]func(*world) assembly{
		"model": func(w *world) assembly { return newModel(w) },
		"raft":  func(w *world) assembly { return newRaftCouncil(w) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Logf("seed %d", seed)
			began := time.Now()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, council) })
			t.Logf("simulated in %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// keepViolations is how many are shown.
const keepViolations = 10

func simulate(t *testing.T, seed uint64, council func(*world) assembly) {
	began := time.Now()
	w, err := newWorld(seed, council)
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // timers that are left end by themselves
	}()
	if err == nil {
		err = w.run(seed, *operationsFlag, clients)
	}
	if err != nil {
		t.Error(err)
	}
	v, err := w.record.Check()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v of simulated time; %v", time.Since(began).Round(time.Second), v)
	for i, violation := range v.Violations {
		if i < keepViolations {
			t.Errorf("%v\n%s", violation, w.counts.before(violation))
		}
	}
	w.counts.report(t, v.Gets)
	// A short run may spend most of its time in one trouble.
	leastBound, leastComplete := 0.5, 0.25
	if *operationsFlag < 20_000 {
		leastBound, leastComplete = 0.1, 0.02
	}
	if bound := float64(v.Newer) / float64(v.Gets); bound < leastBound {
		t.Errorf("only %.0f %% of the answers could have been older than a purge allows", 100*bound)
	}
	if share := float64(v.Complete) / float64(v.Purges); share < leastComplete {
		t.Errorf("only %.0f %% of the purges were complete", 100*share)
	}
}

// before tells what happened before a violation.
func (c *counts) before(v history.Violation) string {
	first, last := v.Get.Invoked, v.Get.Completed
	if v.Purge != nil {
		first = min(first, v.Purge.Invoked)
	}
	var lines []string
	for i, e := range c.events {
		if e.at <= last && (i+10 >= len(c.events) || c.events[i+10].at >= first) {
			lines = append(lines, fmt.Sprintf("        %d, %v: %s", e.at, e.time.Format("05.000"), e.what))
		}
	}
	return strings.Join(lines, "\n")
}

// report shows what there was, and demands that it is worth something.
func (c *counts) report(t *testing.T, answers int) {
	hits := 0
	var lines []string
	for _, how := range slices.Sorted(maps.Keys(c.answered)) {
		lines = append(lines, fmt.Sprintf("%s %d", how, c.answered[how]))
		if strings.HasPrefix(how, "HIT") {
			hits += c.answered[how]
		}
	}
	t.Logf("answers: %s; %d refused", strings.Join(lines, ", "), c.refused)
	lines = nil
	for _, what := range slices.Sorted(maps.Keys(c.troubles)) {
		lines = append(lines, fmt.Sprintf("%s %d", what, c.troubles[what]))
	}
	t.Logf("troubles: %s", strings.Join(lines, ", "))
	slices.Sort(c.took)
	if n := len(c.took); n > 0 {
		t.Logf("purges complete after: p50 %v, p99 %v, at most %v", c.took[n/2], c.took[n*99/100], c.took[n-1])
	}
	if hits*5 < answers {
		t.Errorf("%d hits in %d answers: too few to mean anything", hits, answers)
	}
	if c.refused > answers {
		t.Errorf("%d reads were refused, %d answered", c.refused, answers)
	}
}
