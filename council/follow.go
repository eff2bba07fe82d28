package council

import (
	"context"
	"slices"
	"sync"
	"time"

	"rookery/purge"
)

// follower follows purges until no node can serve what they cover: it asks every
// member that counts to tell when it has applied the number.
type follower struct {
	c *Council

	mu      sync.Mutex // guards all below
	byID    map[string]*followed
	ids     []string // oldest first
	pending map[*followed]struct{}
	asking  map[string]bool // raft ids that are asked just now
}

// maxFollowed bounds how many purges are remembered with their progress.
const maxFollowed = 1000

// followed is one purge. The follower's mu guards it.
type followed struct {
	report  Report
	council [16]byte
	asked   time.Time
	end     time.Time // after this no lease runs that is older than the purge
	shares  map[string]*Progress
	done    chan struct{} // closed when it is complete
}

func newFollower(c *Council) *follower {
	return &follower{
		c: c, byID: make(map[string]*followed), pending: make(map[*followed]struct{}), asking: make(map[string]bool),
	}
}

// begin follows a purge of which this node learns now that it is committed, and
// returns how far it is.
func (f *follower) begin(s *seat, o *purge.Order, got *committed) *Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	council, number, st, asked := s.own.council, got.number, got.standing, got.asked
	if p := f.byID[o.ID]; p != nil && p.report.Number == number && p.council == council {
		return f.tell(p)
	}
	p := &followed{
		report: Report{ID: o.ID, Order: *o, Number: number}, council: council,
		asked: asked, end: f.c.o.Now().Add(margin(st.Largest)),
		shares: make(map[string]*Progress), done: make(chan struct{}),
	}
	for _, id := range st.Members {
		p.shares[id] = &Progress{Name: nameOf(id), Excused: slices.Contains(st.Leaseless, id)}
	}
	f.remember(p)
	f.pending[p] = struct{}{}
	if here := f.c.o.State.Note(); p.shares[f.c.id] != nil && here.Council == council && here.Applied >= number {
		share := p.shares[f.c.id]
		share.Applied, share.Took = true, f.c.o.Now().Sub(asked)
	}
	f.settle(p)
	for id, share := range p.shares {
		if !share.Applied && !f.asking[id] {
			f.asking[id] = f.c.spawn(func() { f.watch(id) })
		}
	}
	return f.tell(p)
}

// remember keeps the newest. mu is held.
func (f *follower) remember(p *followed) {
	if f.byID[p.report.ID] == nil {
		f.ids = append(f.ids, p.report.ID)
	}
	f.byID[p.report.ID] = p
	for len(f.ids) > maxFollowed {
		delete(f.byID, f.ids[0])
		f.ids = f.ids[1:]
	}
}

// settle completes a purge if it is. mu is held.
func (f *follower) settle(p *followed) {
	if p.report.Complete {
		return
	}
	over := !f.c.o.Now().Before(p.end)
	for _, share := range p.shares {
		if over && !share.Applied {
			share.Excused = true
		}
		if !share.Applied && !share.Excused {
			return
		}
	}
	p.report.Complete = true
	f.c.counts.completed(f.c.o.Now().Sub(p.asked))
	close(p.done)
}

// tell returns a copy of how far a purge is. mu is held.
func (f *follower) tell(p *followed) *Report {
	f.settle(p)
	r := p.report
	byName := make(map[string]Progress)
	for _, share := range p.shares {
		node, twice := byName[share.Name]
		if !twice || !share.Applied {
			node = *share // of the two disks of a node the one that is behind
		}
		byName[share.Name] = node
	}
	for _, name := range sortedKeys(byName) {
		r.Nodes = append(r.Nodes, byName[name])
	}
	return &r
}

// report returns how far a purge is that is followed here, or nil.
func (f *follower) report(id string) *Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.byID[id]; p != nil {
		return f.tell(p)
	}
	return nil
}

// wait waits until a purge that is followed is complete, but not longer than for.
func (f *follower) wait(ctx context.Context, r *Report, longest time.Duration) *Report {
	f.mu.Lock()
	p := f.byID[r.ID]
	f.mu.Unlock()
	if p == nil || longest <= 0 || r.Complete {
		return r
	}
	timer := time.NewTimer(min(longest, p.end.Sub(f.c.o.Now())))
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tell(p)
}

// watch asks one member for the numbers that are waited for, until none is.
func (f *follower) watch(id string) {
	for {
		s, err := f.c.present()
		number, end, any := f.next(id, s)
		if !any {
			return
		}
		var applied uint64
		if err == nil {
			applied, err = f.ask(s, id, number, end)
			f.note(s, id, applied)
		}
		if err != nil && !pause(f.c.closing, min(f.c.o.Heartbeat/10, max(0, end.Sub(f.c.o.Now())))) {
			return
		}
	}
}

// next returns the lowest number that a member has not reported and is waited for,
// and until when.
func (f *follower) next(id string, s *seat) (number uint64, end time.Time, any bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.c.o.Now()
	for p := range f.pending {
		if f.settle(p); !now.Before(p.end) || s != nil && p.council != s.own.council {
			delete(f.pending, p)
			continue
		}
		share := p.shares[id]
		if share == nil || share.Applied || (any && p.report.Number >= number) {
			continue
		}
		number, end, any = p.report.Number, p.end, true
	}
	if !any {
		delete(f.asking, id)
	}
	return number, end, any
}

// note takes in what a member has applied.
func (f *follower) note(s *seat, id string, applied uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.pending {
		share := p.shares[id]
		if share == nil || share.Applied || p.council != s.own.council || applied < p.report.Number {
			continue
		}
		share.Applied, share.Took = true, f.c.o.Now().Sub(p.asked)
		f.settle(p)
		if !slices.ContainsFunc(sharesOf(p), func(s *Progress) bool { return !s.Applied }) {
			delete(f.pending, p)
		}
	}
}

func sharesOf(p *followed) []*Progress {
	all := make([]*Progress, 0, len(p.shares))
	for _, s := range p.shares {
		all = append(all, s)
	}
	return all
}

// ask waits until a member, which may be this node, has applied a number, and
// returns which one it has.
func (f *follower) ask(s *seat, id string, number uint64, end time.Time) (uint64, error) {
	longest := min(max(end.Sub(f.c.o.Now()), time.Millisecond), longestWait)
	q := &request{Op: opApplied, Number: number, Wait: longest}
	ctx, cancel := context.WithTimeout(s.ctx, longest+f.c.o.Heartbeat)
	defer cancel()
	if id == f.c.id {
		a, err := s.applied(ctx, q)
		return a.Number, err
	}
	a, err := s.ask(ctx, id, q)
	return a.Number, err
}

// committed is what a node learns of a purge's commit.
type committed struct {
	number   uint64
	standing *standing
	asked    time.Time
}
