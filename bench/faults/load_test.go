package faults

import (
	"context"
	"sync"
	"time"
)

// sample is one request of a load.
type sample struct {
	at    time.Duration // when it was meant to start, since the load began
	late  time.Duration // how much later it did: the harness's own fault
	took  time.Duration // from when it was meant to start
	class class
	node  int // that answered or broke; -1 if none
	err   error
}

// load is an open loop: requests start at fixed times whatever becomes of those
// before them.
type load struct {
	began   time.Time
	stop    context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	samples []sample
}

// startLoad begins a load of so many requests a second. pick is called by one
// goroutine.
func startLoad(ctx context.Context, b *balancer, perSecond int, pick func() want) *load {
	starting, stop := context.WithCancel(ctx)
	l := &load{began: time.Now(), stop: stop}
	l.running.Go(func() {
		for i := 0; ; i++ {
			at := time.Duration(i) * time.Second / time.Duration(perSecond)
			if wait(starting, time.Until(l.began.Add(at))) != nil {
				return
			}
			w := pick()
			l.running.Go(func() { l.one(ctx, b, w, at) })
		}
	})
	return l
}

func (l *load) one(ctx context.Context, b *balancer, w want, at time.Duration) {
	late := time.Since(l.began) - at
	c, node, err := ask(ctx, b, w)
	s := sample{at: at, late: late, took: time.Since(l.began) - at, class: c, node: node, err: err}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples = append(l.samples, s)
}

// now is the time since the load began.
func (l *load) now() time.Duration { return time.Since(l.began) }

// end stops the load, waits for what is under way, and returns all of it.
func (l *load) end() []sample {
	l.stop()
	l.running.Wait()
	return l.samples
}

const sweepers = 16

// sweep asks once for each, with some clients one after the other.
func sweep(ctx context.Context, b *balancer, all []want) []sample {
	l := &load{began: time.Now(), stop: func() {}}
	next := make(chan want)
	for range sweepers {
		l.running.Go(func() {
			for w := range next {
				l.one(ctx, b, w, l.now())
			}
		})
	}
	for _, w := range all {
		next <- w
	}
	close(next)
	return l.end()
}
