package node_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
	"rookery/ring"
)

// directPeers are the other nodes of a bubble, asked by plain calls.
type directPeers map[string]*testNode

func (p directPeers) Open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	a, err := p[name].OpenLocal(ctx, ask)
	if err == nil {
		a.OwnerSource = a.Source
	}
	return a, err
}

// inParts reads an object in parts of 8 MiB, 16 at a time, and returns how long that
// took on the bubble's clock.
func inParts(t *testing.T, o pattern.Object, read func(worker int, from, to int64) error) time.Duration {
	t.Helper()
	const part = 8 * mib
	var next atomic.Int64
	var workers sync.WaitGroup
	start := time.Now()
	for w := range 16 {
		workers.Go(func() {
			for from := next.Add(part) - part; from < o.Size; from = next.Add(part) - part {
				if err := read(w, from, min(from+part, o.Size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	return time.Since(start)
}

// What the cluster adds to the time of a cold object that is read in parts, where
// the origin's 100 MB/s a connection are what takes time and no processor is short:
// `make bench-parts` measures the same with processes, on the machine there is.
func TestPartsTakeTheOriginsTime(t *testing.T) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 1 << 30}
	var straight, cluster time.Duration
	synctest.Test(t, func(t *testing.T) {
		origin := farOrigin(o)
		straight = inParts(t, o, func(_ int, from, to int64) error {
			f, err := origin.get(t.Context(), object.Fetch{From: from, To: to})
			if err == nil {
				_, err = o.CheckReader(f.Body, from, to)
			}
			return err
		})
	})
	synctest.Test(t, func(t *testing.T) {
		origin := farOrigin(o)
		var gets, bytes atomic.Int64
		get := origin.get
		origin.get = func(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
			gets.Add(1)
			bytes.Add(f.To - f.From)
			return get(ctx, f)
		}
		members := new(ring.Ring)
		members.Store(ring.Build(three))
		peers := directPeers{}
		for _, name := range three {
			peers[name] = newAlone(t, origin, func(options *node.Options) {
				options.Name, options.Ring, options.Peers, options.FlightBytes = name, members, peers, 128*mib
			})
		}
		cluster = inParts(t, o, func(w int, from, to int64) error {
			a, err := peers[three[w%3]].Open(t.Context(), getRange("k", from, to-1))
			if err != nil {
				return err
			}
			return check(a, o)
		})
		if most := o.Size/(8*mib) + object.ExtentOf(o.Size-1) + 1; gets.Load() > most || bytes.Load() != o.Size {
			t.Errorf("%d GETs (at most %d) of %d bytes", gets.Load(), most, bytes.Load())
		}
	})
	t.Logf("%d MiB in parts of 8 MiB, 16 at a time, 30 ms and 100 MB/s away: straight %v, through three nodes %v (%.3f)",
		o.Size/mib, straight, cluster, float64(cluster)/float64(straight))
	if cluster > straight*11/10 {
		t.Errorf("%v through the cluster, %v straight", cluster, straight)
	}
}
