package council

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"rookery/purge"
)

// machine is raft's state machine: it puts what is committed into the node's
// purge.State, entry by entry, and remembers which ids it has seen.
type machine struct {
	state *purge.State
	log   *slog.Logger

	mu      sync.Mutex // guards all below
	known   known
	lease   time.Duration // of the newest tick
	largest time.Duration // of all ticks
}

// outcome is what became of one order of an entry.
type outcome struct {
	Number   uint64 // of the first order with its id
	Conflict bool   `json:",omitempty"` // that one was another
}

// Apply implements raft.FSM. It returns the outcomes of orders, and the length of
// a tick's lease.
func (m *machine) Apply(l *raft.Log) any {
	if len(l.Data) == 0 {
		m.state.Pass(l.Index)
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := reader{b: l.Data[1:]}
	switch l.Data[0] {
	case entryPurges:
		return m.purges(l)
	case entryTick:
		m.lease = time.Duration(r.u64())
		m.largest = max(m.largest, m.lease)
		m.state.Pass(l.Index)
		return m.lease
	case entryTrim:
		mark := r.u64()
		m.state.Trim(l.Index, r.text(), mark)
		return nil
	}
	m.log.Error("an entry of the council's log is of an unknown kind: this node is too old",
		"number", l.Index, "kind", l.Data[0])
	m.state.Pass(l.Index)
	return nil
}

// purges applies the orders of one entry whose ids are new, under one number. mu
// is held.
func (m *machine) purges(l *raft.Log) any {
	orders, err := decodeOrders(l.Data[1:])
	if err != nil {
		m.log.Error("an entry of the council's log cannot be read", "number", l.Index, "error", err)
		m.state.Pass(l.Index)
		return nil
	}
	outcomes := make([]outcome, len(orders))
	var all purge.Order
	for i := range orders {
		o := &orders[i]
		first := m.known.add(o, l.Index)
		outcomes[i] = outcome{Number: first.number, Conflict: first.sum != sumOf(o)}
		if first.number == l.Index && !outcomes[i].Conflict {
			all.Soft = o.Soft
			all.Scopes = append(all.Scopes, o.Scopes...)
		}
	}
	if len(all.Scopes) == 0 {
		m.state.Pass(l.Index)
	} else {
		m.state.Apply(l.Index, &all)
	}
	return outcomes
}

// StoreConfiguration implements raft.ConfigurationStore: a change of members is a
// number like any other.
func (m *machine) StoreConfiguration(index uint64, _ raft.Configuration) { m.state.Pass(index) }

// leases returns the present length of a lease and the longest there has been.
func (m *machine) leases() (now, largest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lease, m.largest
}

// find returns what is known of a purge.
func (m *machine) find(id string) (knownOrder, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known.find(id)
}

// Snapshot implements raft.FSM.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return snapshot(m.encode()), nil
}

// Restore implements raft.FSM.
func (m *machine) Restore(from io.ReadCloser) error {
	b, err := io.ReadAll(io.LimitReader(from, maxSnapshot))
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.decode(b)
}

// sumOf tells orders under one id apart.
func sumOf(o *purge.Order) (sum [16]byte) {
	b := []byte{0}
	if o.Soft {
		b[0] = 1
	}
	whole := sha256.Sum256(appendScopes(b, o.Scopes))
	return [16]byte(whole[:])
}
