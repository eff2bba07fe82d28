package council

import (
	"context"
	"slices"
	"sync"
	"time"

	"rookery/purge"
)

// follower follows purges until no node can serve what they cover: it asks every
// member that counts to tell when it has applied their numbers.
type follower struct {
	c *Council

	mu      sync.Mutex // guards all below
	byID    map[string]*ordered
	ids     []string // oldest first
	pending map[place]*followed
	asking  map[string]bool // raft ids that are asked just now
}

// maxFollowed bounds how many purges are remembered with their progress.
const maxFollowed = 10_000

// place is a place in a council's log.
type place struct {
	council [16]byte
	number  uint64
}

// ordered is a purge that is followed, with others under the same number maybe.
type ordered struct {
	purge.Order
	of *followed
}

// followed is one number. The follower's mu guards it.
type followed struct {
	at       place
	asked    time.Time
	end      time.Time // after this no lease runs that is older than the purge
	shares   map[string]*Progress
	complete bool
	done     chan struct{} // closed when it is complete
}

// committed is what a node learns of a commit.
type committed struct {
	number   uint64
	standing *standing
	asked    time.Time
}

func newFollower(c *Council) *follower {
	return &follower{
		c: c, byID: make(map[string]*ordered), pending: make(map[place]*followed), asking: make(map[string]bool),
	}
}

// begin follows a purge of which this node learns now that it is committed, and
// returns how far it is.
func (f *follower) begin(s *seat, o *purge.Order, got *committed) *Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := place{s.own.council, got.number}
	if old := f.byID[o.ID]; old != nil && old.of.at == at {
		return f.tell(old)
	}
	p := f.pending[at]
	if p == nil {
		p = f.start(at, got)
	}
	now := &ordered{*o, p}
	f.remember(now)
	return f.tell(now)
}

// start asks all members for a number. mu is held.
func (f *follower) start(at place, got *committed) *followed {
	p := &followed{
		at: at, asked: got.asked, end: f.c.o.Now().Add(margin(got.standing.Largest)),
		shares: make(map[string]*Progress), done: make(chan struct{}),
	}
	for _, id := range got.standing.Members {
		p.shares[id] = &Progress{Name: nameOf(id), Excused: slices.Contains(got.standing.Leaseless, id)}
	}
	f.pending[at] = p
	if here := f.c.o.State.Note(); here.Council == at.council {
		f.take(p, f.c.id, here.Applied)
	}
	for id, share := range p.shares {
		if !share.Applied && !f.asking[id] {
			f.asking[id] = f.c.spawn(func() { f.watch(id) })
		}
	}
	return p
}

// remember keeps the newest. mu is held.
func (f *follower) remember(o *ordered) {
	if f.byID[o.ID] == nil {
		f.ids = append(f.ids, o.ID)
	}
	f.byID[o.ID] = o
	for len(f.ids) > maxFollowed {
		delete(f.byID, f.ids[0])
		f.ids = f.ids[1:]
	}
}

// take notes what a member has applied. mu is held.
func (f *follower) take(p *followed, id string, applied uint64) {
	share := p.shares[id]
	if share == nil || share.Applied || applied < p.at.number {
		return
	}
	share.Applied, share.Took = true, f.c.o.Now().Sub(p.asked)
	f.settle(p)
	for _, share := range p.shares {
		if !share.Applied {
			return
		}
	}
	delete(f.pending, p.at)
}

// settle completes a purge if it is. mu is held.
func (f *follower) settle(p *followed) {
	if p.complete {
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
	p.complete = true
	f.c.counts.completed(f.c.o.Now().Sub(p.asked))
	close(p.done)
}

// tell returns how far a purge is. mu is held.
func (f *follower) tell(o *ordered) *Report {
	f.settle(o.of)
	byName := make(map[string]Progress)
	for _, share := range o.of.shares {
		node, twice := byName[share.Name]
		if !twice || !share.Applied {
			node = *share // of the two disks of a node the one that is behind
		}
		byName[share.Name] = node
	}
	r := &Report{ID: o.ID, Order: o.Order, Number: o.of.at.number, Complete: o.of.complete}
	for _, name := range sortedKeys(byName) {
		r.Nodes = append(r.Nodes, byName[name])
	}
	return r
}

// report returns how far a purge is that is followed here, or nil.
func (f *follower) report(id string) *Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.byID[id]; o != nil {
		return f.tell(o)
	}
	return nil
}

// wait waits until a purge that is followed is complete, but no longer than longest.
func (f *follower) wait(ctx context.Context, r *Report, longest time.Duration) *Report {
	f.mu.Lock()
	o := f.byID[r.ID]
	f.mu.Unlock()
	if o == nil || longest <= 0 || r.Complete {
		return r
	}
	timer := time.NewTimer(min(longest, o.of.end.Sub(f.c.o.Now())))
	defer timer.Stop()
	select {
	case <-o.of.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tell(o)
}
