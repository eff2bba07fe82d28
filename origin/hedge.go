package origin

import (
	"context"
	"slices"
	"sync"
	"time"

	"rookery/object"
)

// Hedge sends a second request when the first takes longer than most do. The zero
// value is off.
type Hedge struct {
	// Quantile of the recent times to headers after which the second is sent,
	// above 0 and below 1.
	Quantile float64
	// MaxExtra bounds second requests to this share of all; 0 means 0.05.
	MaxExtra float64
}

const (
	hedgeSamples    = 128 // times that are remembered
	hedgeMinSamples = 20  // before that many are known nothing is hedged
	hedgeMaxCredit  = 5   // second requests that may have been saved up
)

// hedge races requests that are late, up to their headers. The loser is
// cancelled, and its body closed. Safe for concurrent use.
type hedge struct {
	source
	policy Hedge
	places *limit // where a second request finds a place, or is not sent; nil is no limit
	count  hedgeCounters
	losers sync.WaitGroup

	mu     sync.Mutex
	times  []time.Duration // a ring of the last hedgeSamples
	oldest int
	credit float64 // second requests that may be sent
	closed bool
}

func newHedge(s source, p Hedge, places *limit, c hedgeCounters) *hedge {
	p.MaxExtra = orElse(p.MaxExtra, 0.05)
	return &hedge{source: s, policy: p, places: places, count: c}
}

func (h *hedge) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	ask := func(ctx context.Context) (*object.Info, error) { return h.source.Head(ctx, key, ifNoneMatch) }
	info, cancel, err := race(ctx, h, ask, func(*object.Info) {})
	cancel()
	return info, err
}

func (h *hedge) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	ask := func(ctx context.Context) (*object.Fetched, error) { return h.source.Get(ctx, f) }
	fetched, cancel, err := race(ctx, h, ask, func(late *object.Fetched) { late.Body.Close() })
	if err != nil {
		cancel()
		return nil, err
	}
	fetched.Body = &placed{fetched.Body, cancel}
	return fetched, nil
}

// Query is not raced: a page of names takes S3 as long as it takes, and its time says
// nothing of the others'.
func (h *hedge) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	return h.source.Query(ctx, q)
}

// lap is how one of two requests came out.
type lap[T any] struct {
	answer T
	err    error
	second bool
}

// race asks, and asks again when that takes long. The answer is the first that
// says something, and goes on under a context that the caller cancels.
func race[T any](ctx context.Context, h *hedge, ask func(context.Context) (T, error), drop func(T)) (T, context.CancelFunc, error) {
	delay, known := h.begin()
	start := time.Now()
	first, cancelFirst := context.WithCancel(ctx)
	if !known {
		answer, err := ask(first)
		h.took(start, err)
		return answer, cancelFirst, err
	}
	defer h.losers.Done()
	laps := make(chan lap[T], 2)
	h.losers.Go(func() {
		answer, err := ask(first)
		laps <- lap[T]{answer, err, false}
	})
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case l := <-laps:
		h.took(start, l.err)
		return l.answer, cancelFirst, l.err
	case <-timer.C:
	}
	if !h.mayHedge() {
		l := <-laps
		h.took(start, l.err)
		return l.answer, cancelFirst, l.err
	}
	second, cancel := context.WithCancel(ctx)
	cancelSecond := sync.OnceFunc(func() {
		cancel()
		h.leave()
	})
	h.losers.Go(func() {
		answer, err := ask(second)
		laps <- lap[T]{answer, err, true}
	})
	won := decide(ctx, h, laps, drop)
	h.took(start, won.err)
	if won.second {
		cancelFirst()
		return won.answer, cancelSecond, won.err
	}
	cancelSecond()
	return won.answer, cancelFirst, won.err
}

// decide waits for the first of two laps that says something, and has the other
// end by itself: it is cancelled by the caller.
func decide[T any](ctx context.Context, h *hedge, laps <-chan lap[T], drop func(T)) lap[T] {
	won := <-laps
	if judge(ctx, won.err) != good && ctx.Err() == nil {
		if other := <-laps; other.err == nil || won.second {
			won = other
		}
	} else {
		h.losers.Go(func() {
			if late := <-laps; late.err == nil {
				drop(late.answer)
			}
		})
	}
	if won.second {
		h.count.won.Inc()
	} else {
		h.count.lost.Inc()
	}
	return won
}

// begin counts a request, and returns how long it may take before it is late;
// not known while too few have been timed.
func (h *hedge) begin() (delay time.Duration, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.credit = min(hedgeMaxCredit, h.credit+h.policy.MaxExtra)
	if h.closed || len(h.times) < hedgeMinSamples {
		return 0, false
	}
	h.losers.Add(1) // until race has begun what it waits for; close must not come between
	sorted := slices.Sorted(slices.Values(h.times))
	return sorted[int(float64(len(sorted))*h.policy.Quantile)], true
}

// took remembers how long an answer took.
func (h *hedge) took(start time.Time, err error) {
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.times) < hedgeSamples {
		h.times = append(h.times, time.Since(start))
		return
	}
	h.times[h.oldest] = time.Since(start)
	h.oldest = (h.oldest + 1) % hedgeSamples
}

// mayHedge takes a second request's cost and its place.
func (h *hedge) mayHedge() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.credit < 1 || h.places != nil && !h.places.try() {
		h.count.withheld.Inc()
		return false
	}
	h.credit--
	return true
}

func (h *hedge) leave() {
	if h.places != nil {
		h.places.leave()
	}
}

// close waits until the losers have ended. What is asked from now on is asked once.
func (h *hedge) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.losers.Wait()
}
