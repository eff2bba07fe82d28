package council

import (
	"errors"
	"time"
)

// What one member asks of another.
const (
	opLease    = "lease"    // the leader: a lease
	opPurge    = "purge"    // the leader: these orders
	opStanding = "standing" // the leader: who counts
	opApplied  = "applied"  // anyone: tell me when you have applied a number
	opForget   = "forget"   // the leader: a member is gone for good
	opInvite   = "invite"   // a node of no council, or of an earlier one: join this one
)

// request is one question. Names of nodes and ids of purges are UTF-8; what need
// not be is encoded in Entries.
type request struct {
	Op      string
	Entries [][]byte      `json:",omitempty"` // of orders, for opPurge
	Number  uint64        `json:",omitempty"` // for opApplied
	Wait    time.Duration `json:",omitempty"`
	Name    string        `json:",omitempty"` // for opForget
	Before  []byte        `json:",omitempty"` // for opInvite: the council and its predecessors
}

// answer is what comes back.
type answer struct {
	Fault    fault         `json:",omitempty"`
	Text     string        `json:",omitempty"` // of a fault
	Number   uint64        `json:",omitempty"`
	Lease    time.Duration `json:",omitempty"`
	Outcomes []outcome     `json:",omitempty"`
	Standing *standing     `json:",omitempty"`
}

// fault names an error that the asker acts upon.
type fault string

const (
	faultOther     fault = "other"
	faultNotLeader fault = "not_leader"
	faultNotMember fault = "not_member"
	faultNoMember  fault = "no_such_member"
	faultAlive     fault = "alive"
	faultMalformed fault = "malformed"
)

var faultErrors = map[fault]error{
	faultNotLeader: errNotLeader,
	faultNotMember: errNotMember,
	faultNoMember:  ErrNoMember,
	faultAlive:     ErrAlive,
	faultMalformed: errEntry,
}

// failed is the answer for an error.
func failed(err error) *answer {
	for f, e := range faultErrors {
		if errors.Is(err, e) {
			return &answer{Fault: f, Text: err.Error()}
		}
	}
	return &answer{Fault: faultOther, Text: err.Error()}
}

// err is the error of an answer.
func (a *answer) err() error {
	if a.Fault == "" {
		return nil
	}
	if e, ok := faultErrors[a.Fault]; ok {
		return e
	}
	return errors.New(a.Text)
}

// Bounds of what is read from another member.
const (
	maxRequestBytes = 16 << 20
	maxAnswerBytes  = 4 << 20
)
