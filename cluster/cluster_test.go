package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"rookery/object"
	"rookery/ring"
)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestThreeNodesAgree(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1", "rook-2")
	for _, n := range nodes {
		if !n.Joined() {
			t.Errorf("%s has not joined", n.Self().Name)
		}
		for i := range 100 {
			key := object.Key{Bucket: "b", Name: fmt.Sprint(i)}
			if got, want := n.ring.Load().Owners(key, 0), nodes[0].ring.Load().Owners(key, 0); !slices.Equal(got, want) {
				t.Fatalf("owners of %v: %q at %s, %q at rook-0", key, got, n.Self().Name, want)
			}
		}
	}
	got := nodes[0].sees("rook-2")
	want := nodes[2].Self()
	if got.Since.IsZero() {
		t.Error("Since is not set")
	}
	if !got.sameButSince(want) {
		t.Errorf("rook-0 sees %+v, rook-2 says %+v", got, want)
	}
}

// slowDoor holds back what comes in over connections that its node has dialled.
type slowDoor struct {
	*border
	knocked func() // called when the node begins to read, having said what it had to say
	open    chan struct{}
}

type slowConn struct {
	net.Conn
	door *slowDoor
}

func (d *slowDoor) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	c, err := d.border.DialAddressTimeout(a, timeout)
	return &slowConn{c, d}, err
}

func (c *slowConn) Read(p []byte) (int, error) {
	c.door.knocked()
	<-c.door.open
	return c.Conn.Read(p)
}

// A node that becomes ready between what it says and what it hears when it joins
// has its news replaced in memberlist's queue (see joiner): the queue's only
// entry takes the place of an older one under a number that is then given again,
// to what was heard. No exchange of memberlist's own mends it in this test.
func TestReadyWhileJoiningIsNotLost(t *testing.T) {
	w := newTown(t)
	quiet := func(c *memberlist.Config) { c.PushPullInterval, c.ProbeInterval = time.Hour, time.Hour }
	nodes := w.ready(func(o *Options) { o.tune = quiet }, "rook-0", "rook-1")
	knocks := make(chan struct{}, 1)
	door := &slowDoor{border: new(frontier).transport(t), open: make(chan struct{})}
	door.knocked = func() {
		select {
		case knocks <- struct{}{}:
		default:
		}
	}
	late := w.start("rook-2", []string{nodes[0].Self().GossipAddress}, func(o *Options) { o.Transport, o.tune = door, quiet })
	<-knocks
	w.set(late, Ready)
	close(door.open)
	for _, n := range append(nodes, late) {
		w.awaitRing(n, "rook-0", "rook-1", "rook-2")
	}
}

func TestOnlyReadyNodesOwn(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	late := w.start("rook-2", []string{nodes[0].Self().GossipAddress}, nil)
	w.awaitState(nodes[1], "rook-2", Joining)
	w.awaitRing(nodes[1], "rook-0", "rook-1")
	w.awaitRing(late, "rook-0", "rook-1")

	w.set(late, Ready)
	w.awaitRing(nodes[1], "rook-0", "rook-1", "rook-2")

	w.set(late, Draining)
	if slices.Contains(late.ring.Load().Members(), "rook-2") {
		t.Error("SetState(Draining) returned before the node's own ring had it")
	}
	w.awaitState(nodes[0], "rook-2", Draining)
	w.awaitRing(nodes[0], "rook-0", "rook-1")
	if err := late.SetState(Ready); err == nil {
		t.Error("a draining node became ready again")
	}
	if err := late.SetState(Failed); err == nil {
		t.Error("a node declared itself failed")
	}
}

func TestKilledNodeLeavesTheRing(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(func(o *Options) { o.tune = impatient }, "rook-0", "rook-1", "rook-2")
	if err := nodes[1].Close(); err != nil { // no Leave: as if killed
		t.Fatal(err)
	}
	for _, n := range []*resident{nodes[0], nodes[2]} {
		w.awaitState(n, "rook-1", Failed)
		w.awaitRing(n, "rook-0", "rook-2")
	}
	if err := nodes[1].SetState(Draining); !errors.Is(err, ErrClosed) {
		t.Errorf("SetState after Close: %v", err)
	}
	if err := nodes[1].Leave(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Leave after Close: %v", err)
	}
}

func TestLeavingNodeIsNotTakenForFailed(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := nodes[1].Leave(ctx); err != nil {
		t.Fatal(err)
	}
	if err := nodes[1].Close(); err != nil {
		t.Fatal(err)
	}
	w.await("rook-1 is gone", func() bool { return nodes[0].sees("rook-1").Name == "" })
	w.awaitRing(nodes[0], "rook-0")
	if n := nodes[0].lines.count("WARN cluster member is failed"); n != 0 {
		t.Error("the node that left was called failed on the way")
	}
}

