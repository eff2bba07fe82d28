package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/ring"
)

// members puts another set of nodes into the ring; the nodes all run already.
func (c *testCluster) members(names ...string) { c.ring.Store(ring.Build(names)) }

// four are three nodes and one that joins them later.
var four = []string{"n0", "n1", "n2", "n3"}

// moved returns a key that joining moves to the last of the four, beginning with
// prefix.
func moved(t *testing.T, prefix string) string {
	t.Helper()
	after := ring.Build(four)
	for i := range 1000 {
		key := fmt.Sprintf("%s%d", prefix, i)
		if after.Owners(object.Key{Bucket: bucket, Name: key}, 0)[0] == four[3] {
			return key
		}
	}
	t.Fatal("the ring gives the new node nothing")
	return ""
}

// A node that joins takes what moves to it from who had it: no byte of it comes
// from S3 again, and what it took it holds.
func TestANewOwnerTakesOverWhatTheOldOneHolds(t *testing.T) {
	for name, size := range map[string]int64{"empty": 0, "small": 1000, "hot and cold": 300 << 10, "chunks": 3*mib + 5, "extents": 130 * mib} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, four)
			c.members(four[:3]...)
			o := c.put(moved(t, "k"), "1", size, s3test.Meta{})
			c.nodes[four[0]].read(t, get(o.Key), o)
			c.settle(t)
			c.s3.Forget()
			c.members(four...)
			for range 2 {
				a := c.nodes[four[3]].read(t, get(o.Key), o)
				if a.Outcome != object.Hit {
					t.Errorf("%v from %v, want a hit", a.Outcome, a.Source)
				}
				c.settle(t)
			}
			for _, r := range c.s3.Requests() {
				t.Errorf("S3 was asked: %v", r)
			}
			for _, old := range four[:3] { // gone: what is left is the new node's own
				c.nodes[four[3]].peers.breakOff(old, 0)
			}
			if size <= object.ExtentBytes {
				c.nodes[four[3]].read(t, get(o.Key), o)
			}
			if got := c.s3.Count("", "", ""); got != 0 {
				t.Errorf("S3 was asked %d times for what was taken over", got)
			}
		})
	}
}

// A node that leaves is asked for what it holds as long as it is there.
func TestANodeThatLeavesIsAskedForWhatItHolds(t *testing.T) {
	c := newCluster(t, four)
	o := c.put(moved(t, "k"), "1", 3*mib, s3test.Meta{})
	c.nodes[four[3]].read(t, get(o.Key), o)
	c.settle(t)
	c.s3.Forget()
	c.members(four[:3]...)
	for _, name := range four[:3] {
		c.nodes[name].read(t, get(o.Key), o)
		c.settle(t)
	}
	for _, r := range c.s3.Requests() {
		t.Errorf("S3 was asked: %v", r)
	}
}

