package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
)

// Without a lease each hit is confirmed by S3, with one HEAD and no body; an
// absence is asked for again.
func TestWithoutALeaseEachHitIsConfirmed(t *testing.T) {
	for _, size := range []int64{0, 1000, 2*mib + 1} {
		c := newPurged(t, []string{"alone"})
		n := c.nodes["alone"]
		old := c.put("k", "1", size, s3test.Meta{})
		n.read(t, get("k"), old)
		n.refused(t, get("none"), 404)
		c.settle(t)
		c.unleased("alone")
		for i := range 3 {
			for j, ask := range []*object.Ask{get("k"), head("k")} {
				if a := n.read(t, ask, old); a.Outcome != object.Revalidated || a.TTL <= 0 {
					t.Errorf("%v, want REVALIDATED", a.Outcome)
				}
				c.settle(t)
				c.requests("k", 2*i+j+1, 1)
			}
			n.refused(t, get("none"), 404)
			c.requests("none", 0, 2+i)
		}
		n.read(t, get("k"), c.put("k", "2", size, s3test.Meta{}))
		c.s3.Delete(bucket, "k")
		n.refused(t, get("k"), 404)
		c.s3.Everything(&s3test.Step{Status: 404, Code: "NoSuchKey"})
		n.refused(t, get("k"), 404)
	}
}

// A weak one cannot be confirmed: it is fetched again.
func TestWithoutALeaseAWeakObjectIsFetchedAgain(t *testing.T) {
	c := newPurged(t, []string{"alone"})
	n := c.nodes["alone"]
	n.read(t, get("k"), c.put("k", "1", 2*mib, s3test.Meta{NoETag: true}))
	c.settle(t)
	c.unleased("alone")
	n.read(t, get("k"), c.put("k", "2", 2*mib, s3test.Meta{NoETag: true}))
	c.settle(t)
	c.requests("k", 0, 2)
}

// Without a lease and without S3 nothing is served, not even within
// stale-if-error: it may have been purged. A bucket may waive that.
func TestWithoutALeaseAndWithoutS3NothingIsServed(t *testing.T) {
	away := map[string]*s3test.Step{
		"cut off": {Drop: true}, "failing": {Status: 500, Code: "InternalError"}, "slowing down": {Status: 503, Code: "SlowDown"},
	}
	for name, step := range away {
		for _, waived := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c := newPurged(t, []string{"alone"}, func(c *testCluster) {
					c.adjustNode = func(o *node.Options) {
						b := o.Buckets[bucket]
						b.StaleWithoutLease = waived
						o.Buckets[bucket] = b
					}
				})
				n := c.nodes["alone"]
				small, large := c.put("small", "1", 1000, s3test.Meta{}), c.put("large", "1", 2*mib, s3test.Meta{})
				n.read(t, get("small"), small)
				n.read(t, get("large"), large)
				c.settle(t)
				c.unleased("alone")
				c.s3.Everything(step)
				c.s3.Forget()
				if !waived {
					for _, ask := range []*object.Ask{get("small"), head("small"), get("large"), getRange("large", 5, 9)} {
						n.refused(t, ask, 503)
					}
					return
				}
				for range 2 {
					if a := n.read(t, get("small"), small); a.Outcome != object.Hit {
						t.Errorf("%v, want a hit: the promise is waived", a.Outcome)
					}
					n.read(t, get("large"), large)
				}
				c.requests("", 0, 0)
			})
		}
	}
}

// A lease ends by the clock that the node reads after the request came, and begins
// again with the next grant.
func TestALeaseEndsByTheClock(t *testing.T) {
	c := newPurged(t, []string{"alone"})
	n, state := c.nodes["alone"], c.states["alone"]
	o := c.put("k", "1", 1000, s3test.Meta{})
	state.Revoke()
	state.Grant(council, c.clock.now(), 5*time.Second)
	n.read(t, get("k"), o)
	c.settle(t)
	c.clock.pass(5*time.Second - 1)
	if a := n.read(t, get("k"), o); a.Source != object.SourceHot {
		t.Errorf("under the lease it came from %v", a.Source)
	}
	c.requests("k", 0, 1)
	c.clock.pass(1)
	if a := n.read(t, get("k"), o); a.Outcome != object.Revalidated {
		t.Errorf("after the lease: %v", a.Outcome)
	}
	c.settle(t)
	c.requests("k", 1, 1)
	state.Grant(council, c.clock.now(), 5*time.Second)
	if a := n.read(t, get("k"), o); a.Outcome != object.Hit {
		t.Errorf("under the next lease: %v", a.Outcome)
	}
	c.requests("k", 1, 1)
}

// A copy is served under this node's own lease alone; a leased owner's answer needs
// no other.
func TestALeasedOwnerAnswersForAnUnleasedNode(t *testing.T) {
	c := newPurged(t, three)
	o := c.put("k", "1", 1000, s3test.Meta{})
	owner, others := c.owner("k")
	for range 2 {
		for _, n := range c.nodes {
			n.read(t, get("k"), o)
			c.settle(t)
		}
	}
	c.unleased(others[0].name(c.testCluster))
	before := others[0].peers.asked.Load()
	if a := others[0].read(t, get("k"), o); a.Source != object.SourcePeer || a.Outcome != object.Hit {
		t.Errorf("%v from %v, want the owner's hit", a.Outcome, a.Source)
	}
	if asked := others[0].peers.asked.Load() - before; asked != 1 {
		t.Errorf("the owner was asked %d times", asked)
	}
	c.requests("k", 0, 1)
	c.unleased(owner.name(c.testCluster))
	for i := range 2 {
		others[0].read(t, get("k"), o)
		c.requests("k", i+1, 1)
	}
	others[1].read(t, get("k"), o) // leased, and holds a copy
	c.requests("k", 2, 1)
}

// Without a lease S3's answer is shared only by readers that came before it was
// asked: a later one asks itself.
func TestWithoutALeaseNobodyJoinsWhatIsUnderWay(t *testing.T) {
	for name, ask := range map[string]*object.Ask{"held": get("k"), "new": get("new")} {
		t.Run(name, func(t *testing.T) {
			n, s3, state := newHeld(t)
			o := heldObject{self(ask.Key.Name, "1", 2*mib), `"1"`, ""}
			s3.put(o)
			if name == "held" {
				n.read(t, ask, o.Object)
				n.flightsEnd(t)
			}
			state.Revoke()
			s3.requests()
			s3.hold(true)
			first := n.background(ask, o.Object)
			let := s3.next(t)
			second := n.background(ask, o.Object)
			s3.next(t)()
			second.end(t, "the second")
			let()
			first.end(t, "the first")
			n.Settle()
			n.flightsEnd(t)
			if asked := s3.requests(); len(asked) != 2 {
				t.Errorf("S3 was asked %v, want once for each reader", asked)
			}
		})
	}
}

// A reader that leaves is not told that S3 is away.
func TestAReaderThatLeavesWithoutALease(t *testing.T) {
	n, s3, state := newHeld(t)
	o := heldObject{self("k", "1", 1000), `"1"`, ""}
	s3.put(o)
	n.read(t, get("k"), o.Object)
	n.flightsEnd(t)
	state.Revoke()
	s3.hold(true)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := n.Open(ctx, get("k"))
		ended <- err
	}()
	let := s3.next(t)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	let()
}
