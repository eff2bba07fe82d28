package node_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// The breaker stands behind the cache: what is stored is served while it is open,
// stale where the policy allows, and only what would need S3 is refused.
func TestWhileTheBreakerIsOpenHitsAreServed(t *testing.T) {
	c := newCluster(t, []string{"alone"}, func(c *testCluster) { c.care.Breaker.FailureThreshold = 3 })
	n := c.nodes["alone"]
	fresh := c.put("fresh", "1", 3*mib, s3test.Meta{})
	stale := c.put("stale", "1", 3*mib, s3test.Meta{Header: http.Header{"Cache-Control": {"max-age=60"}}})
	strict := c.put("strict", "1", 10, s3test.Meta{Header: http.Header{"Cache-Control": {"max-age=60, must-revalidate"}}})
	cold := c.put("cold", "1", 10, s3test.Meta{})
	for _, o := range []pattern.Object{fresh, stale, strict} {
		n.read(t, get(o.Key), o)
	}
	n.flightsEnd(t)
	c.clock.pass(10 * time.Minute)
	c.s3.Everything(&s3test.Step{Status: 500, Code: "InternalError"})
	c.s3.Forget()
	if _, err := n.Open(context.Background(), get("cold")); err == nil {
		t.Fatal("it was read")
	}
	c.requests("cold", 0, 3) // the third opens it
	for range 3 {
		if a := n.read(t, get("fresh"), fresh); a.Outcome != object.Hit {
			t.Errorf("fresh: %v", a.Outcome)
		}
		if a := n.read(t, get("stale"), stale); a.Outcome != object.Stale {
			t.Errorf("stale: %v", a.Outcome)
		}
		for _, key := range []string{"cold", "strict", "never seen"} {
			_, err := n.Open(context.Background(), get(key))
			var refused *object.OriginError
			if !errors.As(err, &refused) || refused.Status != 503 || refused.RetryAfter != 60 {
				t.Errorf("%s: got %v, want 503 with Retry-After 60", key, err)
			}
		}
	}
	if got := c.s3.Count("", "", ""); got != 3 {
		t.Errorf("S3 was asked through an open breaker: %v", c.s3.Requests())
	}
	c.s3.Everything(nil)
	c.clock.pass(time.Minute)
	n.read(t, get("cold"), cold)
	n.read(t, get("strict"), strict)
	c.requests("cold", 0, 4)
	c.requests("strict", 0, 1)
}

// withReplica is a node over two S3s. What the test puts is at the first.
func withReplica(t *testing.T, options ...option) (*testCluster, *testNode) {
	second := s3test.Start(t)
	c := newCluster(t, []string{"alone"}, append(options, func(c *testCluster) {
		c.replica, c.timeout = second, 500*time.Millisecond
	})...)
	return c, c.nodes["alone"]
}

// What came from a replica is believed for 30 s, then the first is asked.
func TestWhatAReplicaSaysIsNotKeptForLong(t *testing.T) {
	c, n := withReplica(t)
	now := c.put("k", "2", 3*mib, s3test.Meta{})
	old := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 3 * mib}
	c.replica.Put(old, s3test.Meta{})
	c.s3.Everything(&s3test.Step{Drop: true})
	a := n.read(t, get("k"), old)
	if !a.Info.Replica || a.TTL > object.ReplicaLifetime {
		t.Errorf("fresh for %v, marked: %t", a.TTL, a.Info.Replica)
	}
	n.flightsEnd(t)
	c.s3.Everything(nil)
	c.s3.Forget()
	c.clock.pass(29 * time.Second)
	n.read(t, get("k"), old)
	c.requests("k", 0, 0)
	c.restart() // the mark is on the disk too
	n = c.nodes["alone"]
	c.clock.pass(2 * time.Second)
	if a = n.read(t, get("k"), now); a.Info.Replica {
		t.Error("the first replica's answer is marked")
	}
	c.requests("k", 0, 1)
}

// A replica that confirms what the first has said does not renew it for as long
// as the first would.
func TestAReplicaConfirmsForThirtySeconds(t *testing.T) {
	c, n := withReplica(t)
	o := c.put("k", "1", 1000, s3test.Meta{})
	c.replica.Put(o, s3test.Meta{})
	n.read(t, get("k"), o)
	n.flightsEnd(t)
	c.clock.pass(2 * time.Hour)
	c.s3.Everything(&s3test.Step{Drop: true})
	if a := n.read(t, get("k"), o); a.Outcome != object.Revalidated || a.TTL > object.ReplicaLifetime {
		t.Errorf("%v, fresh for %v", a.Outcome, a.TTL)
	}
	c.s3.Everything(nil)
	c.s3.Forget()
	c.clock.pass(31 * time.Second)
	if a := n.read(t, get("k"), o); a.Outcome != object.Revalidated || a.TTL != time.Hour {
		t.Errorf("%v, fresh for %v", a.Outcome, a.TTL)
	}
	c.requests("k", 0, 1)
}

func TestThatAReplicaLacksAnObjectIsNotRememberedForLong(t *testing.T) {
	c, n := withReplica(t, func(c *testCluster) { c.fresh.NotFound = time.Hour })
	o := c.put("k", "1", 1000, s3test.Meta{})
	c.s3.Everything(&s3test.Step{Drop: true})
	_, err := n.Open(context.Background(), get("k"))
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Status != 404 {
		t.Fatalf("got %v", err)
	}
	c.s3.Everything(nil)
	c.clock.pass(31 * time.Second)
	n.read(t, get("k"), o)
}

// The first dies in the middle of a body. The second has the same version: the
// body goes on there. It has another: the body is cut, and who asks then gets
// that one whole.
func TestABodyGoesOnAtAReplicaOfTheSameVersion(t *testing.T) {
	for name, behind := range map[string]bool{"same": false, "behind": true} {
		t.Run(name, func(t *testing.T) {
			c, n := withReplica(t)
			o := c.put("k", "2", 3*mib, s3test.Meta{})
			other := o
			if behind {
				other.Version = "1"
			}
			c.replica.Put(other, s3test.Meta{})
			c.s3.Script(bucket, "k", s3test.Step{End: &s3test.End{After: mib + 10, How: s3test.Cut}})
			gate := c.s3.Hold(bucket, "k", mib+10)
			a, err := n.Open(context.Background(), get("k"))
			if err != nil {
				t.Fatal(err)
			}
			<-gate.Reached()
			c.s3.Everything(&s3test.Step{Drop: true})
			gate.Open()
			err = check(a, o)
			if behind != errors.Is(err, object.ErrGone) || !behind && err != nil {
				t.Errorf("the body ended with %v", err)
			}
			n.flightsEnd(t)
			for _, r := range c.replica.Requests() {
				if r.Header.Get("If-Match") != s3test.ETag(o) {
					t.Errorf("without If-Match: %v", r)
				}
			}
			n.read(t, get("k"), other)
		})
	}
}
