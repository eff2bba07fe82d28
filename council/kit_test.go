package council

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
	"rookery/purge"
)

// memDisk is a Disk in memory that can be made to fail, and to lose all.
type memDisk struct {
	mu      sync.Mutex
	data    map[string][]byte
	broken  error
	written int
	took    time.Duration // of one write
}

func newDisk() *memDisk { return &memDisk{data: map[string][]byte{}} }

// slow makes a write take so long.
func (d *memDisk) slow(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took = took
}

func (d *memDisk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

func (d *memDisk) Get(key []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, ok := d.data[string(key)]; ok {
		return slices.Clone(v), d.broken
	}
	return nil, d.broken
}

func (d *memDisk) Scan(from, to []byte, each func(key, value []byte) bool) error {
	d.mu.Lock()
	data, err := maps.Clone(d.data), d.broken
	d.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if key >= string(from) && key < string(to) && !each([]byte(key), data[key]) {
			break
		}
	}
	return err
}

func (d *memDisk) Write(drop, set [][2][]byte) error {
	d.mu.Lock()
	took := d.took
	d.mu.Unlock()
	if took > 0 {
		time.Sleep(took)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return d.broken
	}
	for _, r := range drop {
		for key := range d.data {
			if key >= string(r[0]) && key < string(r[1]) {
				delete(d.data, key)
			}
		}
	}
	for _, e := range set {
		d.data[string(e[0])] = slices.Clone(e[1])
	}
	d.written++
	return nil
}

// world is some nodes, what gossip says of them, and the wires between them.
type world struct {
	t       testing.TB
	mu      sync.Mutex
	nodes   map[string]*node
	cut     map[[2]string]bool
	conns   map[net.Conn][2]string
	changed chan struct{}
	tune    func(*Options)
	wire    func(from, to string) (ours, theirs net.Conn, err error)
	// forgotten is a node that is dead and of which gossip says that it is alive.
	forgotten string
	served    sync.WaitGroup
	after     func()                   // when all nodes are closed
	thawed    map[string]chan struct{} // closed when a node that is frozen no longer is
}

type node struct {
	*Council
	name    string
	disk    *memDisk
	state   *purge.State
	address string
	set     *metrics.Set
	lives   bool // its process does, when it is closed and opened

	// The world's mu guards what follows.
	up, draining bool
	known        bool // to gossip
	id           string
	council      [16]byte
}

const (
	testLease     = 5 * time.Second
	testHeartbeat = time.Second
)

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, nodes: map[string]*node{}, cut: map[[2]string]bool{}, conns: map[net.Conn][2]string{},
		changed: make(chan struct{}), after: func() {}, thawed: map[string]chan struct{}{},
	}
	w.wire = w.pipe
	t.Cleanup(w.close)
	return w
}

// pipe is a connection on which nothing moves while a node at either end is
// frozen: it is there, and silent, as one to a stopped process.
func (w *world) pipe(from, to string) (ours, theirs net.Conn, err error) {
	ours, a := net.Pipe()
	b, theirs := net.Pipe()
	pump := func(from net.Conn, to net.Conn, names ...string) {
		defer from.Close()
		defer to.Close()
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			for _, name := range names {
				w.mu.Lock()
				thawed := w.thawed[name]
				w.mu.Unlock()
				if thawed != nil {
					<-thawed
				}
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	go pump(a, b, from, to)
	go pump(b, a, from, to)
	return ours, theirs, nil
}

// freeze stops all that a node sends and is sent, until the returned function is
// called.
func (w *world) freeze(n *node) (thaw func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	thawed := make(chan struct{})
	w.thawed[n.name] = thawed
	return func() { w.thaw(n.name) }
}

func (w *world) thaw(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if thawed := w.thawed[name]; thawed != nil {
		delete(w.thawed, name)
		close(thawed)
	}
}

func (w *world) close() {
	for name := range w.nodes {
		w.thaw(name)
	}
	for _, n := range w.nodes {
		w.stop(n)
	}
	w.served.Wait()
	w.after()
}

// start makes nodes named n-0 to n-(count-1), the first of which founds.
func (w *world) start(count int) []*node {
	for i := range count {
		name := fmt.Sprintf("n-%d", i)
		w.add(name)
		w.nodes[name].known = true
	}
	all := w.all()
	for _, n := range all {
		w.open(n, func(o *Options) { o.Founder, o.Expect = n.name == "n-0", count })
	}
	return all
}

func (w *world) add(name string) *node {
	n := &node{name: name, disk: newDisk(), address: "at " + name}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[name] = n
	return n
}

func (w *world) all() []*node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*node
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		all = append(all, w.nodes[name])
	}
	return all
}

