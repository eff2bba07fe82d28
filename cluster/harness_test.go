package cluster

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/hashicorp/memberlist"
	"go.uber.org/goleak"

	"rookery/ring"
)

// memberlist's probes end by themselves within a probe's time after its
// Shutdown, and cannot be waited for.
var memberlistsOwn = goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, memberlistsOwn) }

var testKey = []byte("0123456789abcdef")

// patience bounds every wait; nothing waits that long unless it is broken.
const patience = 30 * time.Second

// town is several nodes on loopback sockets, and one bell that rings whenever
// any of them changes its mind or logs something.
type town struct {
	t    *testing.T
	bell chan struct{}
}

func newTown(t *testing.T) *town { return &town{t: t, bell: make(chan struct{}, 1)} }

func (w *town) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// await waits until the condition holds, looking each time the bell rings.
func (w *town) await(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-w.bell:
		case <-deadline.C:
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// resident is one node of a town.
type resident struct {
	*Cluster
	ring    *ring.Ring
	lines   *lines
	metrics *metrics.Set
}

// start starts a node; set may change its options. It is closed with the test.
func (w *town) start(name string, join []string, set func(*Options)) *resident {
	w.t.Helper()
	r := &resident{ring: &ring.Ring{}, lines: &lines{bell: w.ring}, metrics: metrics.NewSet()}
	o := Options{
		Name: name, Zone: "z1", Version: "test", GossipKey: testKey, Bind: "127.0.0.1:0",
		PeerAddress: "127.0.0.1:7947", Join: join, PeerProtocol: 2, PeerProtocolMin: 1,
		Ring: r.ring, OnChange: func([]Member) { w.ring() }, Profile: Loopback,
		Log: slog.New(r.lines), Metrics: r.metrics,
	}
	if set != nil {
		set(&o)
	}
	c, err := Start(context.Background(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Cluster = c
	w.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.t.Errorf("close %s: %v", name, err)
		}
	})
	return r
}

// ready starts nodes of the given names that join the first, and makes all of
// them ready.
func (w *town) ready(set func(*Options), names ...string) []*resident {
	w.t.Helper()
	var all []*resident
	for _, name := range names {
		var join []string
		if len(all) > 0 {
			join = []string{all[0].Self().GossipAddress}
		}
		r := w.start(name, join, set)
		w.set(r, Ready)
		all = append(all, r)
	}
	for _, r := range all {
		w.awaitRing(r, names...)
	}
	return all
}

func (w *town) set(r *resident, s State) {
	w.t.Helper()
	if err := r.SetState(s); err != nil {
		w.t.Fatalf("%s becomes %s: %v", r.Self().Name, s, err)
	}
}

func (w *town) awaitRing(r *resident, members ...string) {
	w.t.Helper()
	w.await(r.Self().Name+" has the ring "+strings.Join(members, " "), func() bool {
		return slices.Equal(r.ring.Load().Members(), members)
	})
}

// sees returns what r knows of the named member; its Name is "" if nothing.
func (r *resident) sees(name string) Member {
	for _, m := range r.Members() {
		if m.Name == name {
			return m
		}
	}
	return Member{}
}

func (w *town) awaitState(r *resident, name string, s State) {
	w.t.Helper()
	w.await(r.Self().Name+" sees "+name+" "+s.String(), func() bool {
		m := r.sees(name)
		return m.Name == name && m.State == s
	})
}

// impatient makes failure detection quick, for tests that wait for it.
func impatient(c *memberlist.Config) {
	c.ProbeInterval = 200 * time.Millisecond
	c.ProbeTimeout = 100 * time.Millisecond
	c.SuspicionMult = 3
	c.AwarenessMaxMultiplier = 1
	c.GossipInterval = 20 * time.Millisecond
}

// lines is a slog.Handler that keeps what is logged.
type lines struct {
	mu   sync.Mutex
	kept []string
	bell func()
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	l.kept = append(l.kept, line)
	l.mu.Unlock()
	if l.bell != nil {
		l.bell()
	}
	return nil
}

// count returns how many lines have the prefix.
func (l *lines) count(prefix string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.kept {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// quietLog is memberlist's, which nobody reads.
func quietLog() *log.Logger { return loudLog(slog.New(slog.DiscardHandler)) }

func loudLog(to *slog.Logger) *log.Logger {
	return gossipLog(to, newStrangers(&Options{Now: time.Now, Log: to, Metrics: metrics.NewSet()}))
}

// frontier is where a test cuts the network: nodes on one side reach nobody on
// the other.
type frontier struct {
	mu  sync.Mutex
	far map[string]bool // addresses beyond the cut
}

var errCut = errors.New("no route: the test has cut the network")

func (f *frontier) cut(addresses ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.far = map[string]bool{}
	for _, a := range addresses {
		f.far[a] = true
	}
}

func (f *frontier) between(a, b string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.far[a] != f.far[b]
}

// border is a node's sockets behind a frontier.
type border struct {
	*memberlist.NetTransport
	at       string
	frontier *frontier
}

// transport opens sockets of one node behind the frontier.
func (f *frontier) transport(t *testing.T) *border {
	t.Helper()
	s, err := listen(context.Background(), mustAddrPort("127.0.0.1:0"), quietLog())
	if err != nil {
		t.Fatal(err)
	}
	at := mustAddrPort("127.0.0.1:0").Addr()
	return &border{NetTransport: s.NetTransport, at: endpoint{at.String(), uint16(s.GetAutoBindPort())}.String(), frontier: f}
}

func (b *border) WriteToAddress(p []byte, a memberlist.Address) (time.Time, error) {
	if b.frontier.between(b.at, a.Addr) {
		return time.Now(), nil
	}
	return b.NetTransport.WriteToAddress(p, a)
}

func (b *border) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if b.frontier.between(b.at, a.Addr) {
		return nil, errCut
	}
	return b.NetTransport.DialAddressTimeout(a, timeout)
}
