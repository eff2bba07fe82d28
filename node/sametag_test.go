package node_test

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
	"rookery/ring"
	"rookery/store"
)

// sameTag is what S3 says of objects that it changes without saying so.
var sameTag = s3test.Meta{ETag: `"same"`, Header: http.Header{tagHeader: {"red"}}}

// S3 has other bytes under an equal ETag and size (or this cluster has wrong ones): a
// hard purge is the way out, on every disk and in every memory that has a piece. The
// object is small, in a few chunks, over several extents.
func TestBytesUnderAnEqualETagArePurgedToo(t *testing.T) {
	for scope, s := range purgedScopes {
		for _, size := range []int64{1000, 3*mib + 1, 66*mib + 7} {
			if size > 60*mib && scope != "tag" && scope != "object" {
				continue
			}
			t.Run(scope, func(t *testing.T) {
				c := newPurged(t, three)
				key, _, _ := c.split(t)
				if s.Kind == purge.Object {
					s.Name = key
				}
				c.everywhere(t, key, "1", size, sameTag)
				// Each was alone for a while: everybody's disk has everything.
				for _, name := range three {
					c.ring.Store(ring.Build([]string{name}))
					c.nodes[name].read(t, get(key), c.object(key, "1", size))
					c.settle(t)
				}
				c.members(three...)
				now := c.put(key, "2", size, sameTag)
				c.s3.Forget()
				c.purge(s)
				for _, ask := range []*object.Ask{getRange(key, size-500, size-1), get(key), head(key)} {
					for _, name := range three {
						c.nodes[name].read(t, ask, now)
						c.settle(t)
					}
				}
				c.fetchedOnce(now)
			})
		}
	}
}

// The owner of an extent does not know the object's tags: who asks it names the floor.
func TestAnExtentsOwnerIsToldTheFloor(t *testing.T) {
	c := newPurged(t, three)
	key, first, second := c.split(t)
	size := int64(66 * mib)
	c.everywhere(t, key, "1", size, sameTag)
	now := c.put(key, "2", size, sameTag)
	c.order(false, []purge.Scope{tagged("red")}, first.name(c.testCluster))
	ended := make(chan struct{})
	go func() { // second hears of it while it is asked
		defer close(ended)
		eventually(t, "the owner of the second extent is asked", func() bool { return first.peers.asked.Load() > 0 })
		c.states[second.name(c.testCluster)].Apply(c.number, &purge.Order{ID: "late", Scopes: []purge.Scope{tagged("red")}})
	}()
	first.peers.asked.Store(0)
	first.read(t, getRange(key, 64*mib, size-1), now)
	<-ended
}

// A chunk that could not be stored and is still in memory is judged like a stored
// one, and does not stand before its successor.
func TestBytesInMemoryAreJudged(t *testing.T) {
	disk := &fullFS{FS: vfs.Default}
	disk.full.Store(true)
	c := newPurged(t, []string{"alone"}, func(c *testCluster) { c.adjust = func(o *store.Options) { o.FS = disk } })
	n := c.nodes["alone"]
	old := c.put("k", "1", 3*mib, sameTag)
	n.read(t, get("k"), old)
	c.requests("k", 0, 1)
	n.read(t, getRange("k", mib, 2*mib-1), old)
	if gets := c.s3.Count("GET", bucket, "k"); gets != 1 {
		t.Fatalf("%d GETs: it is not in memory", gets)
	}
	now := c.put("k", "2", 3*mib, sameTag)
	c.purge(object1("k"))
	c.s3.Forget()
	a, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	n.read(t, getRange("k", mib, 3*mib-1), now) // ahead of the first, in memory by the time that comes there
	if err := check(a, now); err != nil {
		t.Error(err)
	}
	n.flightsEnd(t)
	n.read(t, getRange("k", mib, 2*mib-1), now)
	c.fetchedOnce(now)
}

// What is read ahead when a purge comes is for nobody who knows of it.
func TestBytesReadAheadAreJudged(t *testing.T) {
	n, s3, state := newHeld(t)
	old, now := heldObject{self("k", "1", 20*mib), `"x"`, "red"}, heldObject{self("k", "2", 20*mib), `"x"`, "red"}
	s3.put(old)
	n.read(t, getRange("k", 0, mib-1), old.Object)
	s3.hold(true)
	second := n.background(getRange("k", mib, 2*mib-1), old.Object)
	first := s3.next(t)
	third := s3.next(t) // read ahead, or the part itself
	s3.put(now)
	apply(state, false, tagged("red"))
	s3.hold(false)
	first()
	third()
	second.end(t, "the second part")
	for at := int64(2); at < 6; at++ {
		n.read(t, getRange("k", at*mib, (at+1)*mib-1), now.Object)
	}
	n.flightsEnd(t)
	for at := int64(0); at < 8; at++ {
		n.read(t, getRange("k", at*mib, (at+1)*mib-1), now.Object)
	}
}

