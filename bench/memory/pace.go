package main

import (
	"context"
	"sync"
	"time"
)

// pace holds a stream of bytes, or many streams together, to a rate. Who comes
// late does not catch up by more than a quarter of a second. Safe for concurrent
// use.
type pace struct {
	bytesPerSecond float64 // 0 is no limit

	mu   sync.Mutex
	next time.Time // when the bytes so far have had their time
}

const maxCatchUp = 250 * time.Millisecond

// wait takes n bytes' time. Its error is the context's.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.bytesPerSecond == 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-maxCatchUp); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(time.Duration(float64(n) / p.bytesPerSecond * float64(time.Second)))
	left := p.next.Sub(now)
	p.mu.Unlock()
	if left <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
