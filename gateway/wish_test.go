package gateway_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"rookery/gateway"
	"rookery/object"
)

func TestClientCacheControl(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes[0].ClientCacheControl = true
		o.Policy.Routes = append(o.Policy.Routes, gateway.Route{Bucket: "deaf"})
	})
	f.node.hold(key("o"), "v", 1)
	f.node.hold(object.Key{Bucket: "deaf", Name: "o"}, "v", 1)
	none := object.Wish{MaxAge: object.NoLimit, MaxStale: object.NoLimit}
	with := func(change func(*object.Wish)) *object.Wish { w := none; change(&w); return &w }
	for _, c := range []struct {
		header []string
		want   *object.Wish
	}{
		{nil, nil},
		{[]string{"Cache-Control", "no-transform, max-age=x, min-fresh"}, nil},
		{[]string{"Cache-Control", "No-Cache"}, with(func(w *object.Wish) { w.NoCache = true })},
		{[]string{"Cache-Control", "no-store", "Cache-Control", "only-if-cached"}, with(func(w *object.Wish) { w.NoStore, w.OnlyIfCached = true, true })},
		{[]string{"Cache-Control", "max-age=0, min-fresh=7"}, with(func(w *object.Wish) { w.MaxAge, w.MinFresh = 0, 7*time.Second })},
		{[]string{"Cache-Control", "max-stale=60"}, with(func(w *object.Wish) { w.MaxStale = time.Minute })},
		{[]string{"Cache-Control", "max-stale"}, with(func(w *object.Wish) { w.MaxStale = math.MaxUint32 * time.Second })},
		{[]string{"Pragma", "no-cache"}, with(func(w *object.Wish) { w.NoCache = true })},
		{[]string{"Pragma", "no-cache", "Cache-Control", "max-age=60"}, with(func(w *object.Wish) { w.MaxAge = time.Minute })},
	} {
		f.node.forget()
		f.do("GET", "/public/o", c.header...)
		if got := f.node.asked()[0].Wish; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, want %+v", c.header, got, c.want)
		}
		f.node.forget()
		f.do("GET", "/deaf/o", c.header...)
		if got := f.node.asked()[0].Wish; got != nil {
			t.Errorf("%q was heard where clients may not ask: %+v", c.header, got)
		}
	}
}

// Errors say how the cache came to them once it was asked, and nothing before.
func TestCacheStatusOfErrors(t *testing.T) {
	f := newFront(t, nil)
	f.node.hold(key("o"), "v", 10)
	for _, c := range []struct {
		err           error
		code          int
		status, short string
	}{
		{&object.OriginError{Status: 404, Code: "NoSuchKey"}, 404, "rookery; fwd=miss", "MISS"},
		{&object.OriginError{Status: 404, Remembered: 7500 * time.Millisecond}, 404, "rookery; hit; ttl=7", "HIT"},
		{&object.OriginError{Status: 500}, 502, "rookery; fwd=miss; fwd-status=500", "MISS"},
		{&object.OriginError{Status: 504}, 504, "rookery; fwd=miss", "MISS"},
		{&object.OriginError{Status: 503, Unsent: true}, 503, "rookery; detail=origin-spared", "MISS"},
		{object.ErrNotHeld, 504, "rookery; detail=not-held", "MISS"},
		{object.ErrBusy, 503, "rookery; detail=busy", "MISS"},
		{object.ErrUnreachable, 503, "rookery; detail=unavailable", "MISS"},
		{object.ErrBroken, 502, "rookery; fwd=miss", "MISS"},
	} {
		f.node.fail = func(*object.Ask) error { return c.err }
		got := f.do("GET", "/public/o")
		if got.status != c.code || got.header.Get("Cache-Status") != c.status || got.header.Get("X-Cache") != c.short {
			t.Errorf("%v: %d %q %q, want %d %q %q", c.err, got.status, got.header.Get("Cache-Status"), got.header.Get("X-Cache"), c.code, c.status, c.short)
		}
	}
	f.node.fail = nil
	for _, header := range [][]string{{"Range", "bytes=10-"}, {"If-Match", `"w"`}} {
		if got := f.do("GET", "/public/o", header...); got.header.Get("Cache-Status") != "rookery; hit; ttl=3600; detail=hot" || got.header.Get("X-Cache") != "HIT" {
			t.Errorf("%q: %d %v", header, got.status, got.header)
		}
	}
	for _, target := range []string{"/nobody/o", "/public/o?acl", "/public/o?versionId="} {
		if got := f.do("GET", target); got.header.Get("Cache-Status") != "" || got.header.Get("X-Cache") != "" {
			t.Errorf("%s: %d %v", target, got.status, got.header)
		}
	}
}

// Another cache's answer is told with its Age, even if it has just been fetched.
func TestAgeOfAnotherCachesAnswer(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("o"), "v", 1)
	h.answer.Outcome, h.answer.Source = object.Miss, object.SourceOrigin
	h.answer.Info.Header = append(h.answer.Info.Header, object.Field{Name: "Age", Value: "60"})
	if got := f.do("GET", "/public/o").header.Values("Age"); len(got) != 1 || got[0] != "90" {
		t.Errorf("Age %q, want the one that counts", got)
	}
}
