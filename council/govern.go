package council

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// govern is the leader's care for who is a member. It looks when the Directory or
// the office changes, and now and then.
func (s *seat) govern() {
	for {
		changed := s.c.o.Changed()
		again := s.c.o.Heartbeat
		if f := s.office.Load(); f != nil && s.look(f) {
			again = s.c.o.Heartbeat / 20
		}
		timer := time.NewTimer(again)
		select {
		case <-changed:
		case <-s.elected:
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// look takes one step, if there is one to take.
func (s *seat) look(f *office) (again bool) {
	if !f.open.Load() {
		if got := s.ticks.propose(s.ctx); got.err != nil {
			return false
		}
		f.open.Store(true)
	}
	s.trim()
	v := s.view(f)
	s.inviteOthers(v)
	next := v.plan()
	if next.verb == nothing {
		return false
	}
	err := s.take(next)
	if err != nil {
		s.c.o.Log.Debug("a change of members has to wait", "member", next.id, "error", err)
	} else if next.verb != handOver {
		s.c.o.Log.Info("members changed", "what", verbNames[next.verb], "member", next.id)
	}
	if next.verb == remove {
		f.unbar(next.id)
	}
	return err == nil
}

var verbNames = [...]string{add: "added", promote: "may vote", demote: "votes no more", remove: "removed"}

// view looks at the members and at who is there.
func (s *seat) view(f *office) *view {
	now := s.c.o.Now()
	_, largest := s.machine.leases()
	v := &view{
		self: s.c.id, council: s.own.council, members: s.members(), o: &s.c.o,
		nodes: make(map[string]Member), gone: make(map[string]time.Duration),
		barred: func(id string) bool { return f.bar(id, now, largest) },
	}
	for _, n := range s.c.directory() {
		v.nodes[n.Name] = n
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range v.members {
		id := string(m.ID)
		n, ok := v.nodes[nameOf(id)]
		if id == s.c.id || ok && !n.Failed && (n.RaftID == id || n.RaftID == "") {
			delete(f.gone, id)
			continue
		}
		if f.gone[id].IsZero() {
			f.gone[id] = now
		}
		v.gone[id] = now.Sub(f.gone[id])
	}
	return v
}

// take does what a step says. The configuration it was planned on must still be
// the newest.
func (s *seat) take(next step) error {
	limit := s.c.o.Heartbeat
	id := raft.ServerID(next.id)
	prev := s.raft.GetConfiguration().Index()
	switch next.verb {
	case add:
		return s.raft.AddNonvoter(id, raft.ServerAddress(id), prev, limit).Error()
	case promote:
		if err := s.caughtUp(next.id); err != nil {
			return err
		}
		return s.raft.AddVoter(id, raft.ServerAddress(id), prev, limit).Error()
	case demote:
		return s.raft.DemoteVoter(id, prev, limit).Error()
	case remove:
		return s.raft.RemoveServer(id, prev, limit).Error()
	case handOver:
		return s.handOver()
	}
	return nil
}

// handOver makes another voter the leader. raft may owe the answer if it ends
// meanwhile, so it is not waited for then.
func (s *seat) handOver() error {
	done := make(chan error, 1)
	go func() { done <- s.raft.LeadershipTransfer().Error() }()
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

var errBehind = errors.New("it is behind")

// caughtUp waits a little until a member has what this node has: one that is far
// behind would stop the council as soon as its vote is needed.
func (s *seat) caughtUp(id string) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.c.o.Heartbeat)
	defer cancel()
	q := &request{Op: opApplied, Number: s.c.o.State.Note().Applied, Wait: s.c.o.Heartbeat / 2}
	a, err := s.ask(ctx, id, q)
	if err == nil && a.Number < q.Number {
		err = errBehind
	}
	return err
}
