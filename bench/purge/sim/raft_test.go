package sim

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/council"
	"rookery/object"
	"rookery/purge"
)

// heartbeat is to the lease what it is in production.
const heartbeat = lease / 5

// raftCouncil is the council as it is: its seats are among the nodes, and call each
// other over connections in memory.
type raftCouncil struct {
	world  *world
	served sync.WaitGroup

	mu      sync.Mutex
	members map[string]council.Member // as gossip has them
	disks   map[string]*raftDisk
	changed chan struct{}
}

func newRaftCouncil(w *world) *raftCouncil {
	c := &raftCouncil{world: w, members: make(map[string]council.Member), disks: make(map[string]*raftDisk), changed: make(chan struct{})}
	for _, name := range hostNames {
		c.members[name] = council.Member{Name: name, PeerAddress: name}
		c.disks[name] = newRaftDisk()
	}
	return c
}

func (c *raftCouncil) sit(h *host, state *purge.State) (seat, error) {
	c.mu.Lock()
	disk := c.disks[h.name]
	c.mu.Unlock()
	own, err := council.Open(council.Options{
		Name: h.name, Disk: disk, State: state, Founder: h.name == hostNames[0], Expect: len(hostNames),
		Lease: lease, Heartbeat: heartbeat, ReplaceAfter: 10 * lease, ForgetAfter: time.Hour, SnapshotEvery: 500, KeepEntries: 100, MaxFloors: 12,
		Directory: func() []council.Member { return c.directory(h) },
		Changed: func() <-chan struct{} {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.changed
		},
		Announce: func(id [16]byte, raftID string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			m := c.members[h.name]
			m.Council, m.RaftID = id, raftID
			c.members[h.name] = m
			close(c.changed)
			c.changed = make(chan struct{})
		},
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) { return c.dial(ctx, h, address) },
		Now:  h.now, Log: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(),
	})
	if err != nil {
		return nil, err
	}
	return &raftSeat{own}, nil
}

// directory is what gossip tells a host: it knows at once who is down or cut off.
func (c *raftCouncil) directory(h *host) []council.Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []council.Member
	for _, name := range hostNames {
		m, other := c.members[name], c.world.hosts[name]
		if m.RaftID == "" {
			continue
		}
		m.Failed = other != h && (other.running() == nil || other.gate.stopped() || !c.world.network.reaches(h.name, name))
		all = append(all, m)
	}
	return all
}

// dial connects two hosts.
func (c *raftCouncil) dial(ctx context.Context, from *host, name string) (net.Conn, error) {
	to := c.world.hosts[name]
	waiting, cancel := context.WithTimeout(ctx, unanswered)
	defer cancel()
	if err := c.world.network.travel(waiting, from, to); err != nil {
		<-waiting.Done()
		return nil, lost(ctx)
	}
	running := to.running()
	if running == nil {
		return nil, errLost
	}
	here, there := net.Pipe()
	w := &wire{network: c.world.network, a: from, b: to, lives: [2]*instance{from.running(), running}}
	theirs := &wireEnd{Conn: there, wire: w, own: to}
	c.served.Go(func() { running.seat.(*raftSeat).ServeConn(theirs, from.name) })
	return &wireEnd{Conn: here, wire: w, own: from}, nil
}

// trim does nothing: the council forgets floors when they are more than MaxFloors.
func (c *raftCouncil) trim(string) {}

// found loses the disks of most voters at once and, if the quorum is lost with
// them, begins another council on a node that is left. Nothing else happens to the
// hosts meanwhile: an operator knows that the old council is gone.
func (c *raftCouncil) found(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // what is begun here comes to its end
	for _, name := range hostNames {
		h := c.world.hosts[name]
		for !h.struck.TryLock() { // what waits for a lock stops the clock
			time.Sleep(latency)
		}
		defer h.struck.Unlock()
	}
	left := c.world.hosts[hostNames[rand.IntN(len(hostNames))]]
	own := left.running().seat.(*raftSeat)
	lost := slices.DeleteFunc(own.Status().Voters, func(name string) bool { return name == left.name })
	for _, name := range lost[:min(2, len(lost))] {
		h := c.world.hosts[name]
		if err := errors.Join(h.kill(), c.world.lose(h), h.start()); err != nil {
			return err
		}
	}
	if rest(ctx, 3*lease) != nil || c.led() || own.Status().ID == ([16]byte{}) {
		return nil
	}
	finding, cancel := context.WithTimeout(ctx, 3*lease)
	defer cancel()
	if err := own.Found(finding); err != nil && finding.Err() == nil {
		return err
	}
	_ = rest(ctx, 3*lease) // the others join it
	c.world.told("another council is founded by " + left.name)
	return nil
}

