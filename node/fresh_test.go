package node_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

func TestWithoutAStrongETagAnObjectIsOneGet(t *testing.T) {
	for name, meta := range map[string]s3test.Meta{"weak": {ETag: `W/"1"`}, "none": {NoETag: true}} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, three)
			o := c.put("k", "1", 66*mib+5, meta)
			_, others := c.owner("k")
			for _, n := range append(others, others...) {
				n.read(t, get("k"), o)
			}
			others[0].read(t, getRange("k", 65*mib, 65*mib+9), o)
			others[1].read(t, head("k"), o)
			c.requests("k", 0, 1)
			c.fetchedOnce(o)
		})
	}
}

// Who wants bytes without a strong ETag does not wait for a HEAD, which could not
// promise them; and that HEAD, when it is answered, does not unsay what the later
// GET has told.
func TestAHeadOnItsWayIsNoAnswerForBytesWithoutStrongETag(t *testing.T) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 2 * mib}
	var gets atomic.Int64
	asked, answer := make(chan struct{}), make(chan struct{})
	n := newAlone(t, &fakeOrigin{
		head: func(context.Context, object.Key) (*object.Info, error) {
			close(asked)
			<-answer
			return infoOf(o, ""), nil
		},
		get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
			info := infoOf(o, "")
			if gets.Add(1) == 1 {
				info.Validated = info.Validated.Add(-2 * time.Hour) // stale at once
			}
			return fetched(o, info, f), nil
		},
	})
	n.read(t, get("k"), o)
	n.flightsEnd(t)
	told := make(chan error)
	go func() {
		_, err := n.Open(context.Background(), head("k"))
		told <- err
	}()
	<-asked
	n.read(t, get("k"), o)
	n.flightsEnd(t)
	close(answer)
	if err := <-told; err != nil {
		t.Error(err)
	}
	n.read(t, get("k"), o)
	if got := gets.Load(); got != 2 {
		t.Errorf("%d GETs, want the stale one's and its successor's", got)
	}
}

func TestABrokenGetWithoutStrongETagKeepsNothing(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 3*mib, s3test.Meta{NoETag: true})
	c.s3.Script(bucket, "k", s3test.Step{End: &s3test.End{After: 2*mib + 10, How: s3test.Cut}})
	n := c.nodes["alone"]
	a, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, o); err == nil {
		t.Error("a body that broke off looked complete")
	}
	n.flightsEnd(t)
	n.read(t, get("k"), o)
	c.requests("k", 0, 2)
}

func TestNoStorePassesThrough(t *testing.T) {
	for _, control := range []string{"no-store", "private, max-age=60"} {
		c := newCluster(t, three)
		o := c.put("k", "1", 2*mib, s3test.Meta{Header: http.Header{"Cache-Control": {control}}})
		owner, others := c.owner("k")
		for i, n := range []*testNode{owner, others[0], others[1]} {
			a := n.read(t, get("k"), o)
			if a.Outcome != object.Bypass {
				t.Errorf("%s: outcome %v, want BYPASS", control, a.Outcome)
			}
			c.requests("k", 0, i+1)
		}
		owner.read(t, getRange("k", mib, mib+10), o)
	}
}

func TestAStaleObjectIsConfirmedByOneConditionalGet(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 300_000, s3test.Meta{Header: http.Header{"Cache-Control": {"max-age=60, must-revalidate"}}})
	owner, others := c.owner("k")
	owner.read(t, get("k"), o)
	owner.flightsEnd(t) // until then a reader finds the bytes in the flight
	c.clock.pass(61 * time.Second)
	if a := others[0].read(t, get("k"), o); a.Outcome != object.Revalidated {
		t.Errorf("outcome %v, want REVALIDATED", a.Outcome)
	}
	if a := others[0].read(t, get("k"), o); a.Outcome != object.Hit {
		t.Errorf("outcome %v, want HIT", a.Outcome)
	}
	c.requests("k", 0, 2)
	now := c.put("k", "2", 200_000, s3test.Meta{})
	c.clock.pass(61 * time.Second)
	if a := others[1].read(t, get("k"), now); a.Outcome != object.Miss || !a.Changed || a.ForwardStatus != 200 {
		t.Errorf("%+v, want a changed one", a)
	}
	c.requests("k", 0, 3) // the answer that told it was its body
}

