package cluster

import (
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"
)

// sighting is the latest that was heard of a node.
type sighting struct {
	meta    []byte
	address string // of its gossip
	gone    bool   // it left or went silent; meta is its last
}

// conflict is two nodes under one name.
type conflict struct{ known, other string }

// inbox keeps what memberlist tells until the cluster's own goroutine looks.
// memberlist calls under its lock and must not be held up, so nothing here
// blocks, logs or calls back, and only the latest news of each node is kept:
// the inbox is never larger than the cluster. It takes calls after Close too,
// because memberlist's suspicion timers outlive its Shutdown.
type inbox struct {
	self string // what memberlist says of this node is no news

	mu        sync.Mutex
	sightings map[string]sighting
	conflicts map[string]conflict
	// wake has room for one: whoever takes from it looks at everything.
	wake chan struct{}
}

var (
	_ memberlist.EventDelegate    = (*inbox)(nil)
	_ memberlist.ConflictDelegate = (*inbox)(nil)
)

func newInbox(self string) *inbox {
	return &inbox{self: self, sightings: map[string]sighting{}, conflicts: map[string]conflict{}, wake: make(chan struct{}, 1)}
}

func (b *inbox) put(name string, s sighting) {
	b.mu.Lock()
	b.sightings[name] = s
	b.mu.Unlock()
	b.nudge()
}

// nudge makes the cluster's goroutine look, also when there is no news.
func (b *inbox) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox.
func (b *inbox) take() (map[string]sighting, map[string]conflict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, c := b.sightings, b.conflicts
	b.sightings, b.conflicts = map[string]sighting{}, map[string]conflict{}
	return s, c
}

// NotifyJoin is memberlist's word that a node has come.
func (b *inbox) NotifyJoin(n *memberlist.Node) { b.notify(n, false) }

// NotifyUpdate is memberlist's word that a node's metadata has changed.
func (b *inbox) NotifyUpdate(n *memberlist.Node) { b.notify(n, false) }

// NotifyLeave is memberlist's word that a node has left or gone silent.
func (b *inbox) NotifyLeave(n *memberlist.Node) { b.notify(n, true) }

func (b *inbox) notify(n *memberlist.Node, gone bool) {
	if n.Name == b.self {
		return
	}
	b.put(n.Name, sighting{meta: slices.Clone(n.Meta), address: n.Address(), gone: gone})
}

// NotifyConflict is memberlist's word that a node at another address claims the
// name of one that is there.
func (b *inbox) NotifyConflict(existing, other *memberlist.Node) {
	b.mu.Lock()
	b.conflicts[existing.Name] = conflict{known: existing.Address(), other: other.Address()}
	b.mu.Unlock()
	b.nudge()
}
