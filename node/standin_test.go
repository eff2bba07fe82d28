package node_test

import (
	"fmt"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/ring"
)

// settled is a cluster whose ring changed long ago: nobody is asked for what it
// holds of another's for that.
func settled(t *testing.T, options ...option) *testCluster {
	t.Helper()
	c := newCluster(t, three, options...)
	for _, name := range three {
		key := ownedBy(c, name)
		c.nodes[name].read(t, get(key), c.put(key, "1", 10, s3test.Meta{}))
	}
	c.clock.pass(25 * time.Hour)
	return c
}

// places are the nodes by their part in a key: its owner, who stands in for it,
// and one more.
func (c *testCluster) places(key string) (owner, successor, last *testNode) {
	owners := c.ring.Load().Owners(object.Key{Bucket: bucket, Name: key}, 0)
	return c.nodes[owners[0]], c.nodes[owners[1]], c.nodes[owners[2]]
}

// cut lets nothing pass between two nodes.
func (c *testCluster) cut(a, b *testNode) {
	a.peers.breakOff(b.name(c), 0)
	b.peers.breakOff(a.name(c), 0)
}

// join lets everything pass again.
func (c *testCluster) join() {
	for _, n := range c.nodes {
		n.peers.mend()
	}
}

// ownedNamed returns a key that the node owns, beginning with prefix.
func ownedNamed(c *testCluster, n *testNode, prefix string) string {
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s %d", prefix, i)
		if owner, _ := c.owner(key); owner == n {
			return key
		}
	}
}

// asked is how often nodes have asked each other.
func (c *testCluster) asked() (sum int64) {
	for _, n := range c.nodes {
		sum += n.peers.asked.Load()
	}
	return sum
}

// unasked checks that S3 has not been asked since it was told to forget.
func (c *testCluster) unasked(what string) {
	c.t.Helper()
	for _, r := range c.s3.Requests() {
		c.t.Errorf("%s: S3 was asked: %v", what, r)
	}
}

// What was fetched while an owner could not be reached, the owner takes from who
// stood in for it. Then it has it itself.
func TestWhatAStandInFetchedIsNotFetchedAgain(t *testing.T) {
	for name, size := range map[string]int64{"empty": 0, "small": 1000, "hot and cold": 300 << 10, "chunks": 3*mib + 5, "extents": 130 * mib} {
		t.Run(name, func(t *testing.T) {
			c := settled(t)
			o := c.put("k", "1", size, s3test.Meta{})
			owner, successor, last := c.places("k")
			c.cut(owner, successor)
			c.cut(owner, last)
			last.read(t, get("k"), o)
			c.settle(t)
			c.s3.Forget()
			c.join()
			for range 2 {
				if a := last.read(t, get("k"), o); a.Outcome != object.Hit {
					t.Errorf("%v from %v, want a hit", a.Outcome, a.Source)
				}
				c.settle(t)
			}
			c.unasked("with its owner back")
			for _, name := range three {
				owner.peers.breakOff(name, 0)
			}
			if size <= object.ExtentBytes {
				owner.read(t, get("k"), o)
				c.unasked("at its owner")
			}
		})
	}
}

// The owner of a further extent is told as the key's is.
func TestTheOwnerOfAFurtherExtentIsTold(t *testing.T) {
	c := settled(t)
	second := func(key string) []string {
		return c.ring.Load().Owners(object.Key{Bucket: bucket, Name: key}, 1)
	}
	key := "k"
	for first, _ := c.owner(key); second(key)[0] == first.name(c); first, _ = c.owner(key) {
		key += "k"
	}
	o := c.put(key, "1", 70*mib, s3test.Meta{})
	owner, successor, last := c.nodes[second(key)[0]], c.nodes[second(key)[1]], c.nodes[second(key)[2]]
	c.cut(owner, successor)
	c.cut(owner, last)
	last.read(t, getRange(key, 65*mib, 67*mib), o)
	c.settle(t)
	c.s3.Forget()
	c.join()
	last.read(t, getRange(key, 65*mib, 67*mib), o)
	c.unasked("with the extent's owner back")
}

// An owner that was cut off knows by itself that others may have stood in for it:
// it could not reach them.
func TestWhoReachedNobodyAsksWhoStoodIn(t *testing.T) {
	c := settled(t)
	o := c.put("k", "1", 3*mib, s3test.Meta{})
	owner, successor, last := c.places("k")
	c.cut(owner, successor)
	c.cut(owner, last)
	successor.read(t, get("k"), o)
	theirs := ownedBy(c, last.name(c))
	owner.read(t, get(theirs), c.put(theirs, "1", 10, s3test.Meta{}))
	c.settle(t)
	c.s3.Forget()
	c.join()
	owner.read(t, get("k"), o)
	c.unasked("by the owner, which nobody has asked yet")
}

// A node that the others lost, and that never knew, is told when it is back: its own
// ring did not change.
func TestANodeThatTheRingLostIsTold(t *testing.T) {
	lost := ring.Build(three).Owners(object.Key{Bucket: bucket, Name: "k"}, 0)[0]
	own := new(ring.Ring)
	own.Store(ring.Build(three))
	c := settled(t, func(c *testCluster) {
		c.adjustNode = func(o *node.Options) {
			if o.Name == lost {
				o.Ring = own
			}
		}
	})
	o := c.put("k", "1", 3*mib, s3test.Meta{})
	owner, successor, last := c.places("k")
	c.cut(owner, successor)
	c.cut(owner, last)
	c.members(successor.name(c), last.name(c))
	last.read(t, get("k"), o)
	c.settle(t)
	c.s3.Forget()
	c.join()
	c.members(three...)
	last.read(t, get("k"), o)
	c.unasked("with its owner back in the ring")
}

// Where only one node cannot reach an owner, the one that stands in for it asks it
// for what it holds before it asks S3.
func TestAStandInAsksTheOwner(t *testing.T) {
	for name, size := range map[string]int64{"small": 1000, "extents": 130 * mib} {
		t.Run(name, func(t *testing.T) {
			c := settled(t)
			o := c.put("k", "1", size, s3test.Meta{})
			owner, _, last := c.places("k")
			last.read(t, get("k"), o)
			c.settle(t)
			c.s3.Forget()
			c.cut(owner, last)
			last.read(t, get("k"), o)
			c.unasked("where its owner is there for others")
		})
	}
}

// Without a reason no node is asked for what it holds of another's, and an hour
// after one there is none.
func TestWithoutAReasonNobodyIsAskedBeforeS3(t *testing.T) {
	c := settled(t)
	cold := func(what string, through, owner *testNode, want int64) {
		t.Helper()
		before := c.asked()
		key := ownedNamed(c, owner, what)
		through.read(t, get(key), c.put(key, "1", 3*mib, s3test.Meta{}))
		c.settle(t)
		c.requests(key, 0, 1)
		if got := c.asked() - before; got != want {
			t.Errorf("%s: nodes were asked %d times, want %d", what, got, want)
		}
	}
	owner, other := c.nodes[three[0]], c.nodes[three[1]]
	cold("at its owner", owner, owner, 0)
	cold("through another node", other, owner, 1)

	other.peers.breakOff(three[0], 0)
	cold("past its owner", other, owner, 3)
	c.join()
	cold("through who passed it over", other, owner, 3)
	cold("at an owner that was passed over", owner, owner, 2)

	c.clock.pass(time.Hour)
	cold("at its owner, an hour later", owner, owner, 0)
	cold("through another node, an hour later", other, owner, 1)
}
