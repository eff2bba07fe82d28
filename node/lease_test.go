package node_test

import (
	"context"
	"errors"
	"sync/atomic"
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
				c.requests("k", i+j, i+2) // a GET that is conditional, and then a HEAD
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
	c.requests("k", 0, 2)
	state.Grant(council, c.clock.now(), 5*time.Second)
	if a := n.read(t, get("k"), o); a.Outcome != object.Hit {
		t.Errorf("under the next lease: %v", a.Outcome)
	}
	c.requests("k", 0, 2)
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
		c.requests("k", 0, i+2)
	}
	others[1].read(t, get("k"), o) // leased, and holds a copy
	c.requests("k", 0, 3)
}

// Without a lease S3's answer is shared only by readers that came before it was
// asked: later ones share the next, which is asked when the first has answered.
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
			second, third := n.background(ask, o.Object), n.background(ask, o.Object)
			eventually(t, "all three wait", func() bool { return n.Waiting(ask.Key) == 3 })
			let()
			first.end(t, "the first")
			s3.next(t)()
			second.end(t, "the second")
			third.end(t, "the third")
			n.Settle()
			n.flightsEnd(t)
			if asked := s3.requests(); len(asked) != 2 {
				t.Errorf("S3 was asked %v, want once for the first reader and once for the others", asked)
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

// The lease is looked at before the floors are: a purge that is in place when the
// lease is looked at is seen. Were it the other way round, a purge could come between
// the two, and be complete before the read came.
func TestTheLeaseIsLookedAtBeforeTheFloors(t *testing.T) {
	for size, looks := range map[int64]int64{1000: 2, 2 * mib: 1} { // memory has its freshness looked at first
		for at := int64(1); at <= looks; at++ {
			var left atomic.Int64
			state := member(100)
			n, s3, _ := newHeld(t, func(o *node.Options) {
				o.Purges = state
				o.Now = func() time.Time {
					if left.Add(-1) == 0 {
						apply(state, false, object1("k"))
					}
					return time.Now()
				}
			})
			s3.put(heldObject{self("k", "1", size), `"1"`, ""})
			n.read(t, get("k"), self("k", "1", size))
			n.flightsEnd(t)
			n.read(t, get("k"), self("k", "1", size))
			s3.put(heldObject{self("k", "2", size), `"2"`, ""})
			left.Store(at)
			n.read(t, get("k"), self("k", "2", size))
		}
	}
}

// A lease that ends, and a purge that comes, while S3 is asked for a reader that had
// it: what S3 said before is nobody's who comes after.
func TestALeaseThatEndsWhileS3IsAsked(t *testing.T) {
	n, s3, state := newHeld(t)
	old, now := heldObject{self("k", "1", 1000), `"1"`, ""}, heldObject{self("k", "2", 1000), `"2"`, ""}
	s3.put(old)
	s3.hold(true)
	first := n.background(get("k"), old.Object)
	let := s3.next(t)
	state.Revoke() // and a purge that this node does not hear of
	s3.put(now)
	second := n.background(get("k"), now.Object)
	let()
	first.end(t, "the reader under the lease")
	s3.next(t)() // asked for the second once the first has its answer
	second.end(t, "the reader after it")
	s3.hold(false)
	n.Settle()
	n.flightsEnd(t)
	n.read(t, get("k"), now.Object)
	state.Grant(council, time.Now(), time.Hour)
	n.read(t, get("k"), now.Object)
}
