package node_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
)

// counted is an origin that has one object, and counts what it is asked.
type counted struct {
	fakeOrigin
	asked int
}

func countedOrigin(o pattern.Object) *counted {
	c := new(counted)
	c.head = func(context.Context, object.Key) (*object.Info, error) {
		c.asked++
		return infoOf(o, `"`+o.Bucket+`"`), nil
	}
	c.get = func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
		c.asked++
		return fetched(o, infoOf(o, `"`+o.Bucket+`"`), f), nil
	}
	return c
}

// readWhole reads an object of the bucket through what is in use, or was.
func readWhole(t *testing.T, from interface {
	Open(ctx context.Context, ask *object.Ask) (*object.Answer, error)
}, want pattern.Object,
) {
	t.Helper()
	a, err := from.Open(t.Context(), &object.Ask{Key: object.Key{Bucket: bucket, Name: want.Key}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if _, err := want.CheckReader(io.Reader(a.Body), 0, want.Size); err != nil {
		t.Error(err)
	}
}

// What was stored while a bucket stood for one place is not found while it stands for
// another, and is found again when it stands for the first; whoever began with one
// place is read to from there.
func TestPlacesAreKeptApart(t *testing.T) {
	one := pattern.Object{Bucket: "one", Key: "k", Version: "1", Size: 3 * mib}
	two := pattern.Object{Bucket: "two", Key: "k", Version: "1", Size: 3 * mib}
	first, second := countedOrigin(one), countedOrigin(two)
	at := func(o node.Origin, place uint64) map[string]node.Bucket {
		return map[string]node.Bucket{bucket: {Origin: o, Place: place, Freshness: object.Freshness{Default: time.Hour}}}
	}
	n := newAlone(t, first, func(o *node.Options) { o.Buckets = at(first, 1) })
	former := n.Buckets()
	readWhole(t, n, one)
	n.Use(n.Prepare(at(second, 2)))
	readWhole(t, n, two)
	readWhole(t, former, one)
	readWhole(t, n.Buckets(), two)
	if first.asked != 1 || second.asked != 1 {
		t.Errorf("S3 was asked %d and %d times, want once each", first.asked, second.asked)
	}
	n.Use(n.Prepare(at(first, 1)))
	readWhole(t, n, one)
	if first.asked != 1 {
		t.Error("what was stored for the first place is lost")
	}
	if key := n.Placed(object.Key{Bucket: bucket, Name: "k"}); key.Place != 1 {
		t.Errorf("placed at %d", key.Place)
	}
}

// Another node asks by the place that it knows: for another one there is no answer.
func TestAnotherPlaceIsAnUnknownBucket(t *testing.T) {
	o := pattern.Object{Bucket: "one", Key: "k", Version: "1", Size: 1000}
	origin := countedOrigin(o)
	n := newAlone(t, origin, func(opts *node.Options) {
		opts.Buckets = map[string]node.Bucket{bucket: {Origin: origin, Place: 1, Freshness: object.Freshness{Default: time.Hour}}}
	})
	readWhole(t, n, o)
	for place, want := range map[uint64]error{0: object.ErrUnknownBucket, 1: nil, 2: object.ErrUnknownBucket} {
		a, err := n.OpenLocal(t.Context(), &object.Ask{Key: object.Key{Bucket: bucket, Name: "k", Place: place}, HeadOnly: true})
		if !errors.Is(err, want) || (err == nil) != (a != nil) {
			t.Errorf("place %d: %v, %v", place, a, err)
		}
	}
}

// A bucket that is gone is not there for whoever begins now, and is for who began before.
func TestABucketThatIsGone(t *testing.T) {
	o := pattern.Object{Bucket: "one", Key: "k", Version: "1", Size: 1000}
	origin := countedOrigin(o)
	n := newAlone(t, origin)
	former := n.Buckets()
	n.Use(n.Prepare(map[string]node.Bucket{"other": {Origin: origin}}))
	n.Use(n.Prepare(map[string]node.Bucket{"third": {Origin: origin}}))
	ask := &object.Ask{Key: object.Key{Bucket: bucket, Name: "k"}}
	for name, open := range map[string]func(context.Context, *object.Ask) (*object.Answer, error){"Open": n.Open, "OpenLocal": n.OpenLocal} {
		if _, err := open(t.Context(), ask); !errors.Is(err, object.ErrUnknownBucket) {
			t.Errorf("%s: %v", name, err)
		}
	}
	readWhole(t, former, o)
	if reads := n.Reads(); len(reads) != 1 {
		t.Errorf("counts of %v", reads)
	}
}
