package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// neighbourhood is what a joiner sees, by hand.
type neighbourhood struct {
	joiner
	lines   lines
	down    map[string]bool
	dns     map[string][]netip.Addr
	known   []Member
	called  []string
	rounds  atomic.Int64
	nothing atomic.Bool
}

var errDown = errors.New("connection refused")

func newNeighbourhood(t *testing.T, entries ...string) *neighbourhood {
	t.Helper()
	n := &neighbourhood{down: map[string]bool{}, dns: map[string][]netip.Addr{}}
	parsed, err := parseJoin(entries)
	if err != nil {
		t.Fatal(err)
	}
	n.joiner = joiner{
		news: make(chan struct{}, 1), told: map[string]bool{},
		entries: parsed, self: "self",
		lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if ips, ok := n.dns[host]; ok {
				return ips, nil
			}
			return nil, errors.New("no such host")
		},
		isOwn:   func(a netip.AddrPort) bool { return a == mustAddrPort("10.0.0.1:7946") },
		members: func() []Member { return n.known },
		contact: func(address string) error {
			n.called = append(n.called, address)
			if n.down[address] {
				return errDown
			}
			return nil
		},
		interval: interval{alone: time.Second, company: 15 * time.Second},
		log:      slog.New(&n.lines), failures: metrics.NewSet().NewCounter("failures"),
		nobody: &n.nothing, after: func() { n.rounds.Add(1) },
	}
	return n
}

func (n *neighbourhood) expect(t *testing.T, company bool, called ...string) {
	t.Helper()
	n.called = nil
	if got := n.round(context.Background()); got != company || !slices.Equal(n.called, called) {
		t.Errorf("round: company %v, called %q; want %v, %q", got, n.called, company, called)
	}
}

func TestJoinerCallsWhoIsMissing(t *testing.T) {
	n := newNeighbourhood(t, "10.0.0.1:7946", "10.0.0.2:7946", "dns+rook:7946")
	n.dns["rook"] = []netip.Addr{
		netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.2"),
		netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("fd00::4"),
	}
	n.down["10.0.0.3:7946"] = true
	n.expect(t, true, "10.0.0.2:7946", "10.0.0.3:7946", "[fd00::4]:7946")

	n.known = []Member{
		{Name: "self", GossipAddress: "10.0.0.1:7946"},
		{Name: "b", GossipAddress: "10.0.0.2:7946", State: Ready},
		{Name: "c", GossipAddress: "10.0.0.3:7946", State: Failed},
		{Name: "d", GossipAddress: "[fd00::4]:7946", State: Draining},
		{Name: "e", GossipAddress: "10.0.0.5:7946", State: Failed},
	}
	n.expect(t, true, "10.0.0.3:7946", "10.0.0.5:7946")
	if n.nothing.Load() {
		t.Error("it thinks there is nobody to join")
	}
}

// Gossip may lose it (see joiner), so a change of this node is told directly, to
// no more nodes than it takes.
func TestJoinerTellsOfChanges(t *testing.T) {
	n := newNeighbourhood(t)
	for i := range 5 {
		address := fmt.Sprintf("10.0.0.%d:7946", 2+i)
		n.known = append(n.known, Member{Name: fmt.Sprint(i), GossipAddress: address, State: Ready})
	}
	n.known = append(n.known, Member{Name: "self", GossipAddress: "10.0.0.1:7946"})
	told := func(want int) {
		t.Helper()
		n.called = nil
		n.round(context.Background())
		slices.Sort(n.called)
		if got := len(slices.Compact(n.called)); got != want {
			t.Errorf("called %q, want %d of them", n.called, want)
		}
	}
	told(tellDirectly)
	told(0)
	clear(n.told)
	told(tellDirectly)
	told(0)

	clear(n.told)
	for _, m := range n.known[:4] {
		n.down[m.GossipAddress] = true
	}
	told(5) // four in vain
	told(4)
	clear(n.down)
	told(tellDirectly - 1)
	told(0)
}

func TestJoinerIsLoudOnlyAboutNews(t *testing.T) {
	const (
		unreached = "WARN could not reach a node to join, goes on trying"
		exchanged = "INFO exchanged members with a node"
		unknown   = "WARN could not look up a node to join, goes on trying"
	)
	n := newNeighbourhood(t, "10.0.0.2:7946", "dns+rook:7946")
	loud := func(prefix string, want int) {
		t.Helper()
		if got := n.lines.count(prefix); got != want {
			t.Errorf("%d lines %q, want %d", got, prefix, want)
		}
	}
	n.down["10.0.0.2:7946"] = true
	for range 3 {
		n.expect(t, false, "10.0.0.2:7946")
	}
	loud(unreached, 1)
	loud(unknown, 1)
	if got := n.failures.Get(); got != 6 {
		t.Errorf("%d failures counted, want 6", got)
	}
	delete(n.down, "10.0.0.2:7946")
	for range 3 {
		n.expect(t, true, "10.0.0.2:7946")
	}
	loud(exchanged, 1)
	n.down["10.0.0.2:7946"] = true
	n.expect(t, false, "10.0.0.2:7946")
	loud(unreached, 2)
}

func TestNobodyToJoin(t *testing.T) {
	n := newNeighbourhood(t, "dns+rook:7946")
	n.expect(t, false)
	if n.nothing.Load() {
		t.Error("a name that cannot be looked up may yet name somebody")
	}
	n.dns["rook"] = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	n.expect(t, false)
	if !n.nothing.Load() {
		t.Error("the name leads to this node alone, and that was not noticed")
	}
}

func TestJoinerHurriesWhileAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNeighbourhood(t, "10.0.0.2:7946")
		n.down["10.0.0.2:7946"] = true
		start := time.Now()
		n.members = func() []Member {
			if time.Since(start) < 10*time.Second {
				return nil
			}
			return []Member{{Name: "b", GossipAddress: "10.0.0.9:7946", State: Ready}}
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.run(ctx)
		}()
		time.Sleep(12 * time.Second) // of the bubble's clock
		synctest.Wait()
		alone := n.rounds.Load()
		if alone < 8 || alone > 15 {
			t.Errorf("%d rounds in 10 s alone, want about one a second", alone)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := n.rounds.Load() - alone; got < 3 || got > 6 {
			t.Errorf("%d rounds in a minute of company, want about four", got)
		}
		cancel()
		<-done
	})
}
