package node_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

func control(value string) s3test.Meta {
	return s3test.Meta{Header: http.Header{"Cache-Control": {value}}}
}

// waiting waits until so many readers of the key wait for S3, on all nodes.
func (c *testCluster) waiting(t *testing.T, readers int) {
	t.Helper()
	eventually(t, "all wait", func() bool {
		sum := 0
		for _, n := range c.nodes {
			sum += n.Waiting(get("k").Key)
		}
		return sum == readers
	})
}

// noCache is an object that S3 wants to be asked of each time, read once.
func noCache(t *testing.T, c *testCluster, n *testNode, size int64) (read func() *object.Answer) {
	t.Helper()
	o := c.put("k", "1", size, control("no-cache"))
	n.read(t, get("k"), o)
	c.settle(t)
	c.s3.Forget()
	return func() *object.Answer { return n.read(t, get("k"), o) }
}

func TestNoCacheAsksEachTime(t *testing.T) {
	c := newCluster(t, three)
	_, others := c.owner("k")
	read := noCache(t, c, others[0], 2*mib)
	for i := range 3 {
		if a := read(); a.Outcome != object.Revalidated || a.ForwardStatus != 304 {
			t.Errorf("read %d: %v, S3 said %d", i, a.Outcome, a.ForwardStatus)
		}
	}
	c.requests("k", 0, 3)
	if promised, _ := c.s3.Bytes(bucket, "k"); promised != 0 {
		t.Errorf("%d bytes came again", promised)
	}
}

// Readers that came before a conditional request was sent share it, and those that
// come while it is on its way share the next.
func TestNoCacheIsSharedByWhoCameBefore(t *testing.T) {
	const later = 50
	c := newCluster(t, three)
	_, others := c.owner("k")
	read := noCache(t, c, others[0], 1000)
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	var readers sync.WaitGroup
	readers.Go(func() { read() })
	<-gate.Reached()
	for range later {
		readers.Go(func() {
			if a := read(); a.Outcome != object.Revalidated {
				t.Errorf("%v, want a revalidated answer", a.Outcome)
			}
		})
	}
	c.waiting(t, later+1)
	gate.Open()
	readers.Wait()
	c.requests("k", 0, 2)
	if n := c.s3.Count("", bucket, "k"); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// What S3 said of a cold object before a reader came does not answer that reader,
// if it is to be asked each time.
func TestACacheMissIsNotSharedByWhoComesLater(t *testing.T) {
	const later = 20
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	o := c.put("k", "1", 1000, control("max-age=0, must-revalidate"))
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	var readers sync.WaitGroup
	readers.Go(func() { n.read(t, get("k"), o) })
	<-gate.Reached()
	for range later {
		readers.Go(func() { n.read(t, get("k"), o) })
	}
	c.waiting(t, later+1)
	next := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	gate.Open()
	eventually(t, "the next is sent", func() bool { return len(next.Reached()) > 0 })
	c.waiting(t, later)
	next.Open()
	readers.Wait()
	c.settle(t)
	c.requests("k", 0, 2)
	if promised, _ := c.s3.Bytes(bucket, "k"); promised != 1000 {
		t.Errorf("%d bytes were promised, want them once", promised)
	}
}

// An ordinary object that was confirmed while a reader waited is asked for no more.
func TestAFreshAnswerServesWhoCameLater(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	o := c.put("k", "1", 1000, control("max-age=60, must-revalidate"))
	n.read(t, get("k"), o)
	c.settle(t)
	c.clock.pass(time.Minute)
	c.s3.Forget()
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	var readers sync.WaitGroup
	readers.Go(func() { n.read(t, get("k"), o) })
	<-gate.Reached()
	for range 20 {
		readers.Go(func() { n.read(t, get("k"), o) })
	}
	c.waiting(t, 21)
	gate.Open()
	readers.Wait()
	c.requests("k", 0, 1)
}

// Who waits for the next call behind an S3 that fails is told of the failure.
func TestAFailureIsSharedByWhoCameLater(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	noCache(t, c, n, 1000)
	c.s3.Everything(&s3test.Step{Status: 500, Code: "InternalError"})
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	var readers sync.WaitGroup
	fail := func() {
		_, err := n.Open(context.Background(), get("k"))
		var refused *object.OriginError
		if !errors.As(err, &refused) || refused.Status != 500 {
			t.Errorf("got %v, want S3's 500", err)
		}
	}
	readers.Go(fail)
	<-gate.Reached()
	for range 20 {
		readers.Go(fail)
	}
	c.waiting(t, 21)
	gate.Open()
	readers.Wait()
	c.requests("k", 0, 3) // one question, three attempts
}

// What is asked for in part, or is huge, is confirmed by a HEAD, and a body that has
// changed is asked for once.
func TestAPartIsConfirmedByAHead(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	o := c.put("k", "1", 3*mib, control("no-cache"))
	huge := c.put("huge", "1", 70*mib, control("no-cache"))
	n.read(t, get("k"), o)
	n.read(t, get("huge"), huge)
	c.settle(t)
	c.s3.Forget()
	if a := n.read(t, getRange("k", mib, 2*mib-1), o); a.Outcome != object.Revalidated || a.ForwardStatus != 200 {
		t.Errorf("%v, S3 said %d", a.Outcome, a.ForwardStatus)
	}
	n.read(t, head("k"), o)
	n.read(t, get("huge"), huge)
	c.requests("k", 2, 0)
	c.requests("huge", 1, 0)

	now := c.put("k", "2", 3*mib, control("no-cache"))
	if a := n.read(t, getRange("k", mib, 2*mib-1), now); a.Outcome != object.Miss || !a.Changed {
		t.Errorf("%v, changed: %t", a.Outcome, a.Changed)
	}
	c.settle(t)
	c.requests("k", 3, 1)
}

// A 304 renews what is held only if it names both validators as they are held.
func TestA304WithOtherValidatorsConfirmsNothing(t *testing.T) {
	for name, header := range map[string]http.Header{
		"no ETag": {"Etag": nil}, "another ETag": {"Etag": {`"x"`}}, "no date": {"Last-Modified": nil},
		"another date": {"Last-Modified": {"Fri, 02 Jan 2026 03:04:06 GMT"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, []string{"alone"})
			read := noCache(t, c, c.nodes["alone"], 1000)
			c.s3.Script(bucket, "k", s3test.Step{Method: "GET", Status: 304, Header: header})
			if a := read(); a.Outcome != object.Revalidated || a.ForwardStatus != 200 {
				t.Errorf("%v, S3 said %d; want the HEAD's word", a.Outcome, a.ForwardStatus)
			}
			c.requests("k", 1, 1)
		})
	}
}

