package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// A reader whose body is cut because the version is gone tells the key's owner:
// the next reader gets the new version, and is not cut at the same place for as
// long as the old info is fresh.
func TestAVersionThatIsGoneInTheMiddleIsGoneForTheNextReader(t *testing.T) {
	c := newCluster(t, three)
	key, owner, far := c.split(t)
	old := c.put(key, "1", 70*mib, s3test.Meta{})
	owner.read(t, getRange(key, 0, 64*mib-1), old)
	owner.flightsEnd(t)
	now := c.put(key, "2", 70*mib, s3test.Meta{})
	a, err := far.Open(context.Background(), get(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, old); !errors.Is(err, object.ErrGone) {
		t.Errorf("got %v, want a body cut short", err)
	}
	for _, name := range three {
		c.nodes[name].read(t, get(key), now)
	}
}

// split finds a key whose first two extents have different owners, and returns
// them.
func (c *testCluster) split(t *testing.T) (key string, first, second *testNode) {
	t.Helper()
	for i := range 100 {
		key = fmt.Sprintf("k%d", i)
		k := object.Key{Bucket: bucket, Name: key}
		a, b := c.ring.Load().Owners(k, 0)[0], c.ring.Load().Owners(k, 1)[0]
		if a != b {
			return key, c.nodes[a], c.nodes[b]
		}
	}
	t.Fatal("every key has one owner")
	return "", nil, nil
}

// An object that S3 has no more, found out by a read of bytes that are not
// cached, is absent for everybody, not only for who wants those bytes.
func TestAnObjectFoundDeletedIsDeleted(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 4*mib, s3test.Meta{})
	n := c.nodes["alone"]
	n.read(t, getRange("k", 0, 99), o)
	n.flightsEnd(t)
	c.put("other", "1", 1, s3test.Meta{}) // keeps the bucket
	c.s3.Delete(bucket, "k")
	for i, ask := range []*object.Ask{getRange("k", 3*mib, 3*mib+9), get("k"), head("k")} {
		_, err := n.Open(context.Background(), ask)
		var refused *object.OriginError
		if !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("ask %d: got %v, want 404", i, err)
		}
	}
}

// A small object that arrives after this node has learned of its successor does
// not settle in memory.
func TestAnOldVersionThatArrivesLateIsNotKeptHot(t *testing.T) {
	old := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 1000}
	now := pattern.Object{Bucket: bucket, Key: "k", Version: "2", Size: 2000}
	gone, late := make(chan struct{}), make(chan struct{})
	var gets atomic.Int64
	n := newAlone(t, &fakeOrigin{
		head: func(context.Context, object.Key) (*object.Info, error) { return infoOf(now, `"2"`), nil },
		get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
			if gets.Add(1) > 1 {
				return fetched(now, infoOf(now, `"2"`), f), nil
			}
			answer := fetched(old, infoOf(old, `"1"`), f)
			answer.Body = &lateBody{answer.Body, late}
			return answer, nil
		},
	})
	go func() {
		a, err := n.Open(context.Background(), get("k"))
		if err == nil {
			err = check(a, old)
		}
		if err != nil {
			t.Error(err)
		}
		close(gone)
	}()
	eventually(t, "the old version is on its way", func() bool { count, _ := n.Flights(); return count == 1 })
	suspicious := get("k")
	suspicious.Suspect = object.VersionOf(`"1"`, old.Size)
	n.read(t, suspicious, now)
	close(late)
	<-gone
	n.flightsEnd(t)
	n.read(t, get("k"), now)
}

// lateBody gives nothing before it is time.
type lateBody struct {
	io.ReadCloser
	time chan struct{}
}

func (b *lateBody) Read(p []byte) (int, error) {
	<-b.time
	return b.ReadCloser.Read(p)
}

// The same ETag on another size is another version.
func TestAnotherSizeUnderTheSameETagIsAnotherVersion(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	meta := s3test.Meta{ETag: `"same"`}
	old := c.put("k", "1", 4*mib, meta)
	n := c.nodes["alone"]
	n.read(t, getRange("k", 0, 99), old)
	n.flightsEnd(t)
	now := c.put("k", "2", 5*mib, meta)
	n.read(t, getRange("k", 3*mib, 3*mib+9), now)
	n.read(t, get("k"), now)
}

func TestAPartOfAnotherSizeIsNeverStored(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 3*mib, s3test.Meta{})
	n := c.nodes["alone"]
	n.read(t, head("k"), o)
	step := s3test.Step{Method: "GET", Header: http.Header{"Content-Range": {"bytes 0-1048575/4000000"}}}
	c.s3.Script(bucket, "k", step, step, step)
	if a, err := n.Open(context.Background(), getRange("k", 0, 99)); err == nil {
		a.Body.Close()
		t.Error("an answer that contradicts the info was used")
	}
	n.flightsEnd(t)
	if n.store.Has(object.Key{Bucket: bucket, Name: "k"}, object.VersionOf(s3test.ETag(o), o.Size), 0) {
		t.Error("a chunk of it was stored")
	}
}

// An answer that breaks its promise is an error of S3, as far as the stale may
// be used instead.
func TestStaleIfS3BreaksItsPromise(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 100, s3test.Meta{})
	n := c.nodes["alone"]
	n.read(t, get("k"), o)
	c.clock.pass(20 * time.Hour)
	c.s3.Script(bucket, "k", s3test.Step{Method: "GET", IgnoreIfNoneMatch: true, NoLength: true})
	if a := n.read(t, get("k"), o); a.Outcome != object.Stale {
		t.Errorf("outcome %v, want STALE", a.Outcome)
	}
}
