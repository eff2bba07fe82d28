package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// trouble brings about whatever may happen to a cluster, until ctx ends, and waits
// until all of it is over.
func (w *world) trouble(ctx context.Context, r *rand.Rand) {
	var all sync.WaitGroup
	defer all.Wait()
	for rest(ctx, time.Duration(r.Int64N(int64(time.Second)))) == nil {
		h := w.hosts[w.any(r)]
		long := time.Duration(r.Int64N(int64(3 * lease)))
		switch r.IntN(12) {
		case 0, 1:
			all.Go(func() { w.strike(ctx, "kill", h, long, h.kill, h.start) })
		case 2:
			all.Go(func() { w.strike(ctx, "restart", h, long/4, h.end, h.start) })
		case 3, 4, 5:
			all.Go(func() { w.strike(ctx, "stop", h, long, stopped(h), goneOn(h)) })
		case 6, 7:
			side := slices.Clone(append(hostNames, "council"))
			r.Shuffle(len(side), func(i, k int) { side[i], side[k] = side[k], side[i] })
			at := 1 + r.IntN(len(side)-1)
			w.noted("split")
			w.network.split(side[:at], side[at:])
			_ = rest(ctx, long)
			w.network.heal()
		case 8, 9:
			w.turn(r)
		case 10:
			w.noted("S3 away")
			w.things.away.Store(true)
			_ = rest(ctx, long/8)
			w.things.away.Store(false)
		default:
			if r.IntN(10) > 0 {
				w.noted("trim")
				w.council.trim(longBucket)
				continue
			}
			w.noted("new council")
			w.council.found(ctx)
		}
	}
}

func (w *world) noted(what string) {
	w.counts.mu.Lock()
	defer w.counts.mu.Unlock()
	w.counts.troubles[what]++
}

func stopped(h *host) func() error {
	return func() error {
		h.gate.stop()
		return nil
	}
}

func goneOn(h *host) func() error {
	return func() error {
		h.gate.goOn()
		return nil
	}
}

// strike does something to a host to which nothing happens at present, and undoes
// it after a time.
func (w *world) strike(ctx context.Context, what string, h *host, long time.Duration, strike, heal func() error) {
	if !h.struck.TryLock() {
		return
	}
	defer h.struck.Unlock()
	w.noted(what)
	if err := strike(); err != nil {
		w.fail(err)
	}
	_ = rest(ctx, long)
	if err := heal(); err != nil {
		w.fail(err)
	}
}

// turn changes the ring, on all hosts or on some of them alone.
func (w *world) turn(r *rand.Rand) {
	w.noted("ring")
	to := w.rings[len(w.rings)-1]
	if r.IntN(3) > 0 {
		to = w.rings[r.IntN(len(w.rings))]
	}
	everywhere := r.IntN(2) == 0
	for _, name := range hostNames {
		if everywhere || r.IntN(2) == 0 {
			w.hosts[name].ring.Store(to)
		}
	}
}