// However many readers want it, what moved is asked of the former owner once, and
// what that lacks of S3 once.
func TestManyReadersOfWhatMoved(t *testing.T) {
	c := newCluster(t, four)
	c.members(four[:3]...)
	o := c.put(moved(t, "k"), "1", 16*mib, s3test.Meta{})
	c.nodes[four[0]].read(t, getRange(o.Key, 0, 6*mib-1), o)
	c.settle(t)
	c.s3.Forget()
	c.members(four...)
	var readers sync.WaitGroup
	for i := range 40 {
		readers.Go(func() {
			a, err := c.nodes[four[i%4]].Open(context.Background(), get(o.Key))
			if err == nil {
				err = check(a, o)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	fetches := c.s3.Fetches(bucket, o.Key)
	for chunk, times := range fetches {
		if chunk < 6 && times != 0 || chunk >= 6 && times != 1 {
			t.Errorf("chunk %d was fetched %d times", chunk, times)
		}
	}
	c.requests(o.Key, 0, 1)
}

// What is handed over is as old as it is: a stale info is confirmed by S3, with one
// conditional GET and no body.
func TestAStaleInfoThatIsHandedOverIsConfirmed(t *testing.T) {
	c := newCluster(t, four)
	c.members(four[:3]...)
	key := moved(t, "k")
	o := c.put(key, "1", 2*mib, s3test.Meta{})
	c.nodes[four[0]].read(t, get(key), o)
	c.settle(t)
	c.s3.Forget()
	c.clock.pass(2 * time.Hour)
	c.members(four...)
	if a := c.nodes[four[3]].read(t, get(key), o); a.Outcome != object.Revalidated {
		t.Errorf("%v, want a revalidated answer", a.Outcome)
	}
	c.requests(key, 0, 1)

	// Another version by now: nothing of the old one is taken over.
	other := moved(t, "other")
	old := c.put(other, "1", 2*mib, s3test.Meta{})
	c.members(four[:3]...)
	c.nodes[four[0]].read(t, get(other), old)
	c.settle(t)
	c.clock.pass(2 * time.Hour)
	c.members(four...)
	changed := c.put(other, "2", 2*mib, s3test.Meta{})
	c.nodes[four[3]].read(t, get(other), changed)
}

// Once S3 has told a node of another version, no former owner's older one comes
// back, although it is fresh there.
func TestAnOldVersionIsNotHandedOverAgain(t *testing.T) {
	c := newCluster(t, four)
	c.members(four[:3]...)
	key := moved(t, "k")
	old := c.put(key, "1", 3*mib, s3test.Meta{})
	c.nodes[four[0]].read(t, getRange(key, 0, mib-1), old)
	c.settle(t)
	c.members(four...)
	c.put(key, "2", 3*mib, s3test.Meta{})
	n := c.nodes[four[3]]
	a, err := n.Open(context.Background(), getRange(key, 2*mib, 3*mib-1))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, pattern.Object{Bucket: bucket, Key: key, Version: "2", Size: 3 * mib}); err != nil {
		t.Errorf("the old version was gone, and yet: %v", err)
	}
}

// A former owner that breaks off, or is not there, costs the reader nothing but S3.
func TestAFormerOwnerThatFails(t *testing.T) {
	for _, after := range []int64{0, 1, mib + 777} {
		c := newCluster(t, four)
		c.members(four[:3]...)
		o := c.put(moved(t, "k"), "1", 3*mib, s3test.Meta{})
		c.nodes[four[0]].read(t, get(o.Key), o)
		c.settle(t)
		c.members(four...)
		for _, old := range four[:3] {
			c.nodes[four[3]].peers.breakOff(old, after)
		}
		c.nodes[four[3]].read(t, get(o.Key), o)
	}
}

// A change of long ago costs nothing: nobody is asked but S3.
func TestAfterADayNobodyIsAsked(t *testing.T) {
	c := newCluster(t, four)
	c.members(four[:3]...)
	first, second := c.put(moved(t, "k"), "1", 1000, s3test.Meta{}), c.put(moved(t, "late"), "1", 1000, s3test.Meta{})
	n := c.nodes[four[3]]
	c.members(four...)
	n.read(t, get(first.Key), first)
	before := n.peers.asked.Load()
	if before == 0 {
		t.Fatal("nobody was asked")
	}
	c.clock.pass(25 * time.Hour)
	n.read(t, get(second.Key), second)
	if asked := n.peers.asked.Load(); asked != before {
		t.Errorf("%d nodes were asked after a day", asked-before)
	}
}

// Objects without a strong ETag are one GET to one node, and stay where they are.
func TestWithoutAStrongETagNothingIsHandedOver(t *testing.T) {
	c := newCluster(t, four)
	c.members(four[:3]...)
	o := c.put(moved(t, "k"), "1", 3*mib, s3test.Meta{ETag: `W/"1"`})
	c.nodes[four[0]].read(t, get(o.Key), o)
	c.settle(t)
	c.s3.Forget()
	c.members(four...)
	c.nodes[four[3]].read(t, get(o.Key), o)
	c.requests(o.Key, 0, 1)
}

// A 404 is a 404 also when a former owner has to be asked first.
func TestWhatNobodyHas(t *testing.T) {
	c := newCluster(t, four)
	c.members(four[:3]...)
	c.put("other", "1", 1, s3test.Meta{})
	c.members(four...)
	_, err := c.nodes[four[3]].Open(context.Background(), get(moved(t, "none")))
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Status != 404 {
		t.Errorf("got %v, want 404", err)
	}
}
