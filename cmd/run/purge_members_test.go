package run_test

import (
	"os"
	"slices"
	"testing"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
)

// loseDisk is what a pod without a volume does when it is made anew.
func (c *testCluster) loseDisk(i int) {
	c.t.Helper()
	if err := os.RemoveAll(c.dirs[i]); err != nil {
		c.t.Fatal(err)
	}
}

// Whatever becomes of its members, the council is the same, purges become
// complete, and no answer is older than they allow.
func TestPurgeWhileMembersComeAndGo(t *testing.T) {
	t.Parallel()
	c := unstarted(t, 9, func(cfg *config.Config, o *run.Options) {
		short(cfg, o)
		cfg.Cluster.Expect = 3
	})
	for i := range 3 {
		c.start(i, "127.0.0.1:0")
	}
	c.awaitReady()
	c.awaitMembers(0, 3)
	a := c.audited()
	first := c.purged(0, `"key": "k", "id": "first"`)
	began, _ := c.council(0)
	for _, phase := range []struct {
		name string
		does func(*testCluster, *audit)
	}{
		{"the leader is lost", leaderLost},
		{"a member is away", memberAway},
		{"a member loses its disk", diskLost},
		{"rolling restart without volumes", rollingRestart},
		{"cold start at each other's addresses", coldStart},
		{"three, nine and three members", scaled},
	} {
		if !t.Run(phase.name, func(t *testing.T) { phase.does(c.in(t), a) }) {
			return
		}
		for _, i := range c.running() {
			if v, _ := c.council(i); v.ID != began.ID {
				t.Fatalf("%s: rook-%d is in council %s, and was in %s", phase.name, i, v.ID, began.ID)
			}
			if status, p := c.progress(i, "first"); status != 200 || p.Number != first.Number {
				t.Errorf("%s: rook-%d says of the first purge %d, %+v", phase.name, i, status, p)
			}
		}
	}
}

// Another is elected while purges go on, and the old leader comes back as a
// member like any other.
func leaderLost(c *testCluster, a *audit) {
	old := c.leader()
	c.crash(old)
	a.more(c.t)
	if now := c.leader(); now == old {
		c.t.Errorf("rook-%d still leads", now)
	}
	c.start(old, c.gossip[old])
	c.awaitReady()
	c.awaitMembers(old, 3)
	a.more(c.t)
}

// A member that was away knows of every purge when it serves again.
func memberAway(c *testCluster, a *audit) {
	away := c.without(c.leader())[0]
	c.write("away", 1)
	c.everywhere("away", 1)
	c.close(away)
	c.write("away", 2)
	status, p := c.purge(c.leader(), `"key": "away", "wait": "20s"`)
	if status != 200 || !p.Complete {
		c.t.Errorf("with a member away: %d, %+v", status, p)
	}
	a.more(c.t)
	c.start(away, "127.0.0.1:0")
	c.awaitReady()
	c.everywhere("away", 2)
	c.awaitMembers(away, 3)
	a.more(c.t)
}

// A name that comes back with a new disk is another member, and the old one is gone.
func diskLost(c *testCluster, a *audit) {
	lost := c.without(c.leader())[0]
	c.crash(lost)
	c.loseDisk(lost)
	a.more(c.t)
	c.start(lost, c.gossip[lost])
	c.awaitReady()
	for _, i := range c.running() {
		c.awaitMembers(i, 3)
	}
	a.more(c.t)
	p := c.purged(lost, `"key": "k"`)
	if len(p.Nodes) != 3 {
		c.t.Errorf("a purge counts %+v", p.Nodes)
	}
}

// One pod after the other is made anew, with no disk and at another address: the
// council outlives all the disks that it began on.
func rollingRestart(c *testCluster, a *audit) {
	for _, i := range c.running() {
		c.close(i)
		c.loseDisk(i)
		c.start(i, "127.0.0.1:0")
		c.awaitReady()
		c.awaitMembers(i, 3)
	}
	a.more(c.t)
}

// All nodes end at once and come back, each where another was before: their names
// and disks say who they are.
func coldStart(c *testCluster, a *audit) {
	all := c.running()
	for _, i := range all {
		c.crash(i)
	}
	old := slices.Clone(c.gossip)
	for k, i := range all {
		c.start(i, old[all[(k+1)%len(all)]])
	}
	c.awaitReady()
	a.more(c.t)
	for _, i := range all {
		c.awaitMembers(i, 3)
	}
}

// Members that join are given votes, and take theirs with them when they leave
// for good and are forgotten.
func scaled(c *testCluster, a *audit) {
	for i := 3; i < len(c.nodes); i++ {
		c.start(i, "127.0.0.1:0")
	}
	c.awaitReady()
	for _, i := range c.running() {
		c.awaitMembers(i, 5)
	}
	a.more(c.t)
	for i := len(c.nodes) - 1; i >= 3; i-- {
		c.close(i)
	}
	a.more(c.t)
	for i := 3; i < len(c.nodes); i++ {
		var forgotten admin.Forgotten
		if status := c.post(0, "/admin/forget", `{"name": "`+nodeName(i)+`"}`, &forgotten); status != 200 {
			c.t.Errorf("forget rook-%d: %d", i, status)
		}
	}
	for _, i := range c.running() {
		c.awaitMembers(i, 3)
	}
	a.more(c.t)
}

// While versions with different rings run side by side they do not read from each
// other, but one council rules them all.
func TestPurgeAcrossFingerprints(t *testing.T) {
	t.Parallel()
	c := unstarted(t, 3, nil)
	c.change = func(cfg *config.Config, o *run.Options) {
		short(cfg, o)
		if cfg.Node.Name == "rook-2" {
			o.Pretend("of the next version")
		}
	}
	for i := range c.nodes {
		c.start(i, "127.0.0.1:0")
	}
	for i := range c.nodes {
		until(t, "the node is ready", c.nodes[i].Ready)
		c.awaitMembers(i, 3)
	}
	for _, i := range []int{0, 1, 2} {
		until(t, "the others' places are known", func() bool { return len(c.nodes[i].RingMembers()) == []int{2, 2, 1}[i] })
	}
	for n := 1; n <= 3; n++ {
		c.write("k", n)
		c.purged(n-1, `"key": "k"`)
		c.everywhere("k", n)
	}
}
