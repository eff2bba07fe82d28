package node_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

var three = []string{"rook-0", "rook-1", "rook-2"}

const mib = 1 << 20

func TestManyClientsOfOneColdObjectFetchEachByteOnce(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("cold", "1", 64*mib, s3test.Meta{})
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			a, err := c.nodes[three[i%3]].Open(context.Background(), get("cold"))
			if err == nil {
				err = check(a, o)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	c.fetchedOnce(o)
	c.requests("cold", 0, 1)
}

func TestOneByteOfALargeColdObjectFetchesOneChunk(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("large", "1", 256*mib, s3test.Meta{})
	at := int64(200*mib + 12345)
	c.nodes["rook-1"].read(t, getRange("large", at, at), o)
	for n, times := range c.s3.Fetches(bucket, "large") {
		if want := 0; n == 200 && times != 1 || n != 200 && times != want {
			t.Errorf("chunk %d was fetched %d times", n, times)
		}
	}
	c.requests("large", 1, 1)
}

func TestALargeObjectIsSpreadOverTheOwnersOfItsExtents(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("large", "1", 200*mib+1, s3test.Meta{})
	for _, name := range three {
		c.nodes[name].read(t, get("large"), o)
	}
	key := object.Key{Bucket: bucket, Name: "large"}
	v := object.VersionOf(s3test.ETag(o), o.Size)
	for n := range object.Chunks(o.Size) {
		owner := c.ring.Load().Owners(key, n/object.ExtentChunks)[0]
		for _, name := range three {
			if has := c.nodes[name].store.Has(key, v, n); has != (name == owner) {
				t.Errorf("chunk %d: stored on %s: %t; its owner is %s", n, name, has, owner)
			}
		}
	}
	// One plain GET that told the size and was given up, and one for each extent.
	c.requests("large", 0, 5)
}

func TestAReaderInTheMiddleJoins(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("cold", "1", 4*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "cold", 2*mib+100)
	owner, others := c.owner("cold")
	first, err := others[0].Open(context.Background(), get("cold"))
	if err != nil {
		t.Fatal(err)
	}
	<-gate.Reached()
	// The second wants bytes that have come, bytes that come now, and more.
	second, err := owner.Open(context.Background(), getRange("cold", mib+5, 3*mib+5))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := others[1].Open(context.Background(), head("cold")); err != nil || a.Info.Size != o.Size {
		t.Fatalf("HEAD in the middle: %v", err)
	}
	gate.Open()
	for _, a := range []*object.Answer{second, first} {
		if err := check(a, o); err != nil {
			t.Error(err)
		}
	}
	c.fetchedOnce(o)
	c.requests("cold", 0, 1)
}

func TestTheFirstByteComesAsSoonAsS3GivesIt(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("slow", "1", 4*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "slow", 10)
	_, others := c.owner("slow")
	a, err := others[0].Open(context.Background(), get("slow"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	first := make([]byte, 10)
	if _, err := io.ReadFull(a.Body, first); err != nil { // while S3 holds the rest back
		t.Fatal(err)
	}
	if err := o.Check(first, 0); err != nil {
		t.Error(err)
	}
	gate.Open()
	if _, err := o.CheckReader(a.Body, 10, o.Size); err != nil {
		t.Error(err)
	}
}

func TestOnlyWhoWaitsForAnothersRequestIsCollapsed(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("slow", "1", 4*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "slow", 10)
	owner, _ := c.owner("slow")
	for _, collapsed := range []bool{false, true} {
		a, err := owner.Open(context.Background(), get("slow"))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if a.Source != object.SourceOrigin || a.Collapsed != collapsed {
			t.Errorf("from %s, collapsed: %t, want %t from the origin", a.Source, a.Collapsed, collapsed)
		}
	}
	gate.Open()
	c.nodes[three[0]].read(t, get("slow"), o)
}

func TestTheFirstClientsLeavingStopsNobody(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("cold", "1", 3*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "cold", mib/2)
	owner, _ := c.owner("cold")
	ctx, leave := context.WithCancel(context.Background())
	first, err := owner.Open(ctx, get("cold"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := owner.Open(context.Background(), get("cold"))
	if err != nil {
		t.Fatal(err)
	}
	leave()
	first.Body.Close()
	gate.Open()
	if err := check(second, o); err != nil {
		t.Error(err)
	}
	c.requests("cold", 0, 1)
}

func TestAFirstClientThatLeavesBeforeTheHeadersStopsNobody(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("cold", "1", 3*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "cold", s3test.BeforeHeaders)
	owner, _ := c.owner("cold")
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, err := owner.Open(ctx, get("cold"))
		left <- err
	}()
	<-gate.Reached()
	done := make(chan error)
	go func() {
		a, err := owner.Open(context.Background(), get("cold"))
		if err == nil {
			err = check(a, o)
		}
		done <- err
	}()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	gate.Open()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAfterARestartNothingIsFetchedAgain(t *testing.T) {
	c := newCluster(t, three)
	objects := map[string]int64{"empty": 0, "tiny": 1, "small": 200_000, "chunk": mib, "odd": 5*mib + 3, "two extents": 70 * mib}
	readAll := func() {
		for key, size := range objects {
			o := c.put(key, "1", size, s3test.Meta{})
			for _, name := range three {
				c.nodes[name].read(t, get(key), o)
			}
		}
	}
	readAll()
	c.restart()
	c.s3.Forget()
	readAll()
	if got := c.s3.Requests(); len(got) != 0 {
		t.Errorf("S3 was asked again: %v", got)
	}
	c.clock.pass(2 * time.Hour) // past freshness and stale-while-revalidate
	readAll()
	for key := range objects {
		if key == "two extents" { // a body of which could not be used as it comes
			c.requests(key, 1, 0)
			continue
		}
		c.requests(key, 0, 1) // a 304 to a conditional GET
	}
}

// What an answer says of itself does not depend on who was quicker, the flight
// or the reader.
func TestAMissIsAMissHoweverQuickS3Is(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 50*mib, s3test.Meta{})
	for at := range int64(50) {
		a := c.nodes["alone"].read(t, getRange("k", at*mib, at*mib+9), o)
		if a.Source != object.SourceOrigin || a.Outcome != object.Miss || !a.Stored || a.Collapsed {
			t.Fatalf("chunk %d: source %v, %v, stored %t, collapsed %t", at, a.Source, a.Outcome, a.Stored, a.Collapsed)
		}
	}
}

func TestAnObjectOnlyAskedByHead(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("o", "1", 10*mib, s3test.Meta{})
	for range 3 {
		for _, name := range three {
			c.nodes[name].read(t, head("o"), o)
		}
	}
	c.requests("o", 1, 0)
	c.nodes["rook-0"].read(t, get("o"), o)
	c.requests("o", 1, 1)
	c.fetchedOnce(o)
}

func TestAFlightNobodyReadsEndsWithItsChunk(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	c.put("cold", "1", 60*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "cold", mib/2)
	n := c.nodes["alone"]
	a, err := n.Open(context.Background(), get("cold"))
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	gate.Open()
	v := object.VersionOf(s3test.ETag(c.put("cold", "1", 60*mib, s3test.Meta{})), 60*mib)
	n.flightsEnd(t)
	key := object.Key{Bucket: bucket, Name: "cold"}
	if !n.store.Has(key, v, 0) {
		t.Error("the chunk in flight was not finished")
	}
	if n.store.Has(key, v, 1) {
		t.Error("the flight went on although nobody read it")
	}
}

// flightsEnd waits until no fetch is in progress.
func (n *testNode) flightsEnd(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if count, _ := n.Flights(); count == 0 {
			return
		}
	}
	t.Fatal("flights do not end")
}
