package node_test

import (
	"slices"
	"testing"

	"rookery/internal/s3test"
	"rookery/object"
	"rookery/purge"
)

// doubts are what makes entries suspect: nobody knows any more whether they were
// purged.
var doubts = map[string]func(c *purgedCluster, names ...string){
	"trimmed": func(c *purgedCluster, names ...string) {
		c.number += 2
		for _, name := range names {
			c.states[name].Trim(c.number, bucket, c.number-1)
		}
	},
	"another council": func(c *purgedCluster, names ...string) { c.join([16]byte{2}, names...) },
}

// join makes nodes leased members of another council.
func (c *purgedCluster) join(council [16]byte, names ...string) {
	c.number++
	for _, name := range names {
		c.states[name].Join(council)
		c.states[name].Pass(c.number)
		c.states[name].Grant(council, c.clock.now(), 1<<60)
	}
}

// What may have been purged is confirmed by S3 before anything of it leaves; once
// for all readers, who then have hits again.
func TestWhatMayHaveBeenPurgedIsConfirmedFirst(t *testing.T) {
	for doubt, arise := range doubts {
		for _, size := range []int64{1000, 2*mib + 1} {
			t.Run(doubt, func(t *testing.T) {
				c := newPurged(t, three)
				c.everywhere(t, "k", "1", size, withTags("red"))
				c.nodes[three[0]].refused(t, get("none"), 404)
				c.s3.Forget()
				arise(c, three...)
				if a := c.nodes[three[0]].read(t, get("k"), c.object("k", "1", size)); a.Outcome != object.Revalidated {
					t.Errorf("%v, want REVALIDATED", a.Outcome)
				}
				c.settle(t)
				c.requests("k", 0, 1)
				for range 2 {
					for _, n := range c.nodes {
						if a := n.read(t, get("k"), c.object("k", "1", size)); a.Outcome != object.Hit {
							t.Errorf("%v, want a hit", a.Outcome)
						}
						c.settle(t)
						n.refused(t, get("none"), 404)
					}
				}
				c.requests("k", 0, 1)
				c.requests("none", 0, 1)
			})
			t.Run(doubt+"/overwritten", func(t *testing.T) {
				c := newPurged(t, three)
				c.everywhere(t, "k", "1", size, s3test.Meta{})
				arise(c, three...)
				now := c.put("k", "2", size, s3test.Meta{})
				for _, n := range c.nodes {
					n.read(t, get("k"), now)
					c.settle(t)
				}
			})
		}
	}
}

// With S3 away nothing of it leaves, also where the bucket could do without a lease.
func TestWhatMayHaveBeenPurgedDoesNotLeaveWithoutS3(t *testing.T) {
	for doubt, arise := range doubts {
		t.Run(doubt, func(t *testing.T) {
			c := newPurged(t, three)
			for key, size := range map[string]int64{"small": 1000, "large": 2 * mib} {
				c.everywhere(t, key, "1", size, s3test.Meta{})
			}
			arise(c, three...)
			c.s3.Everything(&s3test.Step{Status: 500, Code: "InternalError"})
			for _, n := range c.nodes {
				for _, ask := range []*object.Ask{get("small"), head("small"), get("large"), getRange("large", 5, 9)} {
					n.refused(t, ask, 503)
				}
			}
			c.s3.Everything(nil)
			for _, n := range c.nodes {
				n.read(t, get("small"), c.object("small", "1", 1000))
			}
		})
	}
}

// A weak one cannot be confirmed, and is fetched anew, once.
func TestAWeakOneThatMayHaveBeenPurgedIsFetchedAgain(t *testing.T) {
	for doubt, arise := range doubts {
		t.Run(doubt, func(t *testing.T) {
			c := newPurged(t, three)
			c.everywhere(t, "k", "1", 2*mib, s3test.Meta{NoETag: true})
			arise(c, three...)
			now := c.put("k", "2", 2*mib, s3test.Meta{NoETag: true})
			c.s3.Forget()
			for _, n := range c.nodes {
				n.read(t, get("k"), now)
				c.settle(t)
			}
			c.requests("k", 0, 1)
		})
	}
}

// An asker that doubts what its owner does not doubt lets S3 confirm it there; how
// often depends on how long the owner takes to hear of the same.
func TestAnAskersDoubtIsItsOwn(t *testing.T) {
	for doubt, arise := range doubts {
		t.Run(doubt, func(t *testing.T) {
			c := newPurged(t, three)
			c.everywhere(t, "k", "1", 2*mib, s3test.Meta{})
			owner, others := c.owner("k")
			n := others[0]
			c.s3.Forget()
			arise(c, n.name(c.testCluster))
			for i := range 2 {
				n.read(t, get("k"), c.object("k", "1", 2*mib))
				c.settle(t)
				c.requests("k", 0, i+1)
			}
			if a := owner.read(t, get("k"), c.object("k", "1", 2*mib)); a.Outcome != object.Hit {
				t.Errorf("the owner: %v, want a hit", a.Outcome)
			}
			now := c.put("k", "2", 2*mib, s3test.Meta{})
			n.read(t, get("k"), now)
			c.settle(t)
			arise(c, slices.DeleteFunc(slices.Clone(three), func(name string) bool { return name == n.name(c.testCluster) })...)
			c.s3.Forget()
			for range 3 {
				for _, n := range c.nodes {
					n.read(t, get("k"), now)
					c.settle(t)
				}
			}
			if got := c.s3.Count("", "", ""); got > 1 {
				t.Errorf("%d requests when all know the same: %v", got, c.s3.Requests())
			}
		})
	}
}

// A node that has heard from no council, and holds no lease, is a reader like any
// other: its owners answer for it, and what it owns S3 confirms.
func TestANodeWithoutACouncilReads(t *testing.T) {
	c := newPurged(t, three)
	c.everywhere(t, "k", "1", 2*mib, s3test.Meta{})
	owner, others := c.owner("k")
	for _, n := range []*testNode{others[0], owner} {
		name := n.name(c.testCluster)
		c.states[name].Join([16]byte{})
		for range 2 {
			for _, other := range c.nodes {
				other.read(t, get("k"), c.object("k", "1", 2*mib))
				c.settle(t)
			}
		}
	}
	now := c.put("k", "2", 2*mib, s3test.Meta{})
	c.purge(purge.Scope{Kind: purge.Object, Bucket: bucket, Name: "k"})
	for range 2 {
		for _, n := range c.nodes {
			n.read(t, get("k"), now)
			c.settle(t)
		}
	}
}
