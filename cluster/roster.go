package cluster

import (
	"maps"
	"slices"
	"time"
)

// failedFor is how long a member that went silent stays listed, and is called
// at its last address: as long as the council waits before it forgets a member.
const failedFor = time.Hour

// roster is what this node believes of the cluster. It belongs to the cluster's
// own goroutine.
type roster struct {
	self    string
	own     meta
	members map[string]Member
}

// change is one member before and after; a zero before is a new member, a zero
// after a forgotten one.
type change struct{ before, after Member }

// apply takes in the news, forgets who was silent for too long, and returns
// what changed, sorted by name.
func (r *roster) apply(news map[string]sighting, now time.Time) []change {
	var changes []change
	for _, name := range slices.Sorted(maps.Keys(news)) {
		if c := r.see(name, news[name], now); !c.after.sameButSince(c.before) {
			changes = append(changes, c)
		}
	}
	for _, m := range r.list() {
		if m.State == Failed && now.Sub(m.Since) >= failedFor {
			delete(r.members, m.Name)
			changes = append(changes, change{before: m})
		}
	}
	return changes
}

func (r *roster) see(name string, s sighting, now time.Time) change {
	before, known := r.members[name]
	// A node that says it drains before it is gone has left; one that did not
	// say so has failed. (memberlist tells its delegates no difference.)
	if s.gone && (!known || before.State == Draining) {
		delete(r.members, name)
		return change{before: before}
	}
	after := readMember(&r.own, name, s)
	after.Since = before.Since
	if !known || after.State != before.State {
		after.Since = now
	}
	r.members[name] = after
	return change{before: before, after: after}
}

// readMember reads what a node says of itself to one that says own of itself.
func readMember(own *meta, name string, s sighting) Member {
	m := Member{Name: name, GossipAddress: s.address}
	said, err := decodeMeta(s.meta)
	if err != nil {
		m.Unfit = err.Error()
	} else {
		m.Zone, m.Version, m.PeerAddress = said.zone, said.version, said.peerAddress
		m.State, m.Fingerprint, m.Council, m.Disk = said.state, said.fingerprint, said.council, said.disk
		m.Protocol, m.ProtocolMin = said.protocol, said.protocolMin
		m.Unfit = unfit(own, &said)
	}
	if s.gone {
		m.State = Failed
	}
	return m
}

// list returns the members, sorted by name.
func (r *roster) list() []Member { return slices.SortedFunc(maps.Values(r.members), byName) }

// owners returns the names that belong into the ring, sorted.
func (r *roster) owners() []string {
	var names []string
	for _, m := range r.list() {
		if m.owns() {
			names = append(names, m.Name)
		}
	}
	return names
}

// others reports whether any other node is there.
func (r *roster) others() bool {
	for _, m := range r.members {
		if m.Name != r.self && m.State != Failed {
			return true
		}
	}
	return false
}
