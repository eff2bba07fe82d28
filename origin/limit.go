package origin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"rookery/object"
)

const (
	// maxWait is how long a request may wait for a place.
	maxWait = 10 * time.Second
	// waitersPerPlace bounds how many may wait.
	waitersPerPlace = 20
	// calmAfter is how long after a SlowDown all places are open again.
	calmAfter = 30 * time.Second
)

// limit bounds the requests that an origin serves at once. A GET holds its place
// until its body is closed. Who finds no place waits, first come, first served,
// within bounds of time and number. When the origin asks to slow down, half of
// the places close, and open again one after the other. Safe for concurrent use.
type limit struct {
	source
	max   int
	now   func() time.Time
	count limitCounters

	mu      sync.Mutex
	used    int
	waiting []chan struct{} // each is closed when its place is free
	// After a SlowDown: so many places were left open, at that time.
	slowed   int
	slowedAt time.Time
}

var errNoPlace = errors.New("no place for another request to the origin")

func newLimit(s source, places int, now func() time.Time, c limitCounters) *limit {
	return &limit{source: s, max: places, slowed: places, now: now, count: c}
}

func (l *limit) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	info, err := l.source.Head(ctx, key, ifNoneMatch)
	l.heed(err)
	return info, err
}

func (l *limit) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	fetched, err := l.source.Get(ctx, f)
	l.heed(err)
	if err != nil {
		l.leave()
		return nil, err
	}
	fetched.Body = &placed{fetched.Body, sync.OnceFunc(l.leave)}
	return fetched, nil
}

func (l *limit) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	document, err := l.source.Query(ctx, q)
	l.heed(err)
	return document, err
}

// placed is a body that holds something until it is closed.
type placed struct {
	io.ReadCloser
	leave func()
}

func (p *placed) Close() error {
	defer p.leave()
	return p.ReadCloser.Close()
}

// enter takes a place, or says why there is none.
func (l *limit) enter(ctx context.Context) error {
	l.mu.Lock()
	l.admit() // places open with time
	switch {
	case l.used < l.places(): // and so nobody waits
		l.used++
		l.mu.Unlock()
		return nil
	case len(l.waiting) >= waitersPerPlace*l.max:
		l.mu.Unlock()
		return l.reject()
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	var err error
	select {
	case <-turn:
		l.count.waited.Inc()
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.giveUp(turn)
	if err == nil {
		err = l.reject()
	}
	return err
}

func (l *limit) reject() error {
	l.count.rejected.Inc()
	return refuse(errNoPlace, "SlowDown", "Too many requests to the origin.", time.Second)
}

// giveUp ends a wait. A place that came at the same time goes to the next.
func (l *limit) giveUp(turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, turn)
	if i < 0 {
		l.used--
		l.admit()
		return
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
}

// try takes a place if there is one at once.
func (l *limit) try() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 || l.used >= l.places() {
		return false
	}
	l.used++
	return true
}

func (l *limit) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used--
	l.admit()
}

// admit gives free places to those who wait. mu is held.
func (l *limit) admit() {
	for len(l.waiting) > 0 && l.used < l.places() {
		l.used++
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// places returns how many places are open: all, or those left by a SlowDown and
// what has opened since. mu is held.
func (l *limit) places() int {
	if l.slowed == l.max {
		return l.max
	}
	back := float64(l.max) * float64(l.now().Sub(l.slowedAt)) / float64(calmAfter)
	return min(l.max, l.slowed+int(back))
}

// heed closes half of the open places when the origin asks to slow down. Those
// who hear it of requests sent together halve once a second at most.
func (l *limit) heed(err error) {
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Unsent ||
		refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusTooManyRequests {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.slowedAt) >= time.Second {
		l.slowed = max(1, l.places()/2)
		l.slowedAt = now
		l.count.slowed.Inc()
	}
}

// load returns how many places are open and taken, and how many requests wait.
func (l *limit) load() (places, used, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places(), l.used, len(l.waiting)
}
