package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"rookery/bench/nodes"
	"rookery/internal/pattern"
)

// herd is one run: the clients of one cold object.
type herd struct {
	options options
	object  pattern.Object
	body    []byte // all of it: what the clients compare with
	clients []*client
	slow    []*client
}

// found is what one run came to.
type found struct {
	slow       int
	opened     time.Duration // all connections
	took       time.Duration // from the release to the last client's last byte
	first      []time.Duration
	all        []time.Duration // sorted; of the clients that were served
	bytes      int64
	failed     int
	err        error   // of one that failed
	slowShare  float64 // of its pace since its first byte, of the slow reader that had least
	slowFailed error
	asked      asked
}

// newHerd plans a run. The places are the same for the same seed.
func newHerd(o options, object pattern.Object, slow int, all []*nodes.Process) *herd {
	h := &herd{options: o, object: object, body: object.Bytes(0, object.Size)}
	places := rand.New(rand.NewPCG(o.seed, o.seed))
	for n := range o.clients + slow {
		length := o.pieceMiB * mib
		c := &client{
			address: all[n%len(all)].Client, path: pathOf(object), object: object, body: h.body,
			from: places.Int64N(object.Size - length + 1), length: length,
		}
		if n < o.clients {
			h.clients = append(h.clients, c)
		} else {
			c.bytesPerSecond = o.slowKiB * kib
			h.slow = append(h.slow, c)
		}
	}
	return h
}

// run opens every connection, releases all clients at once, and waits for all but
// the slow ones, which it then ends.
func (h *herd) run(ctx context.Context) (found, error) {
	f := found{slow: len(h.slow)}
	ctx, cancel := context.WithTimeout(ctx, h.options.within)
	defer cancel()
	started := time.Now()
	everyone := slices.Concat(h.slow, h.clients)
	defer func() {
		for _, c := range everyone {
			c.close()
		}
	}()
	if err := openAll(ctx, everyone); err != nil {
		return f, err
	}
	f.opened = time.Since(started)

	release := make(chan struct{})
	slowCtx, endSlow := context.WithCancel(ctx)
	defer endSlow()
	var fast, slow sync.WaitGroup
	for _, c := range h.slow {
		slow.Go(func() { c.run(slowCtx, release) })
	}
	for _, c := range h.clients {
		fast.Go(func() { c.run(ctx, release) })
	}
	close(release)
	released := time.Now()
	fast.Wait()
	f.took = time.Since(released)
	endSlow()
	slow.Wait()
	h.collect(&f)
	return f, nil
}

// dialers open connections at once: a node's queue of those not yet accepted is
// not what is measured.
const dialers = 64

func openAll(ctx context.Context, all []*client) error {
	errs := make(chan error, dialers)
	for d := range dialers {
		go func() {
			var err error
			for n := d; n < len(all) && err == nil; n += dialers {
				err = all[n].open(ctx)
			}
			errs <- err
		}()
	}
	var first error
	for range dialers {
		if err := <-errs; err != nil && first == nil {
			first = fmt.Errorf("open connections: %w", err)
		}
	}
	return first
}

func (h *herd) collect(f *found) {
	for _, c := range h.clients {
		f.bytes += c.bytes
		if c.err != nil {
			f.failed++
			f.err = c.err
			continue
		}
		f.first, f.all = append(f.first, c.first), append(f.all, c.took)
	}
	slices.Sort(f.first)
	slices.Sort(f.all)
	f.slowShare = 1
	for _, c := range h.slow {
		if due := c.bytesPerSecond * (c.took - c.first - time.Second).Seconds(); due > 0 && c.bytes < c.length {
			f.slowShare = min(f.slowShare, float64(c.bytes)/due)
		}
		if c.err != nil {
			f.slowFailed = c.err
		}
	}
}

// quantile of sorted times; zero if there is none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}
