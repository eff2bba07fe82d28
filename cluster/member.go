package cluster

import (
	"cmp"
	"fmt"
	"time"
)

// State is how far a node is: it joins, is ready, and drains before it goes.
type State uint8

// The states. The first three are gossiped, their numbers are part of the
// metadata's format; Failed is what the others say of a node that went silent.
const (
	Joining  State = 0 // not in the ring yet
	Ready    State = 1 // in the ring
	Draining State = 2 // out of the ring, finishing what it has begun
	Failed   State = 3 // silent, not in the ring
)

var stateNames = [...]string{"joining", "ready", "draining", "failed"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Member is what this node knows of one node of the cluster, itself included.
type Member struct {
	Name          string
	Zone          string
	Version       string // of the program
	PeerAddress   string // host:port for reads between nodes
	GossipAddress string // ip:port; "" for a node that gossips with nobody
	State         State
	Since         time.Time // when this node learned of State
	Fingerprint   string    // of the ring's scheme
	Protocol      uint16    // newest read protocol it speaks
	ProtocolMin   uint16    // oldest read protocol it speaks
	Council       [16]byte  // the council it belongs to; zero if none
	Disk          [16]byte  // names its disk: with a new one it is another member of the council
	// Unfit says why this node does not read from the member; "" if it does.
	Unfit string
}

// owns reports whether the member belongs into the ring.
func (m *Member) owns() bool { return m.State == Ready && m.Unfit == "" }

// unfit says why a node with metadata own does not read from one with other:
// they would disagree about owners, or about the bytes between them.
func unfit(own, other *meta) string {
	if own.fingerprint != other.fingerprint {
		return fmt.Sprintf("its ring fingerprint is %q, this node's is %q", other.fingerprint, own.fingerprint)
	}
	if max(own.protocolMin, other.protocolMin) > min(own.protocol, other.protocol) {
		return fmt.Sprintf("it speaks the peer protocols %d to %d, this node %d to %d",
			other.protocolMin, other.protocol, own.protocolMin, own.protocol)
	}
	return ""
}

// sameButSince reports whether nothing but Since differs.
func (m Member) sameButSince(o Member) bool {
	m.Since = o.Since
	return m == o
}

func byName(a, b Member) int { return cmp.Compare(a.Name, b.Name) }
