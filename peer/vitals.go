package peer

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// silenceMemory is how long a node that was found silent is asked nothing. Then
// one ask is let through to it, and the others go on without it until that one
// has been answered: a hung node costs one ask at a time its budget, not all.
const silenceMemory = time.Second

// errSilent is for a node that gave no sign of life when it was last asked.
var errSilent = fmt.Errorf("%w: silent a moment ago", object.ErrUnreachable)

// vitals remembers when each node last gave a sign of life, and which are silent.
// What counts is what only a node that runs now can have sent (a welcome, a head,
// a wait), not data, which may have lain in a socket. Safe for concurrent use.
type vitals struct {
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex
	nodes map[string]*vital

	found   *metrics.Counter // silences
	skipped *metrics.Counter // asks that were not sent for one
}

// vital is one node's; vitals.mu guards it.
type vital struct {
	heard   time.Time // the last sign of life
	silent  bool
	until   time.Time // when one ask is let through
	probing bool      // it is on its way
}

func newVitals(now func() time.Time, log *slog.Logger, set *metrics.Set) *vitals {
	v := &vitals{
		now: now, log: log, nodes: make(map[string]*vital),
		found:   set.NewCounter("rookery_peer_silences_total"),
		skipped: set.NewCounter("rookery_peer_skipped_requests_total"),
	}
	set.NewGauge("rookery_peer_silent_nodes", func() float64 { return float64(v.silent()) })
	return v
}

func (v *vitals) of(node string) *vital {
	n := v.nodes[node]
	if n == nil {
		n = &vital{}
		v.nodes[node] = n
	}
	return n
}

// admit says whether node may be asked. probe means that this ask finds out
// whether a silent node is back: the caller calls probed when it is over.
func (v *vitals) admit(node string) (probe bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.of(node)
	switch {
	case !n.silent:
		return false, nil
	case n.probing || v.now().Before(n.until):
		v.skipped.Inc()
		return false, errSilent
	}
	n.probing = true
	return true, nil
}

// probed lets the next ask find out, where this one did not.
func (v *vitals) probed(node string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.of(node).probing = false
}

// heard notes a sign of life: the node is asked again by all, at once.
func (v *vitals) heard(node string) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.of(node)
	n.heard, n.silent = now, false
}

// alive reports a sign of life since then: whatever waited for one of its own in
// vain was waiting for a busy node, or is itself on a busy one.
func (v *vitals) alive(node string, since time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of(node).heard.After(since)
}

// lost notes that node gave no sign of life, and tells the log why it is taken
// for silent from now on.
func (v *vitals) lost(node string, why error) {
	v.mu.Lock()
	n := v.of(node)
	news := !n.silent
	n.silent, n.until = true, v.now().Add(silenceMemory)
	v.mu.Unlock()
	if news {
		v.found.Inc()
		v.log.Warn("a node is silent, others are asked in its place", "peer", node, "err", why)
	}
}

func (v *vitals) silent() (count int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.nodes {
		if n.silent {
			count++
		}
	}
	return count
}
