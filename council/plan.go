package council

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// view is what the leader sees when it looks at the members.
type view struct {
	self    string // the leader's raft id
	council [16]byte
	members []raft.Server
	nodes   map[string]Member        // the Directory, by name
	gone    map[string]time.Duration // for how long a member has not been there
	barred  func(id string) bool     // it can hold no lease, and gets none from now on
	o       *Options
}

// verb is what the leader does with a member.
type verb byte

const (
	nothing verb = iota
	add          // as a non-voter
	promote
	demote
	remove
	handOver // this node leaves: another is to lead
)

type step struct {
	verb verb
	id   string
}

// plan returns the next step from the members there are to those there should be.
// There is one at a time: raft takes them so.
func (v *view) plan() step {
	for _, next := range []func() step{v.newcomers, v.lostDisks, v.more, v.fewer, v.forgotten} {
		if s := next(); s.verb != nothing {
			return s
		}
	}
	return step{}
}

// newcomers are nodes of this council that are no members, a name with a new disk
// among them.
func (v *view) newcomers() step {
	for _, name := range sortedKeys(v.nodes) {
		n := v.nodes[name]
		if n.Council == v.council && n.RaftID != "" && nameOf(n.RaftID) == name && !n.Failed && !n.Draining &&
			!memberOf(v.members, n.RaftID) {
			return step{add, n.RaftID}
		}
	}
	return step{}
}

// lostDisks are members whose name has come back with another disk: the vote goes
// at once, and the member once it can hold no lease.
func (v *view) lostDisks() step {
	for _, m := range v.members {
		id := string(m.ID)
		if !v.superseded(id) {
			continue
		}
		if m.Suffrage == raft.Voter && len(v.voters()) > 1 {
			return step{demote, id}
		}
		if m.Suffrage != raft.Voter && v.barred(id) {
			return step{remove, id}
		}
	}
	return step{}
}

// superseded reports whether a member's name is another member's by now, which is
// there.
func (v *view) superseded(id string) bool {
	n, ok := v.nodes[nameOf(id)]
	return ok && !n.Failed && n.RaftID != "" && n.RaftID != id && memberOf(v.members, n.RaftID)
}

// here reports whether a member is there and means to stay.
func (v *view) here(id string) bool {
	n, ok := v.nodes[nameOf(id)]
	return ok && n.RaftID == id && !n.Failed && !n.Draining
}

func (v *view) draining(id string) bool {
	n, ok := v.nodes[nameOf(id)]
	return ok && n.RaftID == id && n.Draining
}

func (v *view) voters() (ids []string) {
	for _, m := range v.members {
		if m.Suffrage == raft.Voter {
			ids = append(ids, string(m.ID))
		}
	}
	return ids
}

// wanted is how many voters there should be: one, three or five, and no more than
// there are members that mean to stay. One that has failed is one of them until it
// is forgotten: its vote is given to another only if there is another.
func (v *view) wanted() int {
	stay := 0
	for _, m := range v.members {
		if id := string(m.ID); !v.draining(id) && !v.superseded(id) && v.gone[id] <= v.o.ForgetAfter {
			stay++
		}
	}
	switch {
	case stay >= 5:
		return 5
	case stay >= 3:
		return 3
	}
	return 1
}

// more gives votes: where there are too few, and to who stands in for a voter that
// leaves or has been gone for long.
func (v *view) more() step {
	good := 0
	var next []string
	for _, m := range v.members {
		id := string(m.ID)
		switch {
		case m.Suffrage != raft.Voter && v.here(id):
			next = append(next, id)
		case m.Suffrage == raft.Voter && !v.spent(id):
			good++
		}
	}
	if good >= v.wanted() || len(next) == 0 {
		return step{}
	}
	slices.SortFunc(next, byOrdinal)
	return step{promote, next[0]}
}

// spent reports whether a voter's vote should be another's.
func (v *view) spent(id string) bool {
	return v.draining(id) || v.superseded(id) || v.gone[id] > v.o.ReplaceAfter
}

// fewer takes votes away: of those that are spent and have been replaced, and of
// the highest ordinals where there are too many.
func (v *view) fewer() step {
	voters := v.voters()
	draining := slices.ContainsFunc(voters, v.draining)
	if len(voters) == 1 || len(voters) <= v.wanted() && !draining {
		return step{}
	}
	slices.SortFunc(voters, func(a, b string) int {
		if spent := v.spent(a); spent != v.spent(b) {
			if spent {
				return -1
			}
			return 1
		}
		return -byOrdinal(a, b)
	})
	last := voters[0]
	if draining && !v.draining(last) && len(voters) <= v.wanted() {
		return step{}
	}
	if last == v.self {
		return step{handOver, last}
	}
	return step{demote, last}
}

// forgotten are members that have been gone for so long that nobody expects them.
func (v *view) forgotten() step {
	for _, m := range v.members {
		id := string(m.ID)
		if id == v.self || v.gone[id] <= v.o.ForgetAfter {
			continue
		}
		if m.Suffrage == raft.Voter {
			continue // it keeps its place until another has its vote
		}
		if v.barred(id) {
			return step{remove, id}
		}
	}
	return step{}
}

// byOrdinal orders raft ids by the number that their names end in, then by name.
func byOrdinal(a, b string) int {
	a, b = nameOf(a), nameOf(b)
	return cmp.Or(cmp.Compare(ordinal(a), ordinal(b)), strings.Compare(a, b))
}

// ordinal returns the number that a name ends in, as a StatefulSet's pods have it;
// names without one come last.
func ordinal(name string) int {
	n, err := strconv.Atoi(name[len(strings.TrimRight(name, "0123456789")):])
	if err != nil {
		return 1 << 30
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
