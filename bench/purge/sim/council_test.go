package sim

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"rookery/object"
	"rookery/purge"
)

// assembly is what orders the purges of a world and gives its nodes their leases.
type assembly interface {
	// sit gives a host that starts its part in the council, which keeps the host's
	// purge state up to date.
	sit(h *host, state *purge.State) (seat, error)
	// found makes a council anew, after the old one is lost.
	found(ctx context.Context) error
	// lost tells that a host's disk is empty.
	lost(h *host)
	// trim forgets old floors of a bucket.
	trim(bucket string)
}

// seat is one process's part in the council.
type seat interface {
	// purge returns the order's number as soon as it has one, and waits no longer
	// than that; it has number 0 if that is not known.
	purge(ctx context.Context, order *purge.Order) (number object.Note, err error)
	// complete waits until the purge is complete. An error says that it is not known
	// to be.
	complete(ctx context.Context, order *purge.Order, number object.Note) error
	// leave ends it, as abruptly as a process ends.
	leave()
}

// model is a council that is right by construction: one list in memory that is
// never lost, in a place of its own on the network that never fails. What the
// protocol demands of the nodes' side of the council is done here word by word.
type model struct {
	world *world
	place *host // where the list is

	mu      sync.Mutex
	id      [16]byte
	closed  bool // no grants: the council is being lost
	log     []entry
	applied map[string]uint64 // as reported, by name
	moved   chan struct{}     // closed and replaced when any of this changes
}

// entry is one number of the log: a purge, a trim or a tick.
type entry struct {
	order  *purge.Order
	bucket string // of a trim
	mark   uint64
}

var errNewCouncil = errors.New("another council")

func newModel(w *world) *model {
	m := &model{world: w, place: &host{name: "council"}, applied: make(map[string]uint64), moved: make(chan struct{})}
	rand.Read(m.id[:])
	return m
}

// changed wakes who waits. mu is held.
func (m *model) changed() {
	close(m.moved)
	m.moved = make(chan struct{})
}

// add commits an entry, and returns its number and whose it is.
func (m *model) add(e entry) object.Note {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, e)
	m.changed()
	return object.Note{Council: m.id, Applied: uint64(len(m.log))}
}

func (m *model) trim(bucket string) {
	m.mu.Lock()
	mark := uint64(max(0, len(m.log)-mathrand.IntN(5)))
	m.mu.Unlock()
	m.add(entry{bucket: bucket, mark: mark})
}

// found begins a new list under a new id, when no lease of the old one can run any
// more: an operator who founds a council anew has waited for that.
func (m *model) found(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	_ = rest(ctx, lease*12/10)
	m.mu.Lock()
	defer m.mu.Unlock()
	rand.Read(m.id[:])
	m.closed, m.log = false, nil
	clear(m.applied)
	m.changed()
	return nil
}

// lost tells nothing to who keeps nothing there.
func (m *model) lost(*host) {}

func (m *model) sit(h *host, state *purge.State) (seat, error) {
	s := &modelSeat{model: m, host: h, state: state}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(func() { s.follow(ctx) })
	s.work.Go(func() { s.renew(ctx) })
	return s, nil
}

type modelSeat struct {
	model  *model
	host   *host
	state  *purge.State
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func (s *modelSeat) leave() {
	s.cancel()
	s.work.Wait()
}

// follow brings entries to the node, and reports what it has applied.
func (s *modelSeat) follow(ctx context.Context) {
	m, net := s.model, s.model.world.network
	for ctx.Err() == nil {
		note, entries := s.next(ctx)
		if net.travel(ctx, m.place, s.host) != nil {
			_ = rest(ctx, unanswered)
			continue
		}
		s.state.Join(note.Council)
		for i, e := range entries {
			apply(s.state, note.Applied+uint64(i)+1, e)
		}
		reached := note.Applied + uint64(len(entries))
		if net.travel(ctx, s.host, m.place) != nil {
			continue // its report is repeated with the next
		}
		m.mu.Lock()
		if m.id == note.Council {
			m.applied[s.host.name] = max(m.applied[s.host.name], reached)
			m.changed()
		}
		m.mu.Unlock()
	}
}

func apply(state *purge.State, number uint64, e entry) {
	switch {
	case e.order != nil:
		state.Apply(number, e.order)
	case e.bucket != "":
		state.Trim(number, e.bucket, e.mark)
	default:
		state.Pass(number)
	}
}

// next waits until the council has something that the node has not, or its report
// is behind. It returns what the node has applied of that council.
func (s *modelSeat) next(ctx context.Context) (from object.Note, entries []entry) {
	m := s.model
	for {
		own := s.state.Note()
		m.mu.Lock()
		if own.Council != m.id {
			own = object.Note{Council: m.id}
		}
		entries, moved := m.log[own.Applied:len(m.log):len(m.log)], m.moved
		unreported := m.applied[s.host.name] < own.Applied
		m.mu.Unlock()
		if len(entries) > 0 || unreported || s.state.Note().Council != own.Council {
			return own, entries
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return own, nil
		}
	}
}

// renew asks for a lease again and again. It counts from when it was asked for.
func (s *modelSeat) renew(ctx context.Context) {
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, 2*lease)
		_ = s.grant(asked)
		cancel()
		_ = rest(ctx, lease/5)
	}
}

func (s *modelSeat) grant(ctx context.Context) error {
	m, net := s.model, s.model.world.network
	sent := s.host.now()
	if err := net.travel(ctx, s.host, m.place); err != nil {
		return err
	}
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return errNewCouncil
	}
	tick := m.add(entry{})
	if err := net.travel(ctx, m.place, s.host); err != nil {
		return err
	}
	for s.state.Note().Council != tick.Council { // it has not heard of it yet
		if err := rest(ctx, latency); err != nil {
			return err
		}
	}
	if err := s.state.Await(ctx, tick); err != nil {
		return err
	}
	s.state.Grant(tick.Council, sent, lease)
	return nil
}

func (s *modelSeat) purge(ctx context.Context, order *purge.Order) (object.Note, error) {
	m, net := s.model, s.model.world.network
	if err := net.travel(ctx, s.host, m.place); err != nil {
		return object.Note{}, err
	}
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return object.Note{}, errNewCouncil
	}
	number := m.add(entry{order: order})
	return number, net.travel(ctx, m.place, s.host)
}

// complete waits until every node has reported the number, or none that has not
// can hold a lease.
func (s *modelSeat) complete(ctx context.Context, _ *purge.Order, number object.Note) error {
	m := s.model
	excused := time.NewTimer(lease * 11 / 10)
	defer excused.Stop()
	for {
		m.mu.Lock()
		all, same, moved := true, m.id == number.Council, m.moved
		for _, name := range hostNames {
			all = all && m.applied[name] >= number.Applied
		}
		m.mu.Unlock()
		switch {
		case !same:
			return errNewCouncil
		case all:
			return s.host.gate.pass(ctx)
		}
		select {
		case <-moved:
		case <-excused.C:
			return s.host.gate.pass(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
