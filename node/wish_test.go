package node_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

// wishing is a read with what a client asks of the cache.
func wishing(ask *object.Ask, change func(*object.Wish)) *object.Ask {
	ask.Wish = &object.Wish{MaxAge: object.NoLimit, MaxStale: object.NoLimit}
	change(ask.Wish)
	return ask
}

var (
	wantsNoCache = func(w *object.Wish) { w.NoCache = true }
	wantsNoStore = func(w *object.Wish) { w.NoStore = true }
	wantsCached  = func(w *object.Wish) { w.OnlyIfCached = true }
)

// A client's limits send what is fresh back to S3, on every node and past its hot
// copies; and what S3 confirms is fresh for all.
func TestAClientsLimitsAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		control string
		wish    func(*object.Wish)
		want    object.Outcome
	}{
		"no-cache":               {"max-age=600", wantsNoCache, object.Revalidated},
		"no-cache, immutable":    {"max-age=600, immutable", wantsNoCache, object.Revalidated},
		"max-age":                {"max-age=600", func(w *object.Wish) { w.MaxAge = 59 * time.Second }, object.Revalidated},
		"max-age, old enough":    {"max-age=600", func(w *object.Wish) { w.MaxAge = time.Minute }, object.Hit},
		"max-age, immutable":     {"max-age=600, immutable", func(w *object.Wish) { w.MaxAge = 0 }, object.Hit},
		"min-fresh":              {"max-age=600", func(w *object.Wish) { w.MinFresh = 541 * time.Second }, object.Revalidated},
		"min-fresh, long enough": {"max-age=600", func(w *object.Wish) { w.MinFresh = 540 * time.Second }, object.Hit},
		"max-stale":              {"max-age=30, stale-while-revalidate=0", func(w *object.Wish) { w.MaxStale = 30 * time.Second }, object.Stale},
		"max-stale, too little":  {"max-age=30, stale-while-revalidate=0", func(w *object.Wish) { w.MaxStale = 29 * time.Second }, object.Revalidated},
		"max-stale, forbidden":   {"max-age=30, must-revalidate", func(w *object.Wish) { w.MaxStale = time.Hour }, object.Revalidated},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := newCluster(t, three)
			o := nodes.put("k", "1", 1000, control(c.control))
			for range 3 {
				for _, n := range nodes.nodes {
					n.read(t, get("k"), o)
				}
			}
			nodes.settle(t)
			nodes.clock.pass(time.Minute)
			nodes.s3.Forget()
			_, others := nodes.owner("k")
			a := others[0].read(t, wishing(get("k"), c.wish), o)
			fresh := c.control[:len("max-age=600")] == "max-age=600"
			if a.Outcome != c.want || a.Requested != (fresh && c.want == object.Revalidated) {
				t.Errorf("%v, requested: %t", a.Outcome, a.Requested)
			}
			if c.want == object.Revalidated {
				nodes.requests("k", 0, 1)
			} else {
				nodes.requests("k", 0, 0)
			}
		})
	}
}

// no-cache asks each time, also of what S3 has confirmed at this very moment.
func TestAClientsNoCacheAsksEachTime(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	o := c.put("k", "1", 1000, control("max-age=600"))
	n.read(t, get("k"), o)
	c.settle(t)
	for range 3 {
		n.read(t, wishing(get("k"), wantsNoCache), o)
	}
	c.requests("k", 0, 4)
	c.s3.Everything(&s3test.Step{Status: 500})
	if _, err := n.Open(context.Background(), wishing(get("k"), wantsNoCache)); err == nil {
		t.Error("the stale was served to who said no-cache")
	}
	if a := n.read(t, get("k"), o); a.Outcome != object.Hit {
		t.Errorf("%v for who said nothing", a.Outcome)
	}
}

// only-if-cached asks S3 for nothing: it is answered with what is held, all of it, or
// not at all.
func TestOnlyIfCached(t *testing.T) {
	c := newCluster(t, three)
	_, others := c.owner("k")
	n := others[0]
	refused := func(ask *object.Ask) {
		t.Helper()
		if _, err := n.Open(context.Background(), wishing(ask, wantsCached)); !errors.Is(err, object.ErrNotHeld) {
			t.Errorf("got %v, want ErrNotHeld", err)
		}
	}
	refused(get("k"))
	refused(head("k"))
	o := c.put("k", "1", 3*mib, s3test.Meta{Header: http.Header{"Cache-Control": {"max-age=60, must-revalidate"}}})
	n.read(t, getRange("k", 0, 99), o)
	c.settle(t)
	c.s3.Forget()
	n.read(t, wishing(getRange("k", 0, mib-1), wantsCached), o)
	n.read(t, wishing(head("k"), wantsCached), o)
	refused(get("k"))
	refused(getRange("k", mib, mib))
	c.clock.pass(time.Minute)
	refused(getRange("k", 0, 99))
	c.requests("k", 0, 0)
}

// What no-store brings is not kept; what is held answers it.
func TestAClientsNoStoreKeepsNothing(t *testing.T) {
	c := newCluster(t, three)
	_, others := c.owner("k")
	n := others[0]
	o := c.put("k", "1", 2*mib, s3test.Meta{})
	for i := range 2 {
		if a := n.read(t, wishing(get("k"), wantsNoStore), o); a.Outcome != object.Bypass || a.Stored {
			t.Errorf("%v, stored: %t", a.Outcome, a.Stored)
		}
		c.requests("k", 0, i+1)
	}
	n.read(t, wishing(getRange("k", 5, mib), wantsNoStore), o)
	n.read(t, wishing(head("k"), wantsNoStore), o)
	c.requests("k", 2, 3)
	n.read(t, get("k"), o)
	c.requests("k", 2, 4)
	c.settle(t)
	if a := n.read(t, wishing(get("k"), wantsNoStore), o); a.Outcome != object.Hit {
		t.Errorf("%v, want a hit", a.Outcome)
	}
	c.requests("k", 2, 4)
}

// An absence that is remembered is no answer to who wants S3's own.
func TestAClientsNoCacheAsksForAnAbsenceToo(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	c.put("other", "1", 1, s3test.Meta{})
	for range 2 {
		if _, err := n.Open(context.Background(), get("k")); err == nil {
			t.Fatal("there is something")
		}
	}
	c.requests("k", 0, 1)
	o := c.put("k", "1", 1000, s3test.Meta{})
	n.read(t, wishing(get("k"), wantsNoCache), o)
	n.read(t, get("k"), o)
	c.requests("k", 0, 2)
}

// The infos of an object's parts are keys of their own, and their bytes the object's.
func TestPartsAreKeysOfTheirOwn(t *testing.T) {
	c := newCluster(t, three)
	_, others := c.owner("k")
	o := c.put("k", "1", 2*mib, s3test.Meta{Parts: []int64{mib, mib}})
	for range 2 {
		for part, place := range map[int]string{1: "bytes 0-1048575/2097152", 2: "bytes 1048576-2097151/2097152"} {
			ask := head("k")
			ask.Key.Part = part
			a, err := others[0].Open(context.Background(), ask)
			if err != nil || a.Info.Get("Content-Range") != place || a.Info.Size != mib || a.Info.ETag != s3test.ETag(o) {
				t.Errorf("part %d: %v, %+v", part, err, a)
			}
		}
	}
	c.requests("k", 2, 0)
	others[0].read(t, get("k"), o)
	c.requests("k", 2, 1)
}