// led reports whether any node knows of a leader.
func (c *raftCouncil) led() bool {
	for _, h := range c.world.hosts {
		if i := h.running(); i != nil && i.seat.(*raftSeat).Status().Leader != "" {
			return true
		}
	}
	return false
}

func (c *raftCouncil) lost(h *host) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disks[h.name] = newRaftDisk()
}

type raftSeat struct{ *council.Council }

func (s *raftSeat) purge(ctx context.Context, order *purge.Order) (object.Note, error) {
	before := s.Status().ID
	r, err := s.Purge(ctx, *order, 0)
	if err != nil {
		return object.Note{}, err
	}
	if s.Status().ID != before {
		return object.Note{}, nil
	}
	return object.Note{Council: before, Applied: r.Number}, nil
}

// complete asks again and again: with its id an order is the same one, even while
// it is kept for want of a quorum.
func (s *raftSeat) complete(ctx context.Context, order *purge.Order, _ object.Note) error {
	for {
		r, err := s.Purge(ctx, *order, 2*lease)
		switch {
		case err != nil:
			return err
		case r.Complete:
			return nil
		}
		if err := rest(ctx, heartbeat); err != nil {
			return err
		}
	}
}

func (s *raftSeat) leave() { _ = s.Close() }

// wire is a connection: it breaks with the network and with either process.
type wire struct {
	network *network
	a, b    *host
	lives   [2]*instance
}

func (w *wire) broken() bool {
	a, b := w.a.running(), w.b.running()
	return !w.network.reaches(w.a.name, w.b.name) || b != w.lives[1] || w.lives[0] != nil && a != w.lives[0]
}

// wireEnd is one side of it: what is sent takes its time, and nothing goes in or
// out of a stopped process.
type wireEnd struct {
	net.Conn
	*wire
	own *host
}

func (e *wireEnd) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	_ = e.own.gate.pass(context.Background())
	if e.broken() {
		e.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (e *wireEnd) Write(p []byte) (int, error) {
	_ = e.own.gate.pass(context.Background())
	time.Sleep(rand.N(latency + time.Duration(max(e.a.lag.Load(), e.b.lag.Load()))))
	if e.broken() {
		e.Close()
		return 0, io.ErrClosedPipe
	}
	return e.Conn.Write(p)
}

// raftDisk keeps what the council writes: all of it is synced.
type raftDisk struct {
	mu   sync.Mutex
	data map[string][]byte
	keys []string // sorted; nil when they have changed
}

func newRaftDisk() *raftDisk { return &raftDisk{data: make(map[string][]byte)} }

func (d *raftDisk) Get(key []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.data[string(key)]), nil
}

func (d *raftDisk) Scan(from, to []byte, each func(key, value []byte) bool) error {
	d.mu.Lock()
	if d.keys == nil {
		d.keys = slices.Sorted(maps.Keys(d.data))
	}
	first, _ := slices.BinarySearch(d.keys, string(from))
	end, _ := slices.BinarySearch(d.keys, string(to))
	var found [][2][]byte
	for _, key := range d.keys[first:max(first, end)] {
		found = append(found, [2][]byte{[]byte(key), d.data[key]})
	}
	d.mu.Unlock()
	for _, f := range found {
		if !each(f[0], f[1]) {
			break
		}
	}
	return nil
}

func (d *raftDisk) Write(drop, set [][2][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range drop {
		maps.DeleteFunc(d.data, func(key string, _ []byte) bool { return key >= string(r[0]) && key < string(r[1]) })
	}
	for _, e := range set {
		d.data[string(e[0])] = slices.Clone(e[1])
	}
	d.keys = nil
	return nil
}
