package council

import (
	"testing"
	"time"
)

// A sole voter has nobody to wait for: it leads, and holds a lease, long before
// others would call for an election.
func TestSoleVoterStandsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		n := w.add("only")
		alone := func(o *Options) { o.Alone, o.Dial, o.Directory = true, nil, nil }
		for _, what := range []string{"founded", "opened again"} {
			start := time.Now()
			w.open(n, alone)
			<-n.Ready()
			if took := time.Since(start); took > n.o.Heartbeat/4 {
				t.Errorf("%s: ready after %v, with a heartbeat of %v", what, took, n.o.Heartbeat)
			}
			w.stop(n)
		}
		w.open(n, alone) // for the end of the world
	})
}
