package council

import (
	"context"
	"time"
)

// watch asks one member for the numbers that are waited for, until none is.
func (f *follower) watch(id string) {
	for {
		s, err := f.c.present()
		p := f.next(id, s)
		if p == nil {
			return
		}
		if err == nil {
			err = f.ask(s, id, p)
		}
		rest := p.end.Sub(f.c.o.Now())
		if err != nil && !pause(f.c.closing, min(f.c.o.Heartbeat/10, max(0, rest))) {
			return
		}
	}
}

// next returns the lowest number that a member has not reported and is waited for;
// nil if there is none, and then nobody asks the member any more.
func (f *follower) next(id string, s *seat) *followed {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.c.o.Now()
	var lowest *followed
	for at, p := range f.pending {
		if f.settle(p); !now.Before(p.end) || s != nil && at.council != s.own.council {
			delete(f.pending, at)
			continue
		}
		if share := p.shares[id]; share != nil && !share.Applied && (lowest == nil || at.number < lowest.at.number) {
			lowest = p
		}
	}
	if lowest == nil {
		delete(f.asking, id)
	}
	return lowest
}

// ask waits until a member, which may be this node, has applied a number, and
// takes in which one it has.
func (f *follower) ask(s *seat, id string, p *followed) error {
	longest := min(max(p.end.Sub(f.c.o.Now()), time.Millisecond), longestWait)
	q := &request{Op: opApplied, Number: p.at.number, Wait: longest}
	ctx, cancel := context.WithTimeout(s.ctx, longest+f.c.o.Heartbeat)
	defer cancel()
	tell := func() (*answer, error) { return s.ask(ctx, id, q) }
	if id == f.c.id {
		tell = func() (*answer, error) { return s.applied(ctx, q) }
	}
	a, err := tell()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for at, p := range f.pending {
		if at.council == s.own.council {
			f.take(p, id, a.Number)
		}
	}
	return nil
}
