package node_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"rookery/internal/s3test"
	"rookery/object"
)

func TestAnOwnerThatIsDownIsPassedOver(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 3*mib, s3test.Meta{})
	owners := c.ring.Load().Owners(object.Key{Bucket: bucket, Name: "k"}, 0)
	last := c.nodes[owners[2]]
	last.peers.breakOff(owners[0], 0)
	a := last.read(t, get("k"), o)
	if a.Source != object.SourcePeer {
		t.Errorf("with its owner down the object came from %v, want its successor", a.Source)
	}
	last.peers.breakOff(owners[1], 0)
	if a = last.read(t, get("k"), o); a.Source != object.SourceOrigin {
		t.Errorf("with all owners down the object came from %v, want S3", a.Source)
	}
	c.requests("k", 0, 2) // one by the successor, one by the node itself
}

func TestAPartThatBreaksIsContinuedAtItsNextByte(t *testing.T) {
	for _, size := range []int64{3 * mib, 70 * mib} {
		c := newCluster(t, three)
		o := c.put("k", "1", size, s3test.Meta{})
		owners := c.ring.Load().Owners(object.Key{Bucket: bucket, Name: "k"}, 0)
		last := c.nodes[owners[2]]
		last.peers.breakOff(owners[0], mib+777)
		last.read(t, get("k"), o)
	}
}

// An end that comes before a part's own is none: the peer has broken its promise.
func TestAPartThatEndsEarlyIsNoEnd(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 3*mib, s3test.Meta{})
	_, others := c.owner("k")
	others[0].peers.with = io.EOF
	for _, name := range three {
		others[0].peers.breakOff(name, mib+777)
	}
	a, err := others[0].Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, o); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want a broken body", err)
	}
}

func TestABodyWithoutStrongETagIsCutWhenItsOwnerBreaks(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("weak", "1", 3*mib, s3test.Meta{ETag: `W/"1"`})
	owners := c.ring.Load().Owners(object.Key{Bucket: bucket, Name: "weak"}, 0)
	last := c.nodes[owners[2]]
	last.peers.breakOff(owners[0], mib+777)
	a, err := last.Open(context.Background(), get("weak"))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, o); !errors.Is(err, object.ErrGone) {
		t.Errorf("got %v, want a broken body", err)
	}
}

func TestABrokenOriginBodyIsResumedUnderIfMatch(t *testing.T) {
	cases := map[string]s3test.Step{
		"reset": {End: &s3test.End{After: mib + 10, How: s3test.Reset}},
		"cut":   {End: &s3test.End{After: mib + 10, How: s3test.Cut}},
		"503":   {Status: 503, Code: "SlowDown"},
	}
	for name, step := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, []string{"alone"})
			o := c.put("k", "1", 3*mib, s3test.Meta{})
			c.s3.Script(bucket, "k", step)
			c.nodes["alone"].read(t, get("k"), o)
			all := c.s3.Requests()
			if len(all) != 2 {
				t.Fatalf("S3 got %v", all)
			}
			if resumed := step.End != nil; resumed && all[1].Header.Get("If-Match") != s3test.ETag(o) {
				t.Errorf("the body was resumed without If-Match: %v", all[1])
			}
		})
	}
}

func TestAnOverwrittenObjectIsNeverMixed(t *testing.T) {
	c := newCluster(t, three)
	old := c.put("k", "1", 70*mib, s3test.Meta{})
	owner, others := c.owner("k")
	owner.read(t, getRange("k", 0, 0), old) // info and chunk 0 of the old version
	now := c.put("k", "2", 70*mib+5, s3test.Meta{})

	// A reader of bytes that are not cached finds the old version gone, and
	// starts over on the new one: here, and where another node owns the extent.
	for _, n := range []*testNode{others[0], owner, others[1]} {
		n.read(t, getRange("k", 5*mib, 6*mib), now)
		n.read(t, getRange("k", 65*mib, 66*mib), now)
		n.read(t, get("k"), now)
	}
}

func TestAnOverwriteUnderAReaderCutsItShort(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	old := c.put("k", "1", 4*mib, s3test.Meta{})
	c.s3.Script(bucket, "k", s3test.Step{End: &s3test.End{After: 2 * mib, How: s3test.Cut}})
	gate := c.s3.Hold(bucket, "k", 2*mib-10)
	n := c.nodes["alone"]
	a, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	<-gate.Reached()
	now := c.put("k", "2", 4*mib, s3test.Meta{})
	gate.Open()
	if err := check(a, old); !errors.Is(err, object.ErrGone) {
		t.Errorf("the reader of the old version got %v, want a body cut short", err)
	}
	n.read(t, get("k"), now)
}

func TestErrorsOfS3StayWhatTheyAre(t *testing.T) {
	c := newCluster(t, three)
	c.put("other", "1", 1, s3test.Meta{})
	owner, others := c.owner("absent")
	for range 3 {
		for _, n := range append(others, owner) {
			_, err := n.Open(context.Background(), get("absent"))
			var refused *object.OriginError
			if !errors.As(err, &refused) || refused.Status != 404 || refused.Code != "NoSuchKey" {
				t.Fatalf("got %v, want S3's 404", err)
			}
		}
	}
	c.requests("absent", 0, 1) // and is remembered for a short while
	o := c.put("absent", "1", 10, s3test.Meta{})
	c.clock.pass(11e9)
	owner.read(t, get("absent"), o)

	c.s3.Script(bucket, "secret", s3test.Step{Status: 403, Code: "AccessDenied"})
	_, err := others[0].Open(context.Background(), get("secret"))
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Status != 403 || refused.Code != "AccessDenied" {
		t.Errorf("got %v, want S3's 403", err)
	}
}

func TestAnUnknownBucketIsAnError(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	_, err := c.nodes["alone"].Open(context.Background(), &object.Ask{Key: object.Key{Bucket: "other", Name: "k"}})
	if !errors.Is(err, object.ErrUnknownBucket) {
		t.Errorf("got %v", err)
	}
}
