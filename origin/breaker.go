package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"rookery/object"
)

// source answers HEADs, GETs and queries of one bucket at one S3: a Client, or what cares
// for one.
type source interface {
	Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error)
	Get(ctx context.Context, f object.Fetch) (*object.Fetched, error)
	Query(ctx context.Context, q object.Query) (*object.Document, error)
}

// Breaker says when an origin that fails is left alone. Zero values mean the
// defaults.
type Breaker struct {
	FailureThreshold int           // failures in a row that open it; 0 means 5
	SuccessThreshold int           // successes that close it again; 0 means 2
	Timeout          time.Duration // it stays open so long; 0 means 60 s
	HalfOpenRequests int           // trials at once after that; 0 means 3
}

func (b *Breaker) complete() {
	b.FailureThreshold = orElse(b.FailureThreshold, 5)
	b.SuccessThreshold = orElse(b.SuccessThreshold, 2)
	b.HalfOpenRequests = orElse(b.HalfOpenRequests, 3)
	b.Timeout = orElse(b.Timeout, time.Minute)
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

type state int

// The states. Their numbers are those of the metric.
const (
	closed state = iota
	halfOpen
	open
)

// breaker asks nothing of an origin that has failed so often in a row, lets a
// few requests through after a while, and closes when those fare well. A failure
// is a 5xx, no answer in time, or a body that breaks; a 4xx is an answer, and a
// caller that leaves says nothing. Safe for concurrent use.
type breaker struct {
	source
	policy Breaker
	now    func() time.Time
	count  breakerCounters

	mu     sync.Mutex
	state  state
	term   int // rises with each change of state: what began in an earlier one does not count
	run    int // failures in a row while closed, successes while half open
	trials int // requests under way while half open
	until  time.Time
}

// errOpen is in the error of a request that the breaker refused.
var errOpen = errors.New("circuit breaker is open")

func newBreaker(s source, p Breaker, now func() time.Time, c breakerCounters) *breaker {
	p.complete()
	return &breaker{source: s, policy: p, now: now, count: c}
}

func (b *breaker) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	term, err := b.admit()
	if err != nil {
		return nil, err
	}
	info, err := b.source.Head(ctx, key, ifNoneMatch)
	b.settle(term, judge(ctx, err))
	return info, err
}

func (b *breaker) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	term, err := b.admit()
	if err != nil {
		return nil, err
	}
	fetched, err := b.source.Get(ctx, f)
	if err != nil {
		b.settle(term, judge(ctx, err))
		return nil, err
	}
	fetched.Body = &watched{ReadCloser: fetched.Body, end: func(err error) { b.settle(term, judge(ctx, err)) }}
	return fetched, nil
}

func (b *breaker) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	term, err := b.admit()
	if err != nil {
		return nil, err
	}
	document, err := b.source.Query(ctx, q)
	b.settle(term, judge(ctx, err))
	return document, err
}

// admit lets a request through or refuses it at once.
func (b *breaker) admit() (term int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if b.state == open && !now.Before(b.until) {
		b.become(halfOpen)
	}
	wait := time.Second
	switch {
	case b.state == closed:
		return b.term, nil
	case b.state == halfOpen && b.trials < b.policy.HalfOpenRequests:
		b.trials++
		return b.term, nil
	case b.state == open:
		wait = b.until.Sub(now)
	}
	b.count.refused.Inc()
	return 0, refuse(errOpen, "ServiceUnavailable", "The origin has failed too often in a row.", wait)
}

// refuse is the answer to a request that is not sent.
func refuse(why error, code, message string, wait time.Duration) error {
	return fmt.Errorf("%w: %w", &object.OriginError{
		Status: http.StatusServiceUnavailable, Code: code, Message: message, Unsent: true,
		RetryAfter: int((wait + time.Second - 1) / time.Second),
	}, why)
}

type verdict int

const (
	silent verdict = iota // says nothing about the origin
	good
	bad
)

// judge says what the outcome of a request tells about the origin's health.
func judge(ctx context.Context, err error) verdict {
	var refused *object.OriginError
	switch {
	case err == nil:
		return good
	case ctx.Err() != nil:
		return silent
	case errors.As(err, &refused):
		if refused.Unsent {
			return silent
		}
		if refused.Status < 500 {
			return good
		}
		return bad
	case errors.Is(err, io.ErrUnexpectedEOF):
		return bad
	}
	return good // another version, not modified, an answer that is odd: it answers
}

// settle counts the end of a request that admit let through.
func (b *breaker) settle(term int, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case term != b.term:
		return
	case b.state == closed && v == good:
		b.run = 0
	case b.state == closed && v == bad:
		if b.run++; b.run >= b.policy.FailureThreshold {
			b.become(open)
		}
	case b.state == halfOpen:
		b.trials--
		b.trial(v)
	}
}

// trial counts one outcome on the way back. mu is held.
func (b *breaker) trial(v verdict) {
	switch v {
	case bad:
		b.become(open)
	case good:
		if b.run++; b.run >= b.policy.SuccessThreshold {
			b.become(closed)
		}
	}
}

// become changes the state. mu is held.
func (b *breaker) become(s state) {
	b.state, b.run, b.trials = s, 0, 0
	b.term++
	if s == open {
		b.until = b.now().Add(b.policy.Timeout)
		b.count.opened.Inc()
	}
}

// trip opens the breaker for a failure that is too dear to be seen repeated.
func (b *breaker) trip() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == closed {
		b.become(open)
	}
}

// probed counts the outcome of a probe: it stands for a trial, and need not wait
// until the breaker's time is over.
func (b *breaker) probed(v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == open && v == good {
		b.become(halfOpen)
	}
	if b.state == halfOpen {
		b.trial(v)
	}
}

func (b *breaker) current() state {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// watched is a body that tells how it ended, once: with nil if it was read to
// its end or left before it.
type watched struct {
	io.ReadCloser
	once sync.Once
	end  func(err error)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		w.once.Do(func() { w.end(nil) })
	case err != nil:
		w.once.Do(func() { w.end(err) })
	}
	return n, err
}

func (w *watched) Close() error {
	err := w.ReadCloser.Close()
	w.once.Do(func() { w.end(nil) })
	return err
}
