package s3test

import (
	"context"
	"sync"
)

// BeforeHeaders is the place of a gate that holds an answer back altogether.
const BeforeHeaders = -1

// Gate holds the answers for one object at one place until it is opened.
type Gate struct {
	after   int64
	open    chan struct{}
	once    sync.Once
	reached chan struct{}
}

// Hold closes a gate for every request for the object that arrives from now on.
// It stands before the headers (BeforeHeaders), or after so many bytes of the
// answer's body, which have left by then. HEADs and errors know only
// BeforeHeaders.
func (s *Server) Hold(bucket, key string, after int64) *Gate {
	g := &Gate{after: after, open: make(chan struct{}), reached: make(chan struct{}, 1<<16)}
	n := name{bucket, key}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates[n] = append(s.gates[n], g)
	return g
}

// Open lets all pass, now and later. A second call does nothing.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// Reached gives one value for every request that has come to the gate.
func (g *Gate) Reached() <-chan struct{} { return g.reached }

// gatesOf returns the gates that a request meets.
func (s *Server) gatesOf(n name) []*Gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Gate(nil), s.gates[n]...)
}

// pass waits at the gates that stand at the place. It is false if the client
// left or the server closes.
func (s *Server) pass(ctx context.Context, gates []*Gate, place int64) bool {
	for _, g := range gates {
		if g.after != place {
			continue
		}
		select {
		case g.reached <- struct{}{}:
		default:
		}
		select {
		case <-g.open:
		case <-ctx.Done():
			return false
		case <-s.closing:
			return false
		}
	}
	return true
}

// stop returns the nearest place of a gate in (from, to], or to: how far a body
// may be written in one go.
func stop(gates []*Gate, from, to int64) int64 {
	for _, g := range gates {
		if g.after > from && g.after < to {
			to = g.after
		}
	}
	return to
}