// A copy in place changes headers and date under the same ETag: the 304 tells of the
// date, and a HEAD of the headers.
func TestHeadersThatChangedUnderTheSameETagAreTaken(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 100, s3test.Meta{Header: http.Header{"X-Amz-Meta-A": {"1"}}})
	n := c.nodes["alone"]
	n.read(t, get("k"), o)
	n.flightsEnd(t)
	c.put("k", "1", 100, s3test.Meta{Header: http.Header{"X-Amz-Meta-A": {"2"}}, LastModified: s3test.LastModified.Add(time.Second)})
	c.clock.pass(2 * time.Hour)
	if a := n.read(t, get("k"), o); a.Info.Get("X-Amz-Meta-A") != "2" {
		t.Errorf("headers %v are the old ones", a.Info.Header)
	}
	if a := n.read(t, get("k"), o); a.Info.Get("X-Amz-Meta-A") != "2" || a.Source != object.SourceHot {
		t.Errorf("%v: headers %v", a.Source, a.Info.Header)
	}
	c.requests("k", 1, 2)
}

func TestStaleWhileRevalidate(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	old := c.put("k", "1", 100, s3test.Meta{})
	n := c.nodes["alone"]
	n.read(t, get("k"), old)
	now := c.put("k", "2", 100, s3test.Meta{})
	c.clock.pass(time.Hour + time.Second)
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	for range 5 {
		if a := n.read(t, get("k"), old); a.Outcome != object.Stale {
			t.Errorf("outcome %v, want STALE", a.Outcome)
		}
	}
	<-gate.Reached()
	gate.Open()
	if err := c.s3.Await(context.Background(), func(all []s3test.Request) bool {
		return len(all) == 2 && all[1].Status == 200
	}); err != nil {
		t.Fatal(err)
	}
	n.Settle()
	n.flightsEnd(t)
	n.read(t, get("k"), now)
	c.requests("k", 0, 2) // the refresh brought what had changed
}

func TestStaleIfError(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 100, s3test.Meta{})
	n := c.nodes["alone"]
	n.read(t, get("k"), o)
	c.s3.Everything(&s3test.Step{Status: 500, Code: "InternalError"})
	c.clock.pass(20 * time.Hour)
	if a := n.read(t, get("k"), o); a.Outcome != object.Stale {
		t.Errorf("outcome %v, want STALE", a.Outcome)
	}
	c.clock.pass(20 * time.Hour)
	_, err := n.Open(context.Background(), get("k"))
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Status != 500 {
		t.Errorf("past the window: got %v, want S3's 500", err)
	}
}

func TestAnObjectThatWasDeletedIsGoneOnceStale(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 100, s3test.Meta{})
	n := c.nodes["alone"]
	n.read(t, get("k"), o)
	c.s3.Delete(bucket, "k")
	c.clock.pass(2 * time.Hour)
	for range 2 {
		_, err := n.Open(context.Background(), get("k"))
		var refused *object.OriginError
		if !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("got %v, want 404", err)
		}
	}
}

func TestHandOffReadsGiveOnlyWhatIsStored(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 5*mib, s3test.Meta{})
	n := c.nodes["alone"]
	only := get("k")
	only.OnlyIfHave = true
	if _, err := n.OpenLocal(context.Background(), only); !errors.Is(err, object.ErrNotHeld) {
		t.Errorf("nothing stored: got %v", err)
	}
	n.read(t, getRange("k", 0, 2*mib-1), o)
	n.flightsEnd(t)
	c.s3.Forget()
	pin := object.Pin{Version: object.VersionOf(s3test.ETag(o), o.Size), Size: o.Size, ETag: s3test.ETag(o)}
	ask := getRange("k", mib, 5*mib-1)
	ask.Pin, ask.OnlyIfHave = &pin, true
	a, err := n.OpenLocal(context.Background(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if a.Length != mib {
		t.Errorf("%d bytes, want the one chunk that is stored", a.Length)
	}
	if err := check(a, o); err != nil {
		t.Error(err)
	}
	if got := c.s3.Requests(); len(got) != 0 {
		t.Errorf("S3 was asked: %v", got)
	}
}
