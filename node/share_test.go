package node_test

import (
	"context"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/ring"
)

// A node that has a part of an extent, from the time when that was its own, gives
// that part and takes the rest from the owner, not from S3.
func TestAfterAChangeOfTheRingAPartHeldHereIsNoReasonToFetchTheRest(t *testing.T) {
	c := newCluster(t, three)
	key, first, second := c.split(t)
	o := c.put(key, "1", 80*mib, s3test.Meta{})
	second.read(t, get(key), o)
	for _, name := range three {
		c.nodes[name].flightsEnd(t)
	}
	// The key's owner was alone for a while, and read a little of the second extent.
	whole := c.ring.Load()
	c.ring.Store(ring.Build([]string{c.nameOf(first)}))
	first.read(t, getRange(key, 64*mib, 65*mib), o)
	first.flightsEnd(t)
	c.ring.Store(whole)
	c.s3.Forget()
	first.read(t, getRange(key, 60*mib, 80*mib-1), o)
	if got := c.s3.Requests(); len(got) != 0 {
		t.Errorf("S3 was asked for what the owner has: %v", got)
	}
}

func (c *testCluster) nameOf(n *testNode) string {
	for name, other := range c.nodes {
		if other == n {
			return name
		}
	}
	return ""
}

// Many readers of the same few bytes at the same moment, over and over: some look
// before the others' fetch, some while it comes, some as it is written down.
func TestReadersAtTheSameMomentShareOneGet(t *testing.T) {
	var gets atomic.Int64
	o := pattern.Object{Bucket: bucket, Version: "1", Size: 3000}
	n := newAlone(t, &fakeOrigin{
		head: func(context.Context, object.Key) (*object.Info, error) { return infoOf(o, `"x"`), nil },
		get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
			gets.Add(1)
			named := o
			named.Key = f.Key.Name
			return fetched(named, infoOf(o, `"x"`), f), nil
		},
	})
	for round := range 400 {
		named := o
		named.Key = strconv.Itoa(round)
		n.read(t, head(named.Key), named)
		gets.Store(0)
		var readers sync.WaitGroup
		for range 6 {
			readers.Go(func() {
				a, err := n.Open(context.Background(), getRange(named.Key, 0, 2999))
				if err == nil {
					err = check(a, named)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if got := gets.Load(); got != 1 {
			t.Fatalf("round %d: %d GETs", round, got)
		}
	}
}

// A Read without room is no reason to spin.
func TestAReadOfNothingReturns(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 2*mib, s3test.Meta{})
	owner, others := c.owner("k")
	for _, n := range []*testNode{owner, others[0]} {
		soon(t, func(ctx context.Context) {
			a, err := n.Open(ctx, get("k"))
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := a.Body.Read(nil); n != 0 || err != nil {
				t.Errorf("read %d bytes, %v", n, err)
			}
			if err := check(a, o); err != nil {
				t.Error(err)
			}
		})
	}
}

// What one GET of the whole is bringing already is not fetched again by a
// reader that came by a HEAD, nor the other way round, though nothing is stored.
func TestOnAFullDiskWholeAndPartShareAFlight(t *testing.T) {
	c, n, disk := onFaultyDisk(t)
	disk.full.Store(true)
	o := c.put("k", "1", 2*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "k", 1000)
	part, err := n.Open(context.Background(), getRange("k", 0, 2*mib-1))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.s3.Await(ctx, func(all []s3test.Request) bool { // HEAD, GET of the part, GET of the whole
		return len(all) == 3 && !all[1].Done && all[2].Done
	}); err != nil {
		t.Fatalf("the second GET goes on: %v", c.s3.Requests())
	}
	gate.Open()
	for at := int64(0); at < o.Size; at += mib {
		for _, a := range []*object.Answer{part, whole} {
			p := make([]byte, mib)
			if _, err := io.ReadFull(a.Body, p); err != nil {
				t.Fatal(err)
			}
			if err := o.Check(p, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	part.Body.Close()
	whole.Body.Close()
	c.requests("k", 1, 2)
}

// A stale info that a GET in progress told is not told to those who come later.
func TestAnAnswerInProgressIsNotFreshForEver(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	n := c.nodes["alone"]
	old := c.put("k", "1", 8*mib, s3test.Meta{NoETag: true})
	gate := c.s3.Hold(bucket, "k", 5*mib)
	first, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	<-gate.Reached()
	gate.Open()
	c.clock.pass(2 * time.Hour)
	now := c.put("k", "2", 3*mib, s3test.Meta{NoETag: true})
	n.read(t, head("k"), now)
	n.read(t, get("k"), now)
	if err := check(first, old); err != nil {
		t.Error(err)
	}
}
