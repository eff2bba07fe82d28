package run_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// quick makes silent nodes be found within seconds.
func quick(_ *config.Config, o *run.Options) { o.Loopback = true }

// members returns the states of the members that node i knows of.
func (c *testCluster) members(i int) map[string]string {
	c.t.Helper()
	var seen admin.Cluster
	c.operators(i, "/admin/cluster", &seen)
	states := make(map[string]string)
	for _, m := range seen.Members {
		states[m.Name] = m.State
	}
	return states
}

// crash takes node i down without a word. Where it gossiped stays known.
func (c *testCluster) crash(i int) {
	c.t.Helper()
	if err := c.nodes[i].Crash(); err != nil {
		c.t.Errorf("crash rook-%d: %v", i, err)
	}
	c.nodes[i] = nil
	c.audit.look(c)
	c.client.CloseIdleConnections()
}

func TestANodeThatCrashesAndComesBack(t *testing.T) {
	c := newCluster(t, 3, quick)
	owner, others := c.owner("theirs", 0)
	theirs := c.put("theirs", 3*mib+1, s3test.Meta{})
	c.read(others[0], theirs)
	var small []pattern.Object
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		o := c.put(key, 1000, s3test.Meta{})
		c.read(others[1], o)
		small = append(small, o)
	}
	c.crash(owner)

	// At once, before anybody has noticed, and after: the bytes are right.
	for _, i := range others {
		for _, o := range append(small, theirs) {
			c.read(i, o)
		}
	}
	name := fmt.Sprintf("rook-%d", owner)
	for _, i := range others {
		until(t, "the others see that it failed", func() bool { return c.members(i)[name] == "failed" })
		if members := c.nodes[i].RingMembers(); len(members) != 2 || slices.Contains(members, name) {
			t.Errorf("rook-%d: its ring has %v", i, members)
		}
		c.read(i, theirs)
	}

	c.start(owner, c.gossip[owner])
	c.awaitReady()
	c.s3.Forget()
	for _, i := range append(others, owner) {
		for _, o := range append(small, theirs) {
			c.read(i, o)
		}
	}
	for _, r := range c.s3.Requests() {
		t.Errorf("what was on its disk was asked of S3 again: %s", r)
	}
	if got := c.read(others[0], theirs).Header.Get("Cache-Status"); !strings.HasSuffix(got, "detail=peer") {
		t.Errorf("Cache-Status: %s", got)
	}
}

// The owner dies in the middle of what it gives: the rest comes from elsewhere,
// in the same answer.
func TestAnOwnerThatDiesInTheMiddleOfAnAnswer(t *testing.T) {
	c := newCluster(t, 3, quick)
	o := c.put("cold", 8*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "cold", 2*mib+100)
	owner, others := c.owner("cold", 0)
	var answers []*http.Response
	for _, i := range others {
		r := c.mustBegin(t.Context(), i, o)
		defer r.Body.Close()
		answers = append(answers, r)
	}
	<-gate.Reached()
	c.crash(owner)
	gate.Open()
	for _, r := range answers {
		if _, err := o.CheckReader(r.Body, 0, o.Size); err != nil {
			t.Error(err)
		}
	}
	for chunk, times := range c.s3.Fetches(bucket, "cold") {
		if times > 2 { // by the owner, and by who stands in for it
			t.Errorf("chunk %d was fetched %d times", chunk, times)
		}
	}
}

// A node that says goodbye is no failure, and may come back at another address
// at once, as a pod does.
func TestANodeThatLeavesAndComesBackElsewhere(t *testing.T) {
	c := newCluster(t, 3, nil)
	o := c.put("kept", 1000, s3test.Meta{})
	owner, others := c.owner("kept", 0)
	c.read(owner, o)
	old := c.gossip[owner]
	c.close(owner)
	for _, i := range others {
		until(t, "the others see that it left", func() bool { return len(c.members(i)) == 2 })
	}
	c.start(owner, "127.0.0.1:0")
	if c.gossip[owner] == old {
		t.Skip("the system gave it the same port again")
	}
	c.awaitReady()
	c.s3.Forget()
	for i := range c.nodes {
		c.read(i, o)
	}
	c.requests("kept", 0, 0)
}
