package node_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
)

// While S3 gives nothing and as many reads wait as may, further ones are refused
// at once, and what memory and disk have is served.
func TestHitsAreServedWhenNoMoreMayWait(t *testing.T) {
	const most = 3
	c := newCluster(t, []string{"alone"}, func(c *testCluster) {
		c.adjustNode = func(o *node.Options) { o.MaxWaiting = most }
	})
	n := c.nodes["alone"]
	hot, disk := c.put("hot", "1", 1000, s3test.Meta{}), c.put("disk", "1", 2*mib, s3test.Meta{})
	n.read(t, get("hot"), hot)
	n.read(t, get("disk"), disk)
	half := c.put("half", "1", 2*mib, s3test.Meta{})
	n.read(t, getRange("half", 0, 10), half)
	n.flightsEnd(t)

	var gates []*s3test.Gate
	for _, key := range []string{"slow-0", "slow-1", "slow-2"} {
		c.put(key, "1", 3*mib, s3test.Meta{})
		gates = append(gates, c.s3.Hold(bucket, key, s3test.BeforeHeaders))
	}
	soon(t, func(ctx context.Context) {
		var waiting sync.WaitGroup
		defer waiting.Wait()
		for i, key := range []string{"slow-0", "slow-1", "slow-2"} {
			waiting.Go(func() {
				a, err := n.Open(ctx, get(key))
				if err != nil {
					t.Error(err)
					return
				}
				a.Body.Close()
			})
			<-gates[i].Reached()
		}
		for _, ask := range []*object.Ask{get("slow-0"), get("other"), head("other"), getRange("half", 1<<20, 1<<20+10)} {
			if _, err := n.Open(ctx, ask); !errors.Is(err, object.ErrBusy) {
				t.Errorf("%s: %v, want busy", ask.Key, err)
			}
		}
		if c.s3.Count("GET", bucket, "other")+c.s3.Count("HEAD", bucket, "other") != 0 {
			t.Error("S3 was asked for a read that was refused")
		}
		n.read(t, get("hot"), hot)
		n.read(t, get("disk"), disk)
		n.read(t, head("disk"), disk)
		// A body that has begun is not refused in its middle.
		a, err := n.Open(ctx, get("half"))
		if err != nil {
			t.Fatal(err)
		}
		if err := check(a, half); err != nil {
			t.Error(err)
		}
		for _, g := range gates {
			g.Open()
		}
	})
	n.read(t, get("other"), c.put("other", "1", 3*mib, s3test.Meta{}))
}

// An owner that is too busy is not passed over: others would ask S3 for what it
// has.
func TestABusyOwnerIsNotPassedOver(t *testing.T) {
	c := newCluster(t, []string{"a", "b", "c"})
	o := c.put("key", "1", 5*mib, s3test.Meta{})
	owner, others := c.owner("key")
	owner.read(t, get("key"), o)
	owner.flightsEnd(t)
	asker := others[0]
	asker.peers.refuse(owner.name(c), object.ErrBusy)
	for _, ask := range []*object.Ask{get("key"), head("key"), getRange("key", 0, 5)} {
		if _, err := asker.Open(t.Context(), ask); !errors.Is(err, object.ErrBusy) {
			t.Errorf("%v, want busy", err)
		}
	}
	c.requests("key", 0, 1)
	asker.peers.refuse(owner.name(c), nil)
	asker.read(t, get("key"), o)
	c.requests("key", 0, 1)
}

// A body that has begun waits a moment for the next extent's owner, if that is
// busy, and is cut short if it stays so.
func TestABusyOwnerOfAFurtherExtentIsAskedAgain(t *testing.T) {
	c := newCluster(t, []string{"a", "b", "c"})
	o := c.put("large", "1", 2*object.ExtentBytes, s3test.Meta{})
	for _, asker := range c.nodes {
		if owners := c.ring.Load().Owners(object.Key{Bucket: bucket, Name: "large"}, 1); owners[0] == asker.name(c) {
			continue
		}
		from := object.ExtentBytes - 100
		for busy, want := range map[int]error{4: nil, 5: object.ErrBusy} {
			asker.peers.mu.Lock()
			asker.peers.busyParts = busy
			asker.peers.mu.Unlock()
			a, err := asker.Open(t.Context(), getRange("large", int64(from), int64(from)+199))
			if err == nil {
				err = check(a, o)
			}
			if !errors.Is(err, want) {
				t.Errorf("%d times busy: %v, want %v", busy, err, want)
			}
		}
		return
	}
}

// Reads that wait for another node count as well.
func TestReadsThatWaitForAnotherNodeAreBounded(t *testing.T) {
	c := newCluster(t, []string{"a", "b", "c"}, func(c *testCluster) {
		c.adjustNode = func(o *node.Options) {
			if o.Name == "a" {
				o.MaxWaiting = 1
			}
		}
	})
	key := ownedBy(c, "b")
	o := c.put(key, "1", 1000, s3test.Meta{})
	gate := c.s3.Hold(bucket, key, s3test.BeforeHeaders)
	soon(t, func(ctx context.Context) {
		var first sync.WaitGroup
		first.Go(func() {
			a, err := c.nodes["a"].Open(ctx, get(key))
			if err != nil {
				t.Error(err)
				return
			}
			if err := check(a, o); err != nil {
				t.Error(err)
			}
		})
		<-gate.Reached()
		if _, err := c.nodes["a"].Open(ctx, get(key)); !errors.Is(err, object.ErrBusy) {
			t.Errorf("%v, want busy", err)
		}
		gate.Open()
		first.Wait()
	})
	c.nodes["a"].read(t, get(key), o)
}
