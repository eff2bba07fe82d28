package run

import (
	"slices"
	"sync"

	"rookery/cluster"
)

// members is the latest list that the cluster gave, for those who ask without
// waiting: the peers' client for an address, their server for who belongs here.
// The zero value knows nobody. Safe for concurrent use.
type members struct {
	mu      sync.RWMutex
	list    []cluster.Member
	byName  map[string]cluster.Member
	changed chan struct{}
}

// set takes the cluster's new list.
func (m *members) set(list []cluster.Member) {
	byName := make(map[string]cluster.Member, len(list))
	for _, member := range list {
		byName[member.Name] = member
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list, m.byName = list, byName
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// address returns where a node answers other nodes. One that was lost to gossip has
// one: it is in no ring, but it may be there, and hold what was its own.
func (m *members) address(name string) (string, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	member, ok := m.byName[name]
	return member.PeerAddress, ok && member.PeerAddress != ""
}

// known reports whether gossip knows a node of that name, and whether it is lost to it.
func (m *members) known(name string) (is, lost bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	member, ok := m.byName[name]
	return ok, member.State == cluster.Failed
}

// isMember reports whether a node belongs to the cluster. One that was lost to gossip a
// moment ago still does: it may well be right about us. But if it has been forgotten,
// which the council knows, it does not.
func (n *Node) isMember(name string) bool {
	is, lost := n.members.known(name)
	return is && (!lost || n.inCouncil(name))
}

// inCouncil reports whether the council has a node, as far as this node knows: without
// a council it has all that gossip has.
func (n *Node) inCouncil(name string) bool {
	s := n.bench.Status()
	return s.ID == [16]byte{} || slices.Contains(s.Members, name)
}

// all returns the list, which nobody changes, and a channel that is closed when there
// is a newer one.
func (m *members) all() ([]cluster.Member, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.list, m.changed
}

// live returns how many nodes are there, and a channel that is closed when that
// may have changed.
func (m *members) live() (int, <-chan struct{}) {
	list, changed := m.all()
	count := 0
	for _, member := range list {
		if member.State != cluster.Failed {
			count++
		}
	}
	return count, changed
}
