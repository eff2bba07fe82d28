package council

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// foundWhenTime founds the council once it is time to, unless this node is invited
// to one first.
func (c *Council) foundWhenTime() {
	for {
		changed := c.o.Changed()
		if _, err := c.present(); !errors.Is(err, ErrNoCouncil) {
			return
		}
		if c.mayFound() {
			a := allegiance{}
			rand.Read(a.council[:]) // never fails
			err := c.move([16]byte{}, a, true)
			if err == nil {
				c.o.Log.Info("the council is founded", "council", fmt.Sprintf("%x", a.council))
				return
			}
			c.o.Log.Error("the council cannot be founded", "error", err)
		}
		timer := time.NewTimer(c.o.Heartbeat)
		select {
		case <-changed:
		case <-timer.C:
		case <-c.closing.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// mayFound reports whether as many nodes are there as are expected, and none that
// is known has a council.
func (c *Council) mayFound() bool {
	there := 0
	for _, m := range c.directory() {
		if m.Council != ([16]byte{}) {
			return false
		}
		if m.RaftID != "" && !m.Failed && !m.Draining {
			there++
		}
	}
	return there >= c.o.Expect
}

// Found starts a new council, with this node as its only voter, when the old one
// has lost its quorum for good; ErrLeader if it has not. The nodes of the old one join it, unless they hear
// from a leader there; what they hold is confirmed by S3 before it is used. It
// takes as long as a lease may still run that the old council has granted, and no leader
// may be heard of in that time.
func (c *Council) Found(ctx context.Context) error {
	own, s, err := c.place()
	if err != nil {
		return err
	}
	a := allegiance{}
	rand.Read(a.council[:]) // never fails
	if own.council != ([16]byte{}) {
		a.before = append([][16]byte{own.council}, own.before...)
		a.before = a.before[:min(len(a.before), maxBefore)]
	}
	if s != nil {
		if s.leader() != "" {
			return ErrLeader
		}
		_, largest := s.machine.leases()
		if !pause(ctx, margin(max(largest, c.o.Lease))) {
			return ctx.Err()
		}
		if s.heard() { // a leader was lost, and another has been elected meanwhile
			return ErrLeader
		}
	}
	if err := c.move(own.council, a, true); err != nil {
		return fmt.Errorf("found a council: %w", err)
	}
	c.o.Log.Warn("a new council is founded by order", "council", fmt.Sprintf("%x", a.council))
	return nil
}

// inviteOthers asks nodes of no council, or of one that this follows, to join.
func (s *seat) inviteOthers(v *view) {
	for _, name := range sortedKeys(v.nodes) {
		n := v.nodes[name]
		if n.RaftID == "" || n.RaftID == s.c.id || n.Failed || n.Draining || n.Council == s.own.council {
			continue
		}
		if n.Council != ([16]byte{}) && !s.own.follows(n.Council) {
			continue
		}
		if err := s.invite(n.RaftID); err != nil {
			s.c.o.Log.Debug("a node does not join the council", "node", name, "error", err)
		}
	}
}

// invite asks one node to join.
func (s *seat) invite(id string) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.c.o.Heartbeat)
	defer cancel()
	conn, err := s.c.connect(ctx, id, hello{line: lineInvite, council: s.own.council})
	if err != nil {
		return err
	}
	defer conn.Close()
	a, err := converse(ctx, conn, &request{Op: opInvite, Before: s.own.encode()})
	if err != nil {
		return err
	}
	return a.err()
}

// invited joins a council if this node is free to: it has none, or the council
// follows its own and no leader has been heard there for longer than a lease runs.
func (c *Council) invited(before []byte) error {
	a, err := decodeAllegiance(before)
	if err != nil || a.council == ([16]byte{}) {
		return fmt.Errorf("%w: invitation", errEntry)
	}
	own, s, err := c.place()
	switch {
	case err != nil:
		return err
	case own.council == a.council && s != nil:
		return nil
	case own.council != ([16]byte{}) && own.council != a.council && !a.follows(own.council):
		return errOtherCouncil
	case s != nil && s.heard():
		return ErrLeader
	}
	c.o.Log.Info("this node joins a council", "council", fmt.Sprintf("%x", a.council))
	return c.move(own.council, a, false)
}

// heard reports whether this node has heard from a leader, or been one, while a
// lease of its may still run.
func (s *seat) heard() bool {
	if s.leader() != "" {
		return true
	}
	_, largest := s.machine.leases()
	return s.c.o.Now().Sub(s.raft.LastContact()) < margin(largest)
}
