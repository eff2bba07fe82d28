package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"rookery/purge"
)

// maxGathered bounds what waits for the next entry: more than comes in while one is
// committed, even where that takes the council all its patience.
const maxGathered = 20 * purge.MaxScopes

var errCrowded = errors.New("too many events wait for the council")

// gatherer brings the scopes of many requests to the council in few entries: what
// comes while one is under way shares the next. So senders of single events, as SNS
// is one, cost its log no more than those of batches.
type gatherer struct {
	council Council
	turn    chan struct{} // holds one element while an entry is under way

	mu   sync.Mutex // guards next and the scopes of what it points to
	next *gathering // nil while nobody waits
}

// gathering is what goes into one entry. Its ids and err are set before done closes.
type gathering struct {
	scopes []purge.Scope
	done   chan struct{}
	ids    []string
	err    error
}

func newGatherer(c Council) *gatherer { return &gatherer{council: c, turn: make(chan struct{}, 1)} }

// purge returns the ids of the purges that cover the scopes, once they are
// committed or durably kept. One of those who wait brings what all of them have.
func (g *gatherer) purge(ctx context.Context, scopes []purge.Scope) ([]string, error) {
	b, err := g.join(scopes)
	if err != nil {
		return nil, err
	}
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
		if g.take(b) {
			// Others' events are in it, too: that this sender goes is no reason to stop.
			b.bring(context.WithoutCancel(ctx), g.council)
		}
	case <-b.done:
	case <-ctx.Done():
		return nil, ctx.Err() // it goes with the next entry, and is sent again: once too often
	}
	return b.ids, b.err
}

func (g *gatherer) join(scopes []purge.Scope) (*gathering, error) {
	if g.council == nil {
		return nil, errors.New("this node has no council")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		g.next = &gathering{done: make(chan struct{})}
	}
	if len(g.next.scopes)+len(scopes) > maxGathered {
		return nil, errCrowded
	}
	g.next.scopes = append(g.next.scopes, scopes...)
	return g.next, nil
}

// take reports whether b is still to be brought, and lets nobody else join it. The
// caller has the turn.
func (g *gatherer) take(b *gathering) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next != b {
		return false // brought by another, who had the turn before
	}
	g.next = nil
	return true
}

// bring makes one entry of the gathering.
func (b *gathering) bring(ctx context.Context, c Council) {
	defer close(b.done)
	var orders []purge.Order
	for rest := b.scopes; len(rest) > 0; {
		n := min(len(rest), purge.MaxScopes)
		id := "s3-" + rand.Text()
		b.ids = append(b.ids, id)
		orders = append(orders, purge.Order{ID: id, Scopes: rest[:n:n]})
		rest = rest[n:]
	}
	_, b.err = c.PurgeMany(ctx, orders, 0)
}
