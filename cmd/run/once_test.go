package run_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"rookery/admin"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// What S3 is asked for is counted, and nothing is asked for twice.
func TestS3IsAskedOnce(t *testing.T) {
	c := newCluster(t, 3, nil)
	t.Run("many clients of one cold object", func(t *testing.T) { manyClients(c.in(t)) })
	t.Run("one byte of a large cold object", func(t *testing.T) { oneByte(c.in(t)) })
	t.Run("bytes come through the owner", func(t *testing.T) { throughTheOwner(c.in(t)) })
	t.Run("a reader in the middle joins", func(t *testing.T) { joinInTheMiddle(c.in(t)) })
	t.Run("the first client's leaving stops nobody", func(t *testing.T) { firstClientLeaves(c.in(t)) })
}

func manyClients(c *testCluster) {
	o := c.put("cold", coldBytes, s3test.Meta{})
	gate := c.s3.Hold(bucket, "cold", 100)
	var all []*http.Response
	for i := range 64 { // S3 has given 100 bytes, and all of them wait for more
		r := c.mustBegin(c.t.Context(), i%3, o)
		defer r.Body.Close()
		all = append(all, r)
	}
	gate.Open()
	var clients sync.WaitGroup
	reading := make(chan struct{}, 8) // or so much work would starve the gossip
	for _, r := range all {
		clients.Go(func() {
			reading <- struct{}{}
			defer func() { <-reading }()
			if _, err := o.CheckReader(r.Body, 0, o.Size); err != nil {
				c.t.Error(err)
			}
		})
	}
	clients.Wait()
	c.fetchedOnce(o)
	c.requests("cold", 0, 1)
}

func oneByte(c *testCluster) {
	o := c.put("large", 256*mib, s3test.Meta{})
	const at = 200*mib + 12345
	owner, others := c.owner("large", at)
	for _, i := range append(others, owner) {
		if _, err := c.fetch(i, o, at, at+1); err != nil {
			c.t.Fatal(err)
		}
	}
	for chunk, times := range c.s3.Fetches(bucket, "large") {
		if chunk == 200 && times != 1 || chunk != 200 && times != 0 {
			c.t.Errorf("chunk %d was fetched %d times", chunk, times)
		}
	}
	c.requests("large", 1, 1) // the HEAD tells the size
	until(c.t, "the owner has the chunk", func() bool { return c.has(owner, o, 200) })
	for _, i := range others {
		if c.has(i, o, 200) {
			c.t.Errorf("rook-%d has the chunk, its owner is rook-%d", i, owner)
		}
	}
}

// What a node that is no owner gives came from the owner: once from S3 by way of
// it, and then from its memory or disk.
func throughTheOwner(c *testCluster) {
	o := c.put("small", 5000, s3test.Meta{})
	owner, others := c.owner("small", 0)
	for _, want := range []struct {
		node          int
		cache, status string
	}{
		{others[0], "MISS", "rookery; fwd=miss; stored"},
		{others[1], "HIT", "detail=peer"},
		{owner, "HIT", "detail=hot"},
		{others[0], "HIT", "detail=peer"},
	} {
		h := c.read(want.node, o).Header
		if h.Get("X-Cache") != want.cache || !strings.HasSuffix(h.Get("Cache-Status"), want.status) {
			c.t.Errorf("rook-%d: X-Cache %s, Cache-Status %s; want %s, %s", want.node, h.Get("X-Cache"), h.Get("Cache-Status"), want.cache, want.status)
		}
		until(c.t, "the owner has it in memory", func() bool {
			var held admin.Info
			status, _ := c.operators(owner, "/admin/cache/info?key=b:small", &held)
			return status == http.StatusOK && held.Hot
		})
	}
	c.requests("small", 0, 1)
}

func joinInTheMiddle(c *testCluster) {
	o := c.put("middle", 4*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "middle", 2*mib+100)
	owner, others := c.owner("middle", 0)
	first := c.mustBegin(c.t.Context(), others[0], o)
	defer first.Body.Close()
	<-gate.Reached()
	// What S3 has given by now is there for the first reader while S3 holds the
	// rest back, and for those who come now and want what has not come yet.
	if _, err := o.CheckReader(io.LimitReader(first.Body, 2*mib+100), 0, 2*mib+100); err != nil {
		c.t.Error(err)
	}
	late := []*http.Response{c.mustBegin(c.t.Context(), others[1], o), c.mustBegin(c.t.Context(), owner, o)}
	gate.Open()
	if _, err := o.CheckReader(first.Body, 2*mib+100, o.Size); err != nil {
		c.t.Error(err)
	}
	for _, r := range late {
		defer r.Body.Close()
		if _, err := o.CheckReader(r.Body, 0, o.Size); err != nil {
			c.t.Error(err)
		}
	}
	c.fetchedOnce(o)
	c.requests("middle", 0, 1)
}

func firstClientLeaves(c *testCluster) {
	o := c.put("left", 8*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "left", 2*mib+100)
	_, others := c.owner("left", 0)
	ctx, leave := context.WithCancel(c.t.Context())
	first := c.mustBegin(ctx, others[0], o)
	<-gate.Reached()
	second := c.mustBegin(c.t.Context(), others[1], o)
	defer second.Body.Close()
	leave() // the connection is closed, in the middle of the answer
	first.Body.Close()
	until(c.t, "the node sees the client leave", func() bool {
		return len(c.logged(others[0], "request", map[string]any{"key": "left", "error": "client"})) > 0
	})
	gate.Open()
	if _, err := o.CheckReader(second.Body, 0, o.Size); err != nil {
		c.t.Error(err)
	}
	c.fetchedOnce(o)
	c.requests("left", 0, 1)
}

func TestRestartedNodesStillHaveEverything(t *testing.T) {
	c := newCluster(t, 3, nil)
	all := []pattern.Object{
		c.put("empty", 0, s3test.Meta{}), c.put("small", 1000, s3test.Meta{}), c.put("weak", 300_000, s3test.Meta{ETag: `W/"1"`}),
		c.put("middle", 5*mib+3, s3test.Meta{}), c.put("two extents", 70*mib, s3test.Meta{}),
	}
	readAll := func(through int) {
		t.Helper()
		for i, o := range all {
			from, to := max(0, o.Size-7*mib), o.Size // of the large one a piece of both extents
			if _, err := c.fetch((through+i)%3, o, from, to); err != nil {
				t.Error(err)
			}
		}
	}
	readAll(0)
	c.closeAll()
	c.startAll()
	c.s3.Forget()
	readAll(1)
	readAll(2)
	for _, r := range c.s3.Requests() {
		t.Errorf("asked again: %s", r)
	}
}
