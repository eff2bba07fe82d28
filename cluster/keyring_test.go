package cluster

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/hashicorp/memberlist"
	"pgregory.net/rapid"
)

func gossipKey(letter byte) []byte { return bytes.Repeat([]byte{letter}, 32) }

func keysOf(letters string) (keys [][]byte) {
	for i := range len(letters) {
		keys = append(keys, gossipKey(letters[i]))
	}
	return keys
}

// TestKeysRotate goes through three keys as the documents say, one node after the other,
// while gossip flows: nobody is taken for failed, and no ring changes.
func TestKeysRotate(t *testing.T) {
	w := newTown(t)
	quick := func(o *Options) {
		o.GossipKey = gossipKey('a')
		o.tune = func(c *memberlist.Config) {
			impatient(c)
			c.PushPullInterval = 50 * time.Millisecond
		}
	}
	nodes := w.ready(quick, "rook-0", "rook-1", "rook-2")
	before := make([]uint64, len(nodes))
	for i, n := range nodes {
		before[i] = n.counters.ringChanges.Get()
	}
	council := byte(0)
	for _, step := range []string{"ab", "ba", "b", "bc", "cb", "c"} {
		for _, n := range nodes {
			if err := n.SetKeys(keysOf(step)); err != nil {
				t.Fatal(err)
			}
			// News travel between a node with the new keys and those without.
			council++
			if err := n.SetCouncil([16]byte{council}, [16]byte{}); err != nil {
				t.Fatal(err)
			}
			for _, other := range nodes {
				w.await("news of "+n.Self().Name+" at keys "+step, func() bool { return other.sees(n.Self().Name).Council[0] == council })
			}
		}
	}
	for i, n := range nodes {
		if got := n.counters.ringChanges.Get(); got != before[i] {
			t.Errorf("%s: the ring changed %d times", n.Self().Name, got-before[i])
		}
		if lost := n.lines.count("WARN cluster member is failed"); lost != 0 {
			t.Errorf("%s took others for failed %d times", n.Self().Name, lost)
		}
		for _, kind := range n.opts.strangers.kinds {
			if kind.Get() != 0 {
				t.Errorf("%s refused gossip of its own", n.Self().Name)
			}
		}
	}
	late := w.start("rook-3", []string{nodes[0].Self().GossipAddress}, func(o *Options) { o.GossipKey = gossipKey('a') })
	w.await("an old key opens nothing", func() bool { return late.counters.joinFailures.Get() >= 2 })
	if len(nodes[0].Members()) != 3 {
		t.Error("who has an old key has joined")
	}
}

func TestBadKeysChangeNothing(t *testing.T) {
	w := newTown(t)
	a := w.start("rook-0", nil, nil)
	for name, keys := range map[string][][]byte{"none": nil, "a short one": {testKey, testKey[:5]}, "an empty one": {{}}} {
		if err := a.SetKeys(keys); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := a.keys.GetKeys(); len(got) != 1 || !bytes.Equal(got[0], testKey) {
			t.Errorf("%s: the keys are %q", name, got)
		}
	}
	alone := w.start("only", nil, func(o *Options) { o.GossipKey = nil })
	if err := alone.SetKeys(keysOf("a")); !errors.Is(err, ErrUnencrypted) {
		t.Errorf("a node alone: %v", err)
	}
}

// TestKeysAreThoseOfTheList, whatever they were, and while others read them.
func TestKeysAreThoseOfTheList(t *testing.T) {
	w := newTown(t)
	a := w.start("rook-0", nil, func(o *Options) { o.GossipKey = gossipKey('a') })
	over := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				for _, key := range a.keys.GetKeys() {
					if len(key) != 32 {
						t.Errorf("a key of %d bytes", len(key))
					}
				}
			}
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		letters := rapid.SliceOfNDistinct(rapid.ByteRange('a', 'f'), 1, 5, rapid.ID[byte]).Draw(rt, "keys")
		want := keysOf(string(letters))
		if err := a.SetKeys(want); err != nil {
			rt.Fatal(err)
		}
		got := a.keys.GetKeys()
		if !bytes.Equal(got[0], want[0]) {
			rt.Errorf("%q is in use, want %q", got[0][:1], want[0][:1])
		}
		if got, want = slices.SortedFunc(slices.Values(got), bytes.Compare), slices.SortedFunc(slices.Values(want), bytes.Compare); !slices.EqualFunc(got, want, bytes.Equal) {
			rt.Errorf("keys %q, want %q", got, want)
		}
	})
	close(over)
	reader.Wait()
}

func TestLabelsNeverMerge(t *testing.T) {
	w := newTown(t)
	prod := func(o *Options) { o.Label = "prod" }
	nodes := w.ready(prod, "rook-0", "rook-1")
	for label, name := range map[string]string{"test": "rook-2", "": "rook-3"} {
		other := w.start(name, []string{nodes[0].Self().GossipAddress}, func(o *Options) { o.Label = label })
		w.set(other, Ready)
		w.await("attempts to join", func() bool { return other.counters.joinFailures.Get() >= 2 })
		if other.Joined() || len(other.Members()) != 1 {
			t.Errorf("label %q joined prod", label)
		}
	}
	// Neither do the others join these, nor is what they say believed.
	if len(nodes[0].Members()) != 2 {
		t.Errorf("members %+v", nodes[0].Members())
	}
	if n := nodes[0].lines.count("WARN gossip refused: it has another cluster.label"); n != 1 {
		t.Errorf("the log tells of the other label %d times, want once", n)
	}
	if nodes[0].opts.strangers.kinds[0].Get() < 2 {
		t.Error("not each refusal is counted")
	}
}

// TestStrangersAtTheGossipPort: garbage, silence and foreign keys join nothing and stop
// nobody.
func TestStrangersAtTheGossipPort(t *testing.T) {
	w := newTown(t)
	nodes := w.ready(nil, "rook-0", "rook-1")
	address := nodes[0].Self().GossipAddress
	for range 300 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // all stay open, and say nothing
	}
	udp, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, packet := range []string{"", "x", "\x00\x01\x02\x03", "\x01" + strings.Repeat("a", 60), "\xf4\x04prod" + strings.Repeat("a", 60), strings.Repeat("\xff", 1400)} {
		if _, err := udp.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, packet); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
	late := w.start("rook-2", []string{address}, nil)
	w.set(late, Ready)
	for _, n := range append(nodes, late) {
		w.awaitRing(n, "rook-0", "rook-1", "rook-2")
	}
}

func TestStrangersAreToldOnceAMinute(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var l lines
	o := &Options{Now: func() time.Time { return now }, Log: slog.New(&l), Metrics: metrics.NewSet()}
	to := gossipLog(o.Log, newStrangers(o))
	say := func() {
		for range 10 {
			to.Print("[ERR] memberlist: Decrypt packet failed: no installed keys could decrypt the message from=10.0.0.9:1")
		}
	}
	say()
	now = now.Add(strangerPause - 1)
	say()
	if n := l.count("WARN"); n != 1 {
		t.Errorf("told %d times within a minute", n)
	}
	now = now.Add(1)
	say()
	if n := l.count("WARN gossip refused: none of this node's gossip keys opens it"); n != 2 {
		t.Errorf("told %d times, want 2", n)
	}
	if n := o.Metrics.GetOrCreateCounter(`rookery_gossip_refused_total{reason="key"}`).Get(); n != 30 {
		t.Errorf("%d counted", n)
	}
}