// An owner that hears of a purge between an ask's arrival and S3's answer gives an
// info from after the purge, which the asker believes. It comes with bytes from after
// it, although the ask came before.
func TestAnInfoFromAfterThePurgeComesWithBytesFromAfterIt(t *testing.T) {
	for _, ask := range []*object.Ask{get("k"), getRange("k", 5, 900)} {
		s3, peers, nodes := newHeldS3(), make(localPeers), new(ring.Ring)
		nodes.Store(ring.Build([]string{"a", "b"}))
		owner := nodes.Load().Owners(ask.Key, 0)[0]
		asker := map[string]string{"a": "b", "b": "a"}[owner]
		states := map[string]*purge.State{"a": member(100), "b": member(100)}
		var hear atomic.Bool
		for name, state := range states {
			peers[name] = newAlone(t, s3, func(o *node.Options) {
				o.Name, o.Ring, o.Peers, o.Purges = name, nodes, peers, state
				o.Now = func() time.Time {
					if name == owner && hear.Swap(false) { // the lease is looked at: the ask has come
						apply(state, false, everything)
					}
					return time.Now()
				}
			})
		}
		s3.put(heldObject{self("k", "1", 2*mib), `"x"`, ""})
		peers[owner].read(t, get("k"), self("k", "1", 2*mib))
		peers[owner].flightsEnd(t)
		s3.put(heldObject{self("k", "2", 2*mib), `"x"`, ""})
		apply(states[asker], false, everything)
		hear.Store(true)
		peers[asker].read(t, ask, self("k", "2", 2*mib))
		if hear.Load() {
			t.Fatal("the owner never looked at its lease")
		}
	}
}

// pinnedOnly stores an object's first chunk at a node, and no info.
func (c *purgedCluster) pinnedOnly(t *testing.T, n *testNode, o pattern.Object) {
	t.Helper()
	ask := getRange(o.Key, 0, o.Size-1)
	ask.Pin = &object.Pin{Version: object.VersionOf(sameTag.ETag, o.Size), Size: o.Size, ETag: sameTag.ETag}
	a, err := n.OpenLocal(context.Background(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, o); err != nil {
		t.Fatal(err)
	}
	n.flightsEnd(t)
}

// A node that has not heard of a purge takes an info from one that has. The bytes
// that it puts beside it are its own, from before the purge: they are not taken for
// new when it hears.
func TestAnInfoFromAheadDoesNotMakeOldBytesNew(t *testing.T) {
	c := newPurged(t, four)
	c.members(four[:3]...)
	key := moved(t, "k")
	n := c.nodes[four[3]]
	c.pinnedOnly(t, n, c.put(key, "1", 1000, sameTag))
	now := c.put(key, "2", 1000, sameTag)
	c.order(false, []purge.Scope{tagged("red")}, four[:3]...)
	c.nodes[four[0]].read(t, get(key), now)
	c.settle(t)
	c.members(four...)
	a, err := n.Open(context.Background(), get(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := drain(a); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
	c.states[four[3]].Apply(c.number, &purge.Order{ID: "late", Scopes: []purge.Scope{tagged("red")}})
	n.read(t, get(key), now)
}

// The same for a copy, where the owner breaks off and this node has the rest.
func TestACopyOfAnInfoFromAheadIsNotNew(t *testing.T) {
	c := newPurged(t, three)
	owner, others := c.owner("k")
	n := others[0]
	name, theirs := n.name(c.testCluster), owner.name(c.testCluster)
	c.pinnedOnly(t, n, c.put("k", "1", 1000, sameTag))
	now := c.put("k", "2", 1000, sameTag)
	c.order(false, []purge.Scope{object1("k")}, theirs)
	owner.read(t, get("k"), now)
	c.settle(t)
	n.peers.breakOff(theirs, 10)
	a, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := drain(a); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
	c.states[name].Apply(c.number, &purge.Order{ID: "late", Scopes: []purge.Scope{object1("k")}})
	n.read(t, get("k"), now)
}

func drain(a *object.Answer) error {
	defer a.Body.Close()
	_, err := io.Copy(io.Discard, a.Body)
	return err
}

// A GET that a purge has outrun breaks off, and a former owner has the rest from
// after the purge: what is put together is as old as its oldest piece.
func TestAPieceFromAfterThePurgeDoesNotMakeTheRestNew(t *testing.T) {
	s3 := newHeldS3()
	c := newPurged(t, four, func(c *testCluster) {
		c.adjustNode = func(o *node.Options) {
			b := o.Buckets[bucket]
			b.Origin = s3
			o.Buckets[bucket] = b
		}
	})
	c.members(four[:3]...)
	key := moved(t, "k")
	former, _ := c.owner(key)
	c.members(four...)
	n := c.nodes[four[3]]
	old := heldObject{self(key, "1", 1000), sameTag.ETag, "red"}
	now := heldObject{self(key, "2", 1000), sameTag.ETag, "red"}
	s3.put(old)
	s3.cut(500)
	s3.hold(true)
	anything := self(key, "", 1000)
	before := n.background(get(key), anything)
	let := s3.next(t)
	s3.put(now)
	c.purge(object1(key))
	s3.hold(false)
	c.pinnedOnly(t, former, now.Object)
	let()
	before.end(t, "the reader before the purge")
	c.settle(t)
	s3.cut(0)
	n.read(t, get(key), now.Object)
}
