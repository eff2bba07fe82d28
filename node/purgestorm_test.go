package node_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
)

// stormy makes every node hear of a purge of everything whenever it looks at the
// clock, which is between any two steps of a read, once the storm has begun.
func stormy(t *testing.T, names []string, size int64, m s3test.Meta) (c *purgedCluster, storm *atomic.Bool) {
	storm = new(atomic.Bool)
	var mu sync.Mutex
	c = newPurged(t, names, func(kit *testCluster) {
		kit.adjustNode = func(o *node.Options) {
			now := o.Now
			o.Now = func() time.Time {
				if storm.Load() {
					mu.Lock()
					defer mu.Unlock()
					c.purge(everything)
				}
				return now()
			}
		}
	})
	c.put("k", "1", size, m)
	return c, storm
}

// A purge between any two steps of a read costs requests to S3, but no reader fails
// or waits for an end of purges.
func TestAStormOfPurgesStopsNoReader(t *testing.T) {
	for kind, m := range map[string]s3test.Meta{"strong": {}, "weak": {ETag: `W/"1"`}, "none": {NoETag: true}} {
		for _, size := range []int64{0, 1000, 3*mib + 1, 66 * mib} {
			t.Run(kind, func(t *testing.T) {
				soon(t, func(ctx context.Context) { testStorm(t, size, m) })
			})
		}
	}
}

func testStorm(t *testing.T, size int64, m s3test.Meta) {
	c, storm := stormy(t, three, size, m)
	o := c.object("k", "1", size)
	storm.Store(true)
	asks := []*object.Ask{get("k"), head("k")}
	if size > 0 {
		asks = append(asks, getRange("k", size/2, size-1))
	}
	for _, ask := range asks {
		for _, n := range c.nodes {
			n.read(t, ask, o)
		}
	}
	if size > 60*mib {
		return
	}
	var readers sync.WaitGroup
	for i := range 24 {
		readers.Go(func() {
			a, err := c.nodes[three[i%3]].Open(context.Background(), asks[i%len(asks)])
			if err == nil && a.Body != nil {
				err = check(a, o)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	storm.Store(false)
	c.settle(t)
	c.s3.Forget()
	for range 2 { // and then all is as it was
		for _, n := range c.nodes {
			n.read(t, get("k"), o)
			c.settle(t)
		}
	}
	if gets := c.s3.Count("GET", "", ""); gets > 1 {
		t.Errorf("%d GETs after the storm, want one at most", gets)
	}
}

// In a storm a read costs S3 a bounded number of requests.
func TestAStormCostsEachReadSoMuch(t *testing.T) {
	c, storm := stormy(t, three, 2*mib, s3test.Meta{})
	o := c.object("k", "1", 2*mib)
	storm.Store(true)
	for _, n := range c.nodes {
		c.s3.Forget()
		n.read(t, get("k"), o)
		if got := c.s3.Count("", "", ""); got > 2 {
			t.Errorf("one read cost %d requests: %v", got, c.s3.Requests())
		}
	}
}