// open starts a node on the disk that it has.
func (w *world) open(n *node, tune ...func(*Options)) {
	w.t.Helper()
	level := slog.LevelError
	if os.Getenv("COUNCIL_LOG") != "" {
		level = slog.LevelDebug
	}
	state := purge.NewState()
	set := metrics.NewSet()
	if n.lives { // the same process
		state, set = n.state, n.set
	}
	o := Options{
		Name: n.name, Disk: n.disk, State: state, Lease: testLease, Heartbeat: testHeartbeat,
		Directory: func() []Member { return w.directory(n.name) },
		Changed: func() <-chan struct{} {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.changed
		},
		Announce: func(council [16]byte, id string) {
			w.change(func() { n.council, n.id, n.known = council, id, true })
		},
		Dial: func(ctx context.Context, name, address string) (net.Conn, error) {
			return w.dial(ctx, n.name, name, address)
		},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("node", n.name), Metrics: set,
	}
	if w.tune != nil {
		w.tune(&o)
	}
	for _, f := range tune {
		f(&o)
	}
	w.change(func() { n.up, n.draining, n.state, n.set = true, false, state, set })
	c, err := Open(o)
	if err != nil {
		w.t.Fatalf("open %s: %v", n.name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n.Council = c
}

// stop ends a node as a kill does: nobody is told but by its silence.
func (w *world) stop(n *node) {
	w.mu.Lock()
	up := n.up
	w.mu.Unlock()
	if !up {
		return
	}
	w.change(func() { n.up = false })
	w.hang(func(pair [2]string) bool { return pair[0] == n.name || pair[1] == n.name })
	if err := n.Close(); err != nil {
		w.t.Errorf("close %s: %v", n.name, err)
	}
}

func (w *world) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) directory(of string) []Member {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Member
	for _, n := range w.nodes {
		if n.known {
			all = append(all, Member{
				Name: n.name, RaftID: n.id, PeerAddress: n.address, Council: n.council,
				Draining: n.draining, Failed: !n.up && w.forgotten != n.name || w.cut[[2]string{of, n.name}],
			})
		}
	}
	return all
}

// dial connects to whoever is at the address, as a network does.
func (w *world) dial(ctx context.Context, from, name, address string) (net.Conn, error) {
	w.mu.Lock()
	var to *node
	for _, n := range w.nodes {
		if n.address == address && n.up && n.Council != nil {
			to = n
		}
	}
	if to == nil || w.cut[[2]string{from, to.name}] {
		w.mu.Unlock()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil, errors.New("no answer from " + name)
	}
	serve := to.ServeConn
	ours, theirs, err := w.wire(from, to.name)
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	w.conns[ours], w.conns[theirs] = [2]string{from, to.name}, [2]string{from, to.name}
	w.mu.Unlock()
	w.served.Go(func() { serve(theirs, from) })
	return ours, nil
}

// hang closes the connections between some nodes.
func (w *world) hang(match func([2]string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn, pair := range w.conns {
		if match(pair) {
			conn.Close()
			delete(w.conns, conn)
		}
	}
}

// split cuts the wires between two groups; no groups mends all.
func (w *world) split(groups ...string) {
	cut := map[[2]string]bool{}
	for _, a := range groups {
		for _, b := range groups {
			for _, x := range strings.Fields(a) {
				for _, y := range strings.Fields(b) {
					if a != b {
						cut[[2]string{x, y}] = true
					}
				}
			}
		}
	}
	w.change(func() { w.cut = cut })
	w.hang(func(pair [2]string) bool { return cut[pair] })
}

// until waits for what must come, on the bubble's clock.
func (w *world) until(what string, longest time.Duration, ok func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > longest {
			for _, n := range w.all() {
				if n.up {
					w.t.Logf("%s: %+v", n.name, n.Status())
				}
			}
			w.t.Fatalf("not within %v: %s", longest, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func (n *node) leased() bool { return n.state.Leased(time.Now()) }

// settle waits until all nodes that are up hold leases and the voters are as many
// as wanted.
func (w *world) settle(voters int) *node {
	w.t.Helper()
	var leader *node
	w.until(fmt.Sprintf("leases, a leader and %d voters", voters), time.Minute, func() bool {
		leader = nil
		for _, n := range w.all() {
			if !n.up {
				continue
			}
			s := n.Status()
			if !n.leased() || len(s.Voters) != voters || s.Leader == "" {
				return false
			}
			if s.Leader == n.name {
				leader = n
			}
		}
		return leader != nil
	})
	return leader
}

func order(id string, names ...string) purge.Order {
	o := purge.Order{ID: id}
	for _, name := range names {
		o.Scopes = append(o.Scopes, purge.Scope{Kind: purge.Object, Bucket: "b", Name: name})
	}
	return o
}

// bubble runs a test on synctest's clock.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

// promise checks what a complete purge promises: whoever may serve has its floor.
func (w *world) promise(r *Report) {
	w.t.Helper()
	if !r.Complete {
		w.t.Fatalf("purge %q is not complete: waiting for %v", r.ID, r.Pending())
	}
	w.kept(r)
}

// kept checks it of purges that were found complete before.
func (w *world) kept(r *Report) {
	w.t.Helper()
	for _, n := range w.all() {
		if note := n.state.Note(); n.up && n.leased() && note.Applied < r.Number {
			w.t.Fatalf("%s serves with %d applied, and purge %q, which is complete, is %d", n.name, note.Applied, r.ID, r.Number)
		}
	}
}

// purge asks one node, and waits until it is complete.
func (w *world) purge(n *node, id string, longest time.Duration) *Report {
	w.t.Helper()
	r, err := n.Purge(context.Background(), order(id, id), longest)
	if err != nil {
		w.t.Fatalf("purge %q at %s: %v", id, n.name, err)
	}
	w.promise(r)
	return r
}

// floor returns the number of the newest purge over a name at a node.
func (n *node) floor(name string) uint64 {
	return n.state.Floor(object.Key{Bucket: "b", Name: name}, nil).Applied
}
