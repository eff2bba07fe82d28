package council

import (
	"context"
	"errors"
	"sync"
	"time"

	"rookery/object"
)

var (
	errNotLeader = errors.New("not the leader")
	errNotMember = errors.New("not a member")
)

// ticks proposes ticks: commands that show that this leader's log is the council's
// after the requests that wait had arrived. One tick serves all of them.
type ticks struct {
	s    *seat
	kick chan struct{} // room for one

	mu      sync.Mutex
	waiting []chan tick
}

type tick struct {
	number uint64
	lease  time.Duration
	err    error
}

func newTicks(s *seat) *ticks { return &ticks{s: s, kick: make(chan struct{}, 1)} }

// next waits for a tick that is proposed after the call.
func (t *ticks) next(ctx context.Context) tick {
	done := make(chan tick, 1)
	t.mu.Lock()
	t.waiting = append(t.waiting, done)
	t.mu.Unlock()
	select {
	case t.kick <- struct{}{}:
	default:
	}
	select {
	case got := <-done:
		return got
	case <-ctx.Done():
		return tick{err: ctx.Err()}
	}
}

func (t *ticks) run() {
	ctx := t.s.ctx
	for {
		select {
		case <-t.kick:
		case <-ctx.Done():
			return
		}
		if !pause(ctx, t.s.c.o.tickEvery()) {
			return
		}
		t.mu.Lock()
		waiting := t.waiting
		t.waiting = nil
		t.mu.Unlock()
		got := t.propose(ctx)
		for _, done := range waiting {
			done <- got
		}
	}
}

func (t *ticks) propose(ctx context.Context) tick {
	number, response, err := t.s.apply(ctx, encodeTick(t.s.c.o.Lease))
	if err != nil {
		return tick{err: err}
	}
	t.s.c.counts.ticks.Inc()
	return tick{number: number, lease: response.(time.Duration)}
}

// grant gives the member with a raft id a lease, as the leader.
func (s *seat) grant(ctx context.Context, id string) (tick, error) {
	f := s.office.Load()
	if f == nil {
		return tick{}, errNotLeader
	}
	answered, err := f.ask(id, s)
	if err != nil {
		return tick{}, err
	}
	defer answered()
	got := s.ticks.next(ctx)
	switch {
	case got.err != nil:
		return tick{}, got.err
	case !f.grant(id, s):
		return tick{}, errNotLeader
	}
	return got, nil
}

// keepLease asks for a lease, again and again.
func (s *seat) keepLease() {
	for {
		wait := s.c.o.askEvery()
		if err := s.askLease(); err != nil {
			s.c.counts.leaseErrors.Inc()
			s.c.o.Log.Debug("no lease", "error", err)
			wait /= 4
		}
		if !pause(s.ctx, wait) {
			return
		}
	}
}

// askLease asks the leader for a lease, which runs from before the question was
// sent, and begins once all that the leader's tick follows is in place here.
func (s *seat) askLease() error {
	// A leader that is silent is given up while the present lease still runs.
	ctx, cancel := context.WithTimeout(s.ctx, s.c.o.Lease/2)
	defer cancel()
	sent := s.c.o.Now()
	got, err := s.requestLease(ctx)
	if err != nil {
		return err
	}
	if err := s.c.o.State.Await(ctx, object.Note{Council: s.own.council, Applied: got.number}); err != nil {
		return err
	}
	s.c.o.State.Grant(s.own.council, sent, got.lease)
	s.c.readyOnce.Do(func() { close(s.c.ready) })
	return nil
}

func (s *seat) requestLease(ctx context.Context) (tick, error) {
	leader := s.leader()
	switch leader {
	case "":
		return tick{}, errNotLeader
	case s.c.id:
		return s.grant(ctx, s.c.id)
	}
	a, err := s.ask(ctx, leader, &request{Op: opLease})
	return tick{number: a.Number, lease: a.Lease}, err
}

// pause waits; false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
