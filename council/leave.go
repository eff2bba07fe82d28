package council

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Leave waits until this node's vote is another's, which the leader sees to as
// soon as gossip says that the node is draining. With nobody to take it the node
// keeps it, and ctx ends the wait. The node stays a member: a restart is no reason
// to forget it.
func (c *Council) Leave(ctx context.Context) error {
	for {
		s, err := c.present()
		if err != nil {
			return nil // no vote
		}
		if !s.votes() {
			return nil
		}
		if c.lastOne(s) {
			return nil
		}
		if !pause(ctx, c.o.Heartbeat/10) {
			return fmt.Errorf("hand the vote on: %w", ctx.Err())
		}
	}
}

// votes reports whether this node is a voter.
func (s *seat) votes() bool {
	for _, m := range s.members() {
		if string(m.ID) == s.c.id {
			return m.Suffrage == raft.Voter
		}
	}
	return false
}

// lastOne reports whether no other member is there that could take the vote.
func (c *Council) lastOne(s *seat) bool {
	for _, n := range c.directory() {
		if n.RaftID != c.id && !n.Failed && !n.Draining && memberOf(s.members(), n.RaftID) {
			return false
		}
	}
	return true
}

// Forget removes a member that is gone for good, so that nothing waits for it any
// more. It returns when that is committed, which takes as long as the member may
// still hold a lease.
func (c *Council) Forget(ctx context.Context, name string) error {
	s, err := c.present()
	if err != nil {
		return err
	}
	leader := s.leader()
	switch leader {
	case "":
		err = errNotLeader
	case c.id:
		err = s.forget(ctx, name)
	default:
		_, err = s.ask(ctx, leader, &request{Op: opForget, Name: name})
	}
	if err != nil {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

// forget removes the members with a name, as the leader.
func (s *seat) forget(ctx context.Context, name string) error {
	f, err := s.leads()
	if err != nil {
		return err
	}
	found := false
	for _, m := range s.members() {
		if nameOf(string(m.ID)) != name {
			continue
		}
		found = true
		if n, ok := s.view(f).nodes[name]; ok && n.RaftID == string(m.ID) && !n.Failed {
			return ErrAlive
		}
		if err := s.removeGone(ctx, f, string(m.ID)); err != nil {
			return err
		}
	}
	if !found {
		return ErrNoMember
	}
	return nil
}

// removeGone waits until a member can hold no lease and removes it.
func (s *seat) removeGone(ctx context.Context, f *office, id string) error {
	for {
		_, largest := s.machine.leases()
		if f.bar(id, s.c.o.Now(), largest) {
			break
		}
		if !pause(ctx, s.c.o.tickEvery()) {
			return ctx.Err()
		}
		if s.office.Load() != f {
			return errNotLeader
		}
	}
	defer f.unbar(id)
	done := make(chan error, 1)
	if !s.spawn(func() { done <- s.raft.RemoveServer(raft.ServerID(id), 0, s.c.o.Heartbeat).Error() }) {
		return errClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
