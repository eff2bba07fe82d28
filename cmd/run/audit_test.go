package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/admin"
)

// audit overwrites, purges and reads objects through nodes picked at random while
// a test changes the cluster. An answer that is older than a purge allows which was
// complete before it was asked for fails the test.
type audit struct {
	c      *testCluster
	places atomic.Pointer[[]place]
	floors [2]atomic.Int64 // by object: the version that no answer may be older than

	purges, reads, hits atomic.Int64 // complete; answered; answered without S3
	failed              atomic.Pointer[string]

	stop context.CancelFunc
	runs sync.WaitGroup
}

// place is where a node answers.
type place struct{ public, admin string }

// audited begins an audit that runs until the cluster stops.
func (c *testCluster) audited() *audit {
	a := &audit{c: c}
	c.audit = a
	a.look(c)
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	for object := range a.floors {
		a.c.write(a.key(object), 0)
		a.runs.Go(func() { a.overwrite(ctx, object) })
	}
	for range 3 {
		a.runs.Go(func() { a.read(ctx) })
	}
	c.t.Cleanup(func() { a.end(c.t) })
	return a
}

// end ends the audit and tells what it has found.
func (a *audit) end(t *testing.T) {
	a.stop()
	a.runs.Wait()
	if why := a.failed.Load(); why != nil {
		t.Error(*why)
	}
	if a.hits.Load() == 0 {
		t.Error("no answer came from the cache: nothing is shown")
	}
	t.Logf("%d purges complete, %d answers, %d of them hits", a.purges.Load(), a.reads.Load(), a.hits.Load())
}

// look learns which nodes run.
func (a *audit) look(c *testCluster) {
	if a == nil {
		return
	}
	var places []place
	for _, i := range c.running() {
		places = append(places, place{c.nodes[i].PublicAddr().String(), c.nodes[i].AdminAddr().String()})
	}
	a.places.Store(&places)
}

// more waits until the cluster, as it is now, has completed some more purges and
// answered some more reads.
func (a *audit) more(t *testing.T) {
	t.Helper()
	purges, reads := a.purges.Load(), a.reads.Load()
	until(t, "purges are complete and reads answered", func() bool {
		return a.failed.Load() != nil || a.purges.Load() >= purges+4 && a.reads.Load() >= reads+50
	})
	if why := a.failed.Load(); why != nil {
		t.Fatal(*why)
	}
}

func (a *audit) key(object int) string { return fmt.Sprintf("audited-%d", object) }

// somewhere waits a moment and picks a node; false if ctx has ended.
func (a *audit) somewhere(ctx context.Context) (place, bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return place{}, false
		}
		if places := *a.places.Load(); len(places) > 0 {
			return places[rand.IntN(len(places))], true
		}
	}
}

func (a *audit) overwrite(ctx context.Context, object int) {
	for n := int64(1); ; n++ {
		at, ok := a.somewhere(ctx)
		if !ok {
			return
		}
		a.c.write(a.key(object), int(n))
		body := fmt.Sprintf(`{"bucket": %q, "key": %q, "wait": "10s"}`, bucket, a.key(object))
		status, text, err := a.c.tryPost(ctx, at.admin, purgePath, body)
		var p admin.Purge
		if err != nil || status != http.StatusOK || json.Unmarshal([]byte(text), &p) != nil || !p.Complete {
			continue // who asked has no promise: the node went, or it has no quorum
		}
		a.floors[object].Store(n)
		a.purges.Add(1)
	}
}

func (a *audit) read(ctx context.Context) {
	for {
		at, ok := a.somewhere(ctx)
		if !ok {
			return
		}
		object := rand.IntN(len(a.floors))
		floor := a.floors[object].Load()
		n, hit, err := a.ask(ctx, at, a.key(object))
		if err != nil {
			continue // no answer is no wrong one
		}
		a.reads.Add(1)
		if hit {
			a.hits.Add(1)
		}
		if int64(n) < floor {
			why := fmt.Sprintf("%s gives version %d of %s after a purge of version %d was complete", at.public, n, a.key(object), floor)
			a.failed.CompareAndSwap(nil, &why)
		}
	}
}

func (a *audit) ask(ctx context.Context, at place, key string) (n int, hit bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.public+"/"+bucket+"/"+key, nil)
	if err != nil {
		return 0, false, err
	}
	response, err := a.c.client.Do(request)
	if err != nil {
		return 0, false, err
	}
	defer response.Body.Close()
	n, err = versionOf(key, response)
	return n, response.Header.Get("X-Cache") == "HIT", err
}
