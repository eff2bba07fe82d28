package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// troubles are all that may happen, the frequent ones several times.
var troubles = []func(*world, context.Context, *rand.Rand){
	kill, kill, restart, loseDisk, stop, stop, stop, split, split, turn, turn, trim, trim, lag, lag, originAway, newCouncil, reload, reload,
}

// trouble brings about whatever may happen to a cluster, until ctx ends, and waits
// until all of it is over.
func (w *world) trouble(ctx context.Context, r *rand.Rand) {
	defer w.striking.Wait()
	for {
		for _, i := range r.Perm(len(troubles)) {
			if rest(ctx, time.Duration(r.Int64N(int64(time.Second)))) != nil {
				return
			}
			troubles[i](w, ctx, r)
		}
	}
}

// long is how long something goes on: longer than a lease, often enough.
func long(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(3 * lease))) }

func kill(w *world, ctx context.Context, r *rand.Rand) {
	h := w.hosts[w.any(r)]
	w.strike(ctx, "kill", h, long(r), h.kill, h.start)
}

func restart(w *world, ctx context.Context, r *rand.Rand) {
	h := w.hosts[w.any(r)]
	w.strike(ctx, "restart", h, long(r)/4, h.end, h.start)
}

func loseDisk(w *world, ctx context.Context, r *rand.Rand) {
	h := w.hosts[w.any(r)]
	w.strike(ctx, "disk lost", h, long(r), func() error { return errors.Join(h.kill(), w.lose(h)) }, h.start)
}

func stop(w *world, ctx context.Context, r *rand.Rand) {
	h := w.hosts[w.any(r)]
	w.strike(ctx, "stop", h, long(r), h.gate.stop, h.gate.goOn)
}

// lag makes messages slow, each as it comes: of two, the second may be there first.
func lag(w *world, ctx context.Context, r *rand.Rand) {
	h, by := w.hosts[w.any(r)], long(r)/2
	set := func(d time.Duration) func() error {
		return func() error {
			h.lag.Store(int64(d))
			return nil
		}
	}
	w.strike(ctx, "lag", h, long(r), set(by), set(0))
}

// split cuts the network in two; on which side the council's list is, is chance.
func split(w *world, ctx context.Context, r *rand.Rand) {
	w.noted("split")
	all := append(slices.Clone(hostNames), "council")
	r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	at := 1 + r.IntN(len(all)-1)
	w.told(fmt.Sprintf("%v from %v", all[:at], all[at:]))
	w.network.split(all[:at], all[at:])
	_ = rest(ctx, long(r))
	w.network.heal()
	w.told("the network is whole")
}

// turn changes the ring, on all hosts or on some of them alone.
func turn(w *world, _ context.Context, r *rand.Rand) {
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

func trim(w *world, _ context.Context, _ *rand.Rand) {
	w.noted("trim")
	w.council.trim(longBucket)
}

func originAway(w *world, ctx context.Context, r *rand.Rand) {
	w.noted("S3 away")
	w.things.away.Store(true)
	_ = rest(ctx, long(r)/8)
	w.things.away.Store(false)
}

func newCouncil(w *world, ctx context.Context, _ *rand.Rand) {
	w.noted("new council")
	if err := w.council.found(ctx); err != nil {
		w.fail(fmt.Errorf("found a council: %w", err))
	}
}

// noted counts a trouble that begins; told says more of it.
func (w *world) noted(what string) {
	w.counts.mu.Lock()
	defer w.counts.mu.Unlock()
	w.counts.troubles[what]++
}

func (w *world) told(what string) {
	w.counts.mu.Lock()
	defer w.counts.mu.Unlock()
	w.counts.events = append(w.counts.events, event{w.record.Now(), time.Now(), what})
}

// strike does something to a host to which nothing happens at present, and undoes
// it after a time.
func (w *world) strike(ctx context.Context, what string, h *host, long time.Duration, strike, heal func() error) {
	w.striking.Go(func() {
		if !h.struck.TryLock() {
			return
		}
		defer h.struck.Unlock()
		w.noted(what)
		w.told(fmt.Sprintf("%s of %s for %v", what, h.name, long))
		err := strike()
		_ = rest(ctx, long)
		w.told(fmt.Sprintf("%s of %s ends", what, h.name))
		if err = errors.Join(err, heal()); err != nil {
			w.fail(fmt.Errorf("%s of %s: %w", what, h.name, err))
		}
	})
}
