package run_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"rookery/admin"
)

// One node is its own council: a purge is complete as soon as it is on the disk,
// and outlives the process.
func TestPurgeOnOneNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, alone)
	c.write("k", 1)
	c.everywhere("k", 1)
	c.write("k", 2)
	c.everywhere("k", 1) // nobody has said that it changed
	p := c.purged(0, `"key": "k", "id": "mine"`)
	c.everywhere("k", 2)
	if again := c.purged(0, `"key": "k", "id": "mine"`); again.Number != p.Number {
		t.Errorf("the same purge is number %d, then %d", p.Number, again.Number)
	}
	if status, _ := c.purge(0, `"key": "other", "id": "mine"`); status != http.StatusConflict {
		t.Errorf("another purge with the same id: %d", status)
	}

	c.write("k", 3)
	var all admin.Purge
	if status := c.post(0, purgePath, `{"all": true}`, &all); status != http.StatusOK || !all.Complete {
		t.Errorf("a purge of all: %d, %+v", status, all)
	}
	c.close(0)
	c.start(0, "127.0.0.1:0")
	c.awaitReady()
	c.everywhere("k", 3)
	if status, known := c.progress(0, "mine"); status != http.StatusOK || !known.Complete || known.Number != p.Number {
		t.Errorf("after a restart: %d, %+v", status, known)
	}
}

// A purge through any node, of any scope, and no node serves what is older.
func TestPurgeThroughEachNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, quick)
	keys := []string{"dir/a", "dir/b", "c"}
	n := 0
	for via := range c.nodes {
		for _, scopes := range [][]string{
			{`"key": "dir/a"`, `"keys": ["dir/b", "c"]`}, {`"prefix": "dir/"`, `"key": "c"`}, {`"tags": ["t"]`}, {`"soft": false`},
		} {
			n++
			for _, key := range keys {
				c.write(key, n)
			}
			for _, scope := range scopes {
				c.purged(via, scope)
			}
			for range 2 { // the second time it is a hit
				for _, key := range keys {
					c.everywhere(key, n)
				}
			}
		}
	}
}

// A fill that is in flight when the purge comes is not kept, wherever it began.
func TestPurgeDuringAFill(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, quick)
	c.write("k", 1)
	gate := c.s3.Hold(bucket, "k", 100)
	owner, others := c.owner("k", 0)
	type answer struct {
		n   int
		err error
	}
	answers := make(chan answer, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	target := c.target(others[0], "k")
	go func() {
		response, err := c.send(ctx, others[0], http.MethodGet, target, nil)
		if err != nil {
			answers <- answer{0, err}
			return
		}
		defer response.Body.Close()
		n, err := versionOf("k", response)
		answers <- answer{n, err}
	}()
	<-gate.Reached()
	c.write("k", 2)
	c.purged(owner, `"key": "k"`)
	gate.Open()
	c.everywhere("k", 2)
	if a := <-answers; a.err != nil || a.n != 1 && a.n != 2 {
		t.Errorf("who came before the purge gets version %d (%v)", a.n, a.err)
	}
	c.everywhere("k", 2)
}

// Two nodes have one voter. Without the other a purge takes a lease's time; while
// the voter is away it waits on the disk of who was asked.
func TestPurgeOnTwoNodes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, short)
	c.awaitMembers(0, 1)
	c.awaitMembers(1, 1)
	voter := c.leader()
	other := 1 - voter
	c.write("k", 1)
	c.everywhere("k", 1)

	c.crash(other)
	c.write("k", 2)
	start := time.Now()
	status, p := c.purge(voter, `"key": "k", "id": "alone", "wait": "20s"`)
	if status != http.StatusOK || !p.Complete || len(p.Pending) != 0 || len(p.Nodes) != 2 {
		t.Fatalf("%d, %+v", status, p)
	}
	if !p.Nodes[other].Excused || p.Nodes[other].Applied || !p.Nodes[voter].Applied {
		t.Errorf("nodes: %+v", p.Nodes)
	}
	took(t, "a purge with a member away", start, 5*shortLease)
	c.start(other, c.gossip[other])
	c.awaitReady()
	c.everywhere("k", 2)

	c.crash(voter)
	c.write("k", 3)
	status, p = c.purge(other, `"key": "k", "id": "kept", "wait": "0s"`)
	if status != http.StatusAccepted || p.Complete || p.Number != 0 {
		t.Fatalf("with the voter away: %d, %+v", status, p)
	}
	c.start(voter, c.gossip[voter])
	c.completes(voter, "kept")
	c.awaitReady()
	c.everywhere("k", 3)
}

// completes waits until node i says that a purge is complete.
func (c *testCluster) completes(i int, id string) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("purge %s is complete at rook-%d", id, i), func() bool {
		status, p := c.progress(i, id)
		return status == http.StatusOK && p.Complete
	})
}