func TestLeaveWaitsNoLongerThanItsContext(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := nodes[1].Leave(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Leave: %v", err)
	}
	if err := nodes[1].Close(); err != nil {
		t.Fatal(err)
	}
	w.await("rook-1 is gone all the same", func() bool { return nodes[0].sees("rook-1").Name == "" })
}

func TestUnfitNodesStayOutOfTheRing(t *testing.T) {
	w := newTown(t)
	a := w.ready(nil, "rook-0")[0]
	for _, c := range []struct {
		name   string
		set    func(*Options)
		reason string
	}{
		{"fingerprint", func(o *Options) { o.Fingerprint = "ring0" }, `its ring fingerprint is "ring0"`},
		{"protocol", func(o *Options) { o.PeerProtocol, o.PeerProtocolMin = 4, 3 }, "it speaks the peer protocols 3 to 4, this node 1 to 2"},
	} {
		b := w.start(c.name, []string{a.Self().GossipAddress}, c.set)
		w.set(b, Ready)
		w.awaitState(a, c.name, Ready)
		w.awaitRing(a, "rook-0")
		w.awaitState(b, "rook-0", Ready)
		w.awaitRing(b, c.name)
		if got := a.sees(c.name).Unfit; !strings.HasPrefix(got, c.reason) {
			t.Errorf("%s is unfit because %q", c.name, got)
		}
		if n := a.lines.count("WARN cluster member does not fit, no reads to or from it member=" + c.name); n != 1 {
			t.Errorf("%s: the reason was logged %d times", c.name, n)
		}
	}
	// One version apart is what a rolling upgrade looks like.
	w.set(w.start("rook-1", []string{a.Self().GossipAddress}, func(o *Options) { o.PeerProtocol, o.PeerProtocolMin = 3, 2 }), Ready)
	w.awaitRing(a, "rook-0", "rook-1")
}

// foreign is a program with the right key that says of itself what it likes.
type foreign struct {
	voice
	says []byte
}

func (f foreign) NodeMeta(int) []byte { return f.says }

func TestMalformedMetadataIsListedAndUnfit(t *testing.T) {
	w := newTown(t)
	a := w.ready(nil, "rook-0")[0]
	config := memberlist.DefaultLocalConfig()
	config.Name, config.BindAddr, config.BindPort, config.AdvertisePort = "stranger", "127.0.0.1", 0, 0
	config.SecretKey, config.Delegate = testKey, foreign{says: []byte{metaFormat, byte(Ready), 0xff}}
	config.Logger = quietLog()
	stranger, err := memberlist.Create(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Shutdown() })
	if _, err := stranger.Join([]string{a.Self().GossipAddress}); err != nil {
		t.Fatal(err)
	}
	w.await("rook-0 lists the stranger", func() bool { return a.sees("stranger").Name != "" })
	if m := a.sees("stranger"); m.Unfit != errMeta.Error() || m.State != Joining {
		t.Errorf("the stranger is listed as %+v", m)
	}
	w.awaitRing(a, "rook-0")
}

func TestWrongKeyNeverJoins(t *testing.T) {
	w := newTown(t)
	a := w.ready(nil, "rook-0")[0]
	b := w.start("rook-1", []string{a.Self().GossipAddress}, func(o *Options) { o.GossipKey = bytes.Repeat([]byte{7}, 32) })
	w.set(b, Ready)
	w.await("three attempts to join", func() bool { return b.counters.joinFailures.Get() >= 3 })
	if n := b.lines.count("WARN could not reach a node to join"); n != 1 {
		t.Errorf("the failure was logged loudly %d times", n)
	}
	if len(a.Members()) != 1 || len(b.Members()) != 1 || b.Joined() {
		t.Errorf("they met: %+v and %+v", a.Members(), b.Members())
	}
	w.awaitRing(b, "rook-1")
}

