// Package turns keeps large bodies from crowding the processors.
//
// A body that its socket takes at once keeps a processor for milliseconds. Thousands of
// them at a time make everything else that happens in the process wait for seconds: a
// heartbeat of the council, a lease, a sign of life to a node that waits, a health check.
// So a large body waits for its turn where more goroutines than a few wait for a
// processor. Who waits for a slow client is not one of these and takes no turn from
// anybody.
package turns

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
)

const (
	// perProcessor is how many goroutines of each processor wait for it before large
	// bodies wait for their turns.
	perProcessor = 8
	// every is how often it is seen whose turn it is.
	every = time.Millisecond
	// anyway is after how many such looks one has its turn, however many others wait
	// for a processor: they may be small requests without end.
	anyway = 8
)

// Turns are those of one node. They are safe for concurrent use; nil makes nobody
// wait.
type Turns struct {
	runnable func() int // goroutines that wait for a processor
	most     int

	waited *vm.Counter

	mu      sync.Mutex
	waiting []chan struct{} // in the order in which they came; closed when it is their turn
}

// New returns the turns of a node; one Turns a Set.
func New(set *vm.Set) *Turns {
	t := &Turns{
		runnable: runnable, most: perProcessor * runtime.GOMAXPROCS(0),
		waited: set.NewCounter("rookery_large_bodies_waited_total"),
	}
	set.NewGauge("rookery_large_bodies_waiting", func() float64 { return float64(t.size()) })
	return t
}

func (t *Turns) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waiting)
}

// Wait returns when it is the caller's turn, or ctx ends: which is at once as long as
// the processors are not crowded.
func (t *Turns) Wait(ctx context.Context) {
	if t == nil {
		return
	}
	t.mu.Lock()
	if len(t.waiting) == 0 && t.runnable() < t.most {
		t.mu.Unlock()
		return
	}
	t.waited.Inc()
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	if len(t.waiting) == 1 {
		go t.take()
	}
	t.mu.Unlock()
	select {
	case <-turn:
	case <-ctx.Done(): // its turn passes soon
	}
}

// take has one after the other take their turns until nobody waits.
func (t *Turns) take() {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		<-ticker.C
		n := t.most - t.runnable()
		if looks%anyway == 0 {
			n = max(n, 1)
		}
		if !t.next(n) {
			return
		}
	}
}

// next gives the next n their turns; false if then nobody waits.
func (t *Turns) next(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; n > 0 && len(t.waiting) > 0; n-- {
		close(t.waiting[0])
		t.waiting = t.waiting[1:]
	}
	return len(t.waiting) > 0
}

func runnable() int {
	sample := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
