package origin

import (
	"errors"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// hold gives every S3 an object of its own under the key.
func (c *cared) hold(i int, version string) pattern.Object {
	o := c.object
	o.Version = version
	c.s3[i].Put(o, s3test.Meta{})
	return o
}

// One read each: who is asked when the first replica fails in its ways.
func TestFailover(t *testing.T) {
	for name, c := range map[string]struct {
		first   s3test.Step
		asked   [2]int
		replica bool // it is the second's answer
		status  int  // of the error, if it is one
	}{
		"well":      {s3test.Step{}, [2]int{1, 0}, false, 0},
		"500":       {s3test.Step{Status: 500}, [2]int{1, 1}, true, 0},
		"slow down": {s3test.Step{Status: 503, Code: "SlowDown"}, [2]int{1, 1}, true, 0},
		"no answer": {s3test.Step{Drop: true}, [2]int{1, 1}, true, 0},
		"absent":    {s3test.Step{Status: 404, Code: "NoSuchKey"}, [2]int{1, 0}, false, 404},
		"forbidden": {s3test.Step{Status: 403, Code: "AccessDenied"}, [2]int{1, 0}, false, 403},
	} {
		t.Run(name, func(t *testing.T) {
			o := careFor(t, 2, Care{}, nil)
			o.s3[0].Script("b", "k", c.first)
			info, err := o.read(within(t))
			switch refused := asOriginError(err); {
			case c.status != 0 && (refused == nil || refused.Status != c.status || refused.Replica):
				t.Errorf("got %v, want %d", err, c.status)
			case c.status == 0 && (err != nil || info.Replica != c.replica):
				t.Errorf("got %v, %v, want an info with Replica: %t", info, err, c.replica)
			}
			o.asked(c.asked[0], c.asked[1])
			o.s3[0].Script("b", "k", c.first)
			head, err := o.Head(within(t), o.key, "")
			if c.status == 0 && (err != nil || head.Replica != c.replica) {
				t.Errorf("HEAD: got %v, %v", head, err)
			}
			o.asked(2*c.asked[0], 2*c.asked[1])
		})
	}
}

func TestAllReplicasFail(t *testing.T) {
	o := careFor(t, 3, Care{Breaker: Breaker{FailureThreshold: 2}}, nil)
	for i, s := range o.s3 {
		s.Everything(&s3test.Step{Status: 500 + i})
	}
	for range 2 {
		_, err := o.read(within(t))
		if refused := asOriginError(err); refused == nil || refused.Status != 500 || refused.Replica {
			t.Errorf("got %v, want what the first said", err)
		}
	}
	_, err := o.read(within(t))
	unsent(t, err, "ServiceUnavailable", 2) // the probes may find one of them well by then
	o.asked(2, 2, 2)
	if o.Healthy() {
		t.Error("nobody answers, and it counts as well")
	}
	o.shows(`rookery_origin_failovers_total{bucket="route",replica="primary"} 3`,
		`rookery_origin_failovers_total{bucket="route",replica="c"} 0`,
		`rookery_origin_healthy{bucket="route",replica="primary"} 0`,
		`rookery_origin_healthy{bucket="route",replica="b"} 0`,
		`rookery_origin_healthy{bucket="route",replica="c"} 0`)
}

// A first replica that hangs, and gets well: answers come from the second within
// 5 s, at once for whoever comes later, and from the first again by probes alone.
func TestFailoverFromAHangAndBack(t *testing.T) {
	t.Parallel()
	o := careFor(t, 2, Care{}, func(o *Options) { o.Timeout = 20 * time.Second })
	gate := o.s3[0].Hold("b", "k", s3test.BeforeHeaders)
	o.s3[0].Everything(&s3test.Step{Method: "HEAD", Status: 500}) // the probes fail
	start := time.Now()
	info := o.mustRead()
	took := time.Since(start)
	if !info.Replica || took >= 5*time.Second {
		t.Errorf("after %v, from a replica: %t", took, info.Replica)
	}
	start = time.Now()
	for range 10 {
		o.mustRead()
	}
	if later := time.Since(start); later > time.Second {
		t.Errorf("ten reads after the failover took %v", later)
	}
	o.asked(1, 11)
	gate.Open()
	probed := func(all []s3test.Request) bool { return len(all) > 1 && all[len(all)-1].Status == 500 }
	if err := o.s3[0].Await(within(t), probed); err != nil {
		t.Fatal(err)
	}
	o.s3[0].Everything(nil)
	start = time.Now()
	reads := 11
	for o.mustRead().Replica {
		reads++
	}
	back := time.Since(start)
	if back > 5*time.Second {
		t.Errorf("back at the first replica after %v", back)
	}
	o.asked(2, reads)
	t.Logf("failover after %v, back %v after the first was well", took, back)
	o.shows(`rookery_origin_healthy{bucket="route",replica="primary"} 1`)
}

// A body that stalls is given up in time to be resumed elsewhere, under If-Match.
func TestAStalledBodyIsResumedAtAReplica(t *testing.T) {
	t.Parallel()
	o := careFor(t, 2, Care{Breaker: Breaker{FailureThreshold: 1}}, func(o *Options) { o.Timeout = 20 * time.Second })
	o.s3[0].Script("b", "k", s3test.Step{End: &s3test.End{After: 1000, How: s3test.Stall}})
	start := time.Now()
	if _, err := o.read(within(t)); err == nil {
		t.Fatal("it did not stall")
	}
	rest, err := o.Get(within(t), object.Fetch{Key: o.key, From: 1000, To: o.object.Size, IfMatch: s3test.ETag(o.object)})
	if err != nil {
		t.Fatal(err)
	}
	defer rest.Body.Close()
	if _, err := o.object.CheckReader(rest.Body, 1000, o.object.Size); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took >= 5*time.Second {
		t.Errorf("it took %v", took)
	}
	o.asked(1, 1)
}

// What a replica says that is not the first may be behind, and is marked.
func TestAReplicaThatIsBehind(t *testing.T) {
	o := careFor(t, 2, Care{}, nil)
	now := o.hold(0, "2")
	old := o.hold(1, "1")
	o.s3[0].Everything(&s3test.Step{Drop: true})
	pinned := object.Fetch{Key: o.key, To: 10, IfMatch: s3test.ETag(now)}
	if _, err := o.Get(within(t), pinned); !errors.Is(err, object.ErrGone) {
		t.Errorf("a pinned read of another version gave %v", err)
	}
	o.object = old
	if info := o.mustRead(); !info.Replica {
		t.Error("the old version is not marked")
	}
	var same *object.NotModified
	if _, err := o.Get(within(t), object.Fetch{Key: o.key, IfNoneMatch: s3test.ETag(old)}); !errors.As(err, &same) || !same.Replica {
		t.Errorf("the 304 of the old version is not marked: %v", err)
	}
	o.s3[1].Put(pattern.Object{Bucket: "b", Key: "other"}, s3test.Meta{})
	o.s3[1].Delete("b", "k")
	_, err := o.Get(within(t), pinned)
	if refused := asOriginError(err); refused == nil || refused.Status != 503 || refused.Unsent {
		t.Errorf("that a replica lacks a known version is %v, want a 503", err)
	}
	_, err = o.Head(within(t), o.key, "")
	if refused := asOriginError(err); refused == nil || refused.Status != 404 || !refused.Replica {
		t.Errorf("got %v, want a marked 404", err)
	}
}

func TestOpenTellsWhichReplicaIsWrong(t *testing.T) {
	_, err := Open(t.Context(), Care{}, Options{Bucket: "b", Anonymous: true}, Options{Replica: "far", Bucket: "", Anonymous: true})
	if err == nil || err.Error() != "far: origin: no bucket" {
		t.Error(err)
	}
}
