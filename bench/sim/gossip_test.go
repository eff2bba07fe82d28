package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rookery/cluster"
	"rookery/ring"
)

// town is many nodes of which a few are ready: what is measured is how news gets
// round, and a ring of few members costs nothing to build.
type town struct {
	t     *testing.T
	net   *network
	nodes []*citizen
}

type citizen struct {
	*cluster.Cluster
	name string
	port *port
	ring ring.Ring
}

func (w *town) start(i int) {
	c := &citizen{name: fmt.Sprintf("rook-%d", i), port: w.net.open(i)}
	o := cluster.Options{
		Name: c.name, GossipKey: []byte("0123456789abcdef"), PeerAddress: fmt.Sprintf("%s:7947", c.port.ip),
		PeerProtocol: 1, Ring: &c.ring, Profile: cluster.LAN, Transport: c.port,
	}
	if i > 0 {
		o.Join = []string{w.nodes[0].port.String()}
	}
	var err error
	if c.Cluster, err = cluster.Start(context.Background(), o); err != nil {
		w.t.Fatal(err)
	}
	w.nodes = append(w.nodes, c)
}

func (w *town) ready(i int) {
	if err := w.nodes[i].SetState(cluster.Ready); err != nil {
		w.t.Fatal(err)
	}
}

// times is when the first node had the news, when half had it, and when all had.
type times struct{ first, half, all time.Duration }

func (t times) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	return fmt.Sprintf("first %v, half %v, all %v", round(t.first), round(t.half), round(t.all))
}

// await looks again and again, by the clock that does not wait, until knows holds
// of every node.
func (w *town) await(what string, every time.Duration, knows func(*citizen) bool) times {
	w.t.Helper()
	var got times
	start := time.Now()
	for left := slices.Clone(w.nodes); len(left) > 0; {
		time.Sleep(every)
		passed := time.Since(start)
		if passed > 10*time.Minute {
			w.t.Fatalf("%s: %d of %d nodes never learned of it", what, len(left), len(w.nodes))
		}
		left = slices.DeleteFunc(left, knows)
		if got.first == 0 && len(left) < len(w.nodes) {
			got.first = passed
		}
		if got.half == 0 && 2*len(left) <= len(w.nodes) {
			got.half = passed
		}
		got.all = passed
	}
	return got
}

func (w *town) awaitRing(what string, members ...string) times {
	w.t.Helper()
	slices.Sort(members)
	digest := ring.Build(members).Digest()
	return w.await(what, 10*time.Millisecond, func(c *citizen) bool { return c.ring.Load().Digest() == digest })
}

// gone takes a node out of those that are watched.
func (w *town) gone(i int) *citizen {
	c := w.nodes[i]
	w.nodes = slices.Delete(slices.Clone(w.nodes), i, i+1)
	return c
}

func (w *town) close(all []*citizen) {
	var closing sync.WaitGroup
	for _, c := range all {
		closing.Go(func() {
			if err := c.Close(); err != nil {
				w.t.Error(err)
			}
		})
	}
	closing.Wait()
	time.Sleep(time.Minute) // memberlist's last probes end by themselves
}

// How long it takes until every node has the ring of a node that became ready, of
// one that leaves, and of one that was killed.
func TestAgreementAtScale(t *testing.T) {
	for _, n := range sizes(t) {
		began := time.Now()
		synctest.Test(t, func(t *testing.T) { agree(t, n) })
		t.Logf("%4d nodes: simulated in %v", n, time.Since(began).Round(time.Millisecond))
	}
}

func agree(t *testing.T, n int) {
	w := &town{t: t, net: &network{ports: make(map[string]*port)}}
	for i := range n {
		w.start(i)
	}
	all := slices.Clone(w.nodes)
	defer w.close(all)
	t.Logf("%4d nodes start at once; all know all: %v", n, w.await("the members", 250*time.Millisecond, func(c *citizen) bool { return len(c.Members()) == n }))
	for i := range 3 {
		w.ready(i)
	}
	t.Logf("%4d nodes, still full of that news, 3 become ready: %v", n, w.awaitRing("the first ring", "rook-0", "rook-1", "rook-2"))
	time.Sleep(time.Minute)

	const rest = 30 * time.Second
	packets, bytes := w.net.sent()
	time.Sleep(rest)
	laterPackets, laterBytes := w.net.sent()
	each := rest.Seconds() * float64(n)
	t.Logf("%4d nodes at rest: %.1f packets and %.0f bytes a second and node", n, float64(laterPackets-packets)/each, float64(laterBytes-bytes)/each)

	last := w.nodes[n-1].name
	w.ready(n - 1)
	t.Logf("%4d nodes, one becomes ready: %v", n, w.awaitRing("a node that is ready", "rook-0", "rook-1", "rook-2", last))

	leaver := w.gone(1)
	left := make(chan error, 1)
	go func() { left <- leaver.Leave(context.Background()) }()
	t.Logf("%4d nodes, one leaves: %v", n, w.awaitRing("a node that leaves", "rook-0", "rook-2", last))
	if err := <-left; err != nil {
		t.Error(err)
	}

	killed := w.gone(1)
	if err := killed.port.Shutdown(); err != nil {
		t.Error(err)
	}
	t.Logf("%4d nodes, one is killed: %v", n, w.awaitRing("a node that is killed", "rook-0", last))
}
