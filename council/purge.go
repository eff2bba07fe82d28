package council

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rookery/object"
	"rookery/purge"
)

// Purge brings an order to the council and waits, at most for wait, until no node
// serves what it covers any more. Its report says how far that is; the number is 0
// if there was no quorum: then the order is kept on this node's disk, over
// restarts too, and brought when there is one. An order may be given again with
// the same id and content: it is the same purge. ctx's end is no reason to lose
// an order that is under way: it is kept.
func (c *Council) Purge(ctx context.Context, o purge.Order, wait time.Duration) (*Report, error) {
	reports, err := c.PurgeMany(ctx, []purge.Order{o}, wait)
	if err != nil {
		return nil, err
	}
	return reports[0], nil
}

// PurgeMany is Purge for many orders, which cost the log hardly more than one. A
// report is nil where the id belongs to another order; the error then is
// ErrConflict and the other reports are there.
func (c *Council) PurgeMany(ctx context.Context, orders []purge.Order, wait time.Duration) ([]*Report, error) {
	for i := range orders {
		if err := orders[i].Check(); err != nil {
			return nil, err
		}
	}
	s, err := c.present()
	if err != nil {
		return nil, err
	}
	asked := c.o.Now()
	reports := make([]*Report, 0, len(orders))
	var conflict error
	for _, batch := range batches(orders) {
		some, err := c.purge(ctx, s, batch, asked)
		if err != nil && !errors.Is(err, ErrConflict) {
			return nil, err
		}
		conflict = errors.Join(conflict, err)
		reports = append(reports, some...)
	}
	c.counts.purges.Add(len(orders))
	for i, r := range reports {
		if r != nil && r.Number > 0 {
			reports[i] = c.follow.wait(ctx, r, wait-c.o.Now().Sub(asked))
		}
	}
	return reports, conflict
}

// purge brings one batch, or keeps it.
func (c *Council) purge(ctx context.Context, s *seat, batch []purge.Order, asked time.Time) ([]*Report, error) {
	a, err := s.bring(ctx, batch)
	if err == nil {
		reports := make([]*Report, len(batch))
		for i, o := range a.Outcomes {
			if o.Conflict {
				err = fmt.Errorf("%w: %q", ErrConflict, batch[i].ID)
				continue
			}
			reports[i] = c.follow.begin(s, &batch[i], &committed{o.Number, a.Standing, asked})
		}
		return reports, err
	}
	for i := range batch {
		if known, ok := s.machine.find(batch[i].ID); ok && known.sum != sumOf(&batch[i]) {
			return nil, fmt.Errorf("%w: %q", ErrConflict, batch[i].ID)
		}
	}
	c.o.Log.Warn("a purge waits for a quorum", "purges", len(batch), "first", batch[0].ID, "error", err)
	if err := c.kept.keep(batch); err != nil {
		return nil, err
	}
	reports := make([]*Report, len(batch))
	for i := range batch {
		reports[i] = &Report{ID: batch[i].ID, Order: batch[i]}
	}
	return reports, nil
}

// patience is for how long an order looks for a leader that can commit it.
func (o *Options) patience() time.Duration { return 4 * o.Heartbeat }

// bring brings a batch to the leader, whoever that becomes, until it is committed.
func (s *seat) bring(ctx context.Context, batch []purge.Order) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.o.patience())
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	entries := [][]byte{encodeOrders(batch)}
	why := errNotLeader
	for {
		a, err := s.send(ctx, entries)
		if err == nil && len(a.Outcomes) != len(batch) {
			err = errEntry
		}
		if err == nil {
			return a, nil
		}
		if ctx.Err() == nil {
			why = err
		}
		if !pause(ctx, s.c.o.Heartbeat/20) {
			return nil, why
		}
	}
}

// send gives entries to the leader, which may be this node.
func (s *seat) send(ctx context.Context, entries [][]byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.o.patience()/2) // there may be another leader
	defer cancel()
	switch leader := s.leader(); leader {
	case "":
		return nil, errNotLeader
	case s.c.id:
		return s.propose(ctx, entries)
	default:
		return s.ask(ctx, leader, &request{Op: opPurge, Entries: entries})
	}
}

// propose commits entries of orders, as the leader.
func (s *seat) propose(ctx context.Context, entries [][]byte) (*answer, error) {
	f := s.office.Load()
	if f == nil {
		return nil, errNotLeader
	}
	a := new(answer)
	for _, e := range entries {
		if _, err := decodeAny(e); err != nil {
			return nil, err
		}
		_, response, err := s.apply(ctx, e)
		if err != nil {
			return nil, err
		}
		outcomes, ok := response.([]outcome)
		if !ok {
			return nil, errEntry
		}
		a.Outcomes = append(a.Outcomes, outcomes...)
	}
	// Who counts is looked at after the commit: whoever becomes a member later has
	// applied these orders before it can be granted a lease.
	st := s.standing(f)
	a.Standing = &st
	return a, nil
}

// bringKept brings what waits, when there is a leader again.
func (s *seat) bringKept() {
	for pause(s.ctx, s.c.o.Heartbeat) {
		for batch := s.c.kept.next(); batch != nil && s.ctx.Err() == nil; batch = s.c.kept.next() {
			a, err := s.bring(s.ctx, batch)
			if err != nil {
				break
			}
			for i, o := range a.Outcomes {
				if o.Conflict {
					s.c.o.Log.Error("a purge that waited is dropped: its id was used for another meanwhile", "id", batch[i].ID)
					continue
				}
				s.c.follow.begin(s, &batch[i], &committed{o.Number, a.Standing, s.c.o.Now()})
			}
			if err := s.c.kept.done(batch); err != nil {
				s.c.diskFails(err)
				break
			}
		}
	}
}

// Progress says how far a purge is that any node was asked for.
func (c *Council) Progress(ctx context.Context, id string) (*Report, error) {
	if r := c.follow.report(id); r != nil {
		return r, nil
	}
	if o, ok := c.kept.find(id); ok {
		return &Report{ID: id, Order: o}, nil
	}
	s, err := c.present()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Heartbeat)
	defer cancel()
	st, err := s.askStanding(ctx)
	if err != nil {
		st = s.ownStanding()
	} else if err := c.o.State.Await(ctx, object.Note{Council: s.own.council, Applied: st.Applied}); err != nil {
		return nil, err
	}
	o, ok := s.machine.find(id)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	order := purge.Order{ID: id, Soft: o.soft, Scopes: o.scopes}
	r := c.follow.begin(s, &order, &committed{o.number, st, c.o.Now()})
	return c.follow.wait(ctx, r, c.o.Heartbeat/4), nil
}

// ownStanding is what this node knows without a leader. It is enough for the
// purges that it has applied: whoever might have served what they cover was a
// member then, and every lease that was granted before is known here.
func (s *seat) ownStanding() *standing {
	_, largest := s.machine.leases()
	st := &standing{Largest: largest}
	for _, m := range s.members() {
		st.Members = append(st.Members, string(m.ID))
	}
	return st
}

// askStanding asks the leader who counts.
func (s *seat) askStanding(ctx context.Context) (*standing, error) {
	leader := s.leader()
	if leader == s.c.id {
		f, err := s.leads()
		if err != nil {
			return nil, err
		}
		st := s.standing(f)
		return &st, nil
	}
	if leader == "" {
		return nil, errNotLeader
	}
	a, err := s.ask(ctx, leader, &request{Op: opStanding})
	if err == nil && a.Standing == nil {
		err = errFrame
	}
	return a.Standing, err
}
