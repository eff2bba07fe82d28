// Package council keeps the order of purges: a Raft log (hashicorp/raft) among the
// nodes, one, three or five of them voters. It applies what is committed to the
// node's purge.State, gives the node its leases, and says how far a purge is.
//
// It owns the log, who is a member, and which council this node belongs to. It
// does not know what a node holds, and never asks: a purge costs the same whatever
// it covers.
package council

import (
	"errors"
	"time"

	"rookery/purge"
)

// Report is how far a purge is.
type Report struct {
	ID    string
	Order purge.Order
	// Number is the purge's index in the log; 0 while it waits for a quorum.
	Number uint64
	// Complete: no node of the cluster serves what was purged any more.
	Complete bool
	// Nodes are the members whose report counts, sorted by name.
	Nodes []Progress
}

// Progress is one member's share of a Report.
type Progress struct {
	Name    string
	Applied bool
	// Excused: it has not reported, but can hold no lease any more.
	Excused bool
	// Took is how long after the purge was asked for here its report came.
	Took time.Duration
}

// Pending are the names of the members that are waited for.
func (r *Report) Pending() []string {
	var names []string
	for _, n := range r.Nodes {
		if !n.Applied && !n.Excused {
			names = append(names, n.Name)
		}
	}
	return names
}

// Status is what this node knows of its council.
type Status struct {
	ID      [16]byte // zero: it has heard from none
	Leader  string   // name; "" if there is none, or it is not known
	Term    uint64
	Voters  []string // names, sorted
	Members []string // voters and the others, sorted
	Applied uint64   // by this node's own state
	Commit  uint64   // as far as this node knows
	Lease   time.Duration
	// Waiting is how many purges this node keeps until there is a quorum.
	Waiting int
}

// The errors of a purge.
var (
	// ErrConflict: the id was used before for another order.
	ErrConflict = errors.New("the id belongs to another purge")
	// ErrUnknown: no purge with that id is known (any more).
	ErrUnknown = errors.New("no such purge")
	// ErrNoCouncil: this node belongs to no council yet, and can keep nothing for it.
	ErrNoCouncil = errors.New("no council")
	// ErrNoMember: no member of the council has that name.
	ErrNoMember = errors.New("no such member")
	// ErrLeader: the council has a leader, and so needs no other council.
	ErrLeader = errors.New("the council has a leader")
	// ErrAlive: the member is there, and would be added again at once.
	ErrAlive = errors.New("the member is alive")
)