// The words of a 304 on freshness take the place of the entry's.
func TestA304BringsNewFreshness(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	o := c.put("k", "1", 1000, control("max-age=1"))
	n.read(t, get("k"), o)
	c.settle(t)
	c.clock.pass(2 * time.Minute)
	c.s3.Script(bucket, "k", s3test.Step{Status: 304, Header: http.Header{
		"Etag": {s3test.ETag(o)}, "Last-Modified": {s3test.LastModified.Format(http.TimeFormat)},
		"Cache-Control": {"max-age=100"}, "Age": {"40"},
	}})
	if a := n.read(t, get("k"), o); a.TTL != time.Minute || a.Info.Get("Cache-Control") != "max-age=100" {
		t.Errorf("fresh for %v by %q", a.TTL, a.Info.Header)
	}
	c.clock.pass(59 * time.Second)
	if a := n.read(t, get("k"), o); a.Outcome != object.Hit {
		t.Errorf("%v, want a hit", a.Outcome)
	}
	c.requests("k", 0, 2)
}

// The Age of what S3 said counts against its freshness.
func TestAgeOfAnAnswerCounts(t *testing.T) {
	c := newCluster(t, three)
	_, others := c.owner("k")
	o := c.put("k", "1", 1000, s3test.Meta{Header: http.Header{"Cache-Control": {"max-age=100, must-revalidate"}, "Age": {"70"}}})
	if a := others[0].read(t, get("k"), o); a.TTL != 30*time.Second {
		t.Errorf("fresh for %v, want 30 s", a.TTL)
	}
	c.settle(t)
	c.clock.pass(29 * time.Second)
	if a := others[1].read(t, get("k"), o); a.Outcome != object.Hit || a.TTL != time.Second {
		t.Errorf("%v, fresh for %v", a.Outcome, a.TTL)
	}
	c.clock.pass(time.Second)
	if a := others[1].read(t, get("k"), o); a.Outcome != object.Revalidated {
		t.Errorf("%v, want a revalidated answer", a.Outcome)
	}
}