// memberlist gives a dead node up for good soon; only joining again can heal.
func TestPartitionHeals(t *testing.T) {
	w := newTown(t)
	var f frontier
	behind := func(o *Options) {
		o.Transport = f.transport(t)
		o.tune = func(c *memberlist.Config) {
			impatient(c)
			c.GossipToTheDeadTime = time.Nanosecond
			c.PushPullInterval = time.Hour
		}
	}
	nodes := w.ready(behind, "rook-0", "rook-1", "rook-2")
	f.cut(nodes[2].Self().GossipAddress)
	w.awaitRing(nodes[0], "rook-0", "rook-1")
	w.awaitRing(nodes[1], "rook-0", "rook-1")
	w.awaitRing(nodes[2], "rook-2")
	failures := nodes[2].counters.joinFailures.Get()
	w.await("rook-2 has tried again in vain", func() bool { return nodes[2].counters.joinFailures.Get() > failures+1 })
	f.cut()
	for _, n := range nodes {
		w.awaitRing(n, "rook-0", "rook-1", "rook-2")
	}
}

func TestCrashedNodeComesBackAtAnotherAddress(t *testing.T) {
	w := newTown(t)
	quick := func(o *Options) {
		o.tune = func(c *memberlist.Config) {
			impatient(c)
			c.DeadNodeReclaimTime = time.Nanosecond
		}
	}
	nodes := w.ready(quick, "rook-0", "rook-1")
	if err := nodes[1].Close(); err != nil {
		t.Fatal(err)
	}
	w.awaitState(nodes[0], "rook-1", Failed)
	again := w.start("rook-1", []string{nodes[0].Self().GossipAddress}, quick)
	w.set(again, Ready)
	w.awaitRing(nodes[0], "rook-0", "rook-1")
	if got, want := nodes[0].sees("rook-1").GossipAddress, again.Self().GossipAddress; got != want {
		t.Errorf("rook-1 is seen at %s, it is at %s", got, want)
	}
}

func TestTwoNodesOfOneNameAreReported(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	twin := w.start("rook-1", []string{nodes[0].Self().GossipAddress}, nil)
	for _, n := range []*resident{nodes[0], twin} {
		w.await("both the node that is joined and the twin report it", func() bool {
			return n.lines.count("ERROR two nodes have the same name") == 1 && n.counters.conflicts.Get() == 1
		})
	}
	if got, want := nodes[0].sees("rook-1").GossipAddress, nodes[1].Self().GossipAddress; got != want {
		t.Errorf("rook-1 is taken to be at %s, the first to come is at %s", got, want)
	}
}

func TestNodeAlone(t *testing.T) {
	w := newTown(t)
	a := w.start("only", nil, func(o *Options) { o.GossipKey, o.Bind = nil, "" })
	if !a.Joined() {
		t.Error("there is nobody to join")
	}
	w.set(a, Ready)
	if got := a.ring.Load().Members(); !slices.Equal(got, []string{"only"}) {
		t.Errorf("the ring after SetState(Ready): %q", got)
	}
	if m := a.Self(); m.GossipAddress != "" || m.PeerAddress != "127.0.0.1:7947" {
		t.Errorf("it says %+v", m)
	}
	if err := a.Leave(context.Background()); err != nil {
		t.Error(err)
	}
	if len(a.ring.Load().Members()) != 0 {
		t.Error("it owns something after Leave")
	}
}

func TestCouncilTravels(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	id, disk := [16]byte{1, 2, 3, 15: 16}, [16]byte{4}
	if err := nodes[1].SetCouncil(id, disk); err != nil {
		t.Fatal(err)
	}
	w.await("rook-0 knows rook-1's council", func() bool { m := nodes[0].sees("rook-1"); return m.Council == id && m.Disk == disk })
}

func TestPortInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, err = Start(context.Background(), Options{Name: "rook-0", GossipKey: testKey, Bind: address, Ring: &ring.Ring{}})
	if err == nil || !strings.Contains(err.Error(), "listen for gossip on "+address) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the error does not name %s: %v", address, err)
	}
}

func TestMetrics(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	w.start("rook-2", []string{nodes[0].Self().GossipAddress}, func(o *Options) { o.Fingerprint = "ring0" })
	w.awaitState(nodes[0], "rook-2", Joining)
	var page bytes.Buffer
	nodes[0].metrics.WritePrometheus(&page)
	for _, line := range []string{
		`rookery_cluster_members{state="ready"} 2`,
		`rookery_cluster_members{state="joining"} 1`,
		`rookery_cluster_members{state="failed"} 0`,
		`rookery_cluster_unfit_members 1`,
		`rookery_ring_members 2`,
		`rookery_ring_changes_total 2`,
		`rookery_ring_info{fingerprint="` + ring.Fingerprint() + `"} 1`,
		fmt.Sprintf("rookery_ring_digest %d", uint32(ring.Build([]string{"rook-0", "rook-1"}).Digest())),
	} {
		if !strings.Contains(page.String(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, page.String())
		}
	}
}