// One refresh in the whole cluster, whoever serves the stale, and nobody waits.
func TestStaleWhileRevalidateRefreshesOncePerCluster(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 1000, s3test.Meta{})
	for _, name := range three { // hot copies everywhere
		for range 4 {
			c.nodes[name].read(t, get("k"), o)
		}
	}
	c.settle(t)
	c.s3.Forget()
	c.clock.pass(time.Hour + time.Second)
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	for range 5 {
		for _, name := range three {
			if a := c.nodes[name].read(t, get("k"), o); a.Outcome != object.Stale {
				t.Errorf("%s: %v, want STALE", name, a.Outcome)
			}
		}
	}
	<-gate.Reached()
	gate.Open()
	c.settle(t)
	for _, name := range three {
		if a := c.nodes[name].read(t, get("k"), o); a.Outcome != object.Hit {
			t.Errorf("%s: %v, want HIT", name, a.Outcome)
		}
	}
	c.requests("k", 0, 1)
}

// Whatever S3 fails with, the stale is served within its window, and not beyond.
func TestStaleIfErrorOfEveryKind(t *testing.T) {
	for name, failure := range map[string]struct {
		step   s3test.Step
		status int
		gets   int
	}{
		"500":     {s3test.Step{Status: 500}, 500, 3},
		"503":     {s3test.Step{Status: 503, Code: "SlowDown"}, 503, 3},
		"silence": {s3test.Step{Silent: true}, 504, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, []string{"alone"}, func(c *testCluster) { c.timeout = 100 * time.Millisecond })
			n := c.nodes["alone"]
			o := c.put("k", "1", 1000, control("max-age=60, stale-if-error=600"))
			n.read(t, get("k"), o)
			c.settle(t)
			c.s3.Forget()
			c.s3.Everything(&failure.step)
			c.clock.pass(5 * time.Minute)
			if a := n.read(t, get("k"), o); a.Outcome != object.Stale || a.ForwardStatus != failure.status || a.TTL != -4*time.Minute {
				t.Errorf("%v, S3 said %d, fresh for %v", a.Outcome, a.ForwardStatus, a.TTL)
			}
			c.requests("k", 0, failure.gets)
			c.clock.pass(7 * time.Minute)
			if _, err := n.Open(context.Background(), get("k")); err == nil {
				t.Error("served beyond its window")
			}
		})
	}
}

// A 404 and a 403 are remembered for as long as each is to be.
func TestNegativesHaveTheirOwnTimes(t *testing.T) {
	c := newCluster(t, []string{"alone"}, func(c *testCluster) {
		c.fresh.NotFound, c.fresh.Forbidden = 10*time.Second, 2*time.Second
	})
	n := c.nodes["alone"]
	c.put("other", "1", 1, s3test.Meta{})
	ask := func(key string, status int, remembered time.Duration) {
		t.Helper()
		_, err := n.Open(context.Background(), get(key))
		var refused *object.OriginError
		if !errors.As(err, &refused) || refused.Status != status || refused.Remembered != remembered {
			t.Errorf("%s: %+v, want %d, remembered for %v", key, err, status, remembered)
		}
	}
	c.s3.Script(bucket, "secret", s3test.Step{Status: 403, Code: "AccessDenied"}, s3test.Step{Status: 403, Code: "AccessDenied"})
	ask("absent", 404, 0)
	ask("secret", 403, 0)
	c.clock.pass(1500 * time.Millisecond)
	ask("absent", 404, 8500*time.Millisecond)
	ask("secret", 403, 500*time.Millisecond)
	c.clock.pass(500 * time.Millisecond)
	ask("absent", 404, 8*time.Second)
	ask("secret", 403, 0)
	c.clock.pass(8 * time.Second)
	ask("absent", 404, 0)
	c.requests("absent", 0, 2)
	c.requests("secret", 0, 2)
}
