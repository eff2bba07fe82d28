package node_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
	"rookery/ring"
)

// everywhere reads the object through every node and settles, so that its owner and its
// copies have it.
func (c *purgedCluster) everywhere(t *testing.T, key, version string, size int64, m s3test.Meta) {
	t.Helper()
	o := c.put(key, version, size, m)
	for range 2 {
		for _, name := range c.names {
			c.nodes[name].read(t, get(key), o)
			c.settle(t)
		}
	}
}

// An owner that has not heard of a purge, and still believes in its lease, is asked
// again under the floor; what it does not answer in time is asked of others and of
// S3. The asker's reader never sees what the purge killed.
func TestAPeersAnswerIsJudgedByTheAskersOwnFloors(t *testing.T) {
	for scope, size := range map[string]int64{"object": 1000, "tag": 2 * mib, "all": 1000} {
		t.Run(scope, func(t *testing.T) {
			s := purgedScopes[scope]
			c := newPurged(t, three)
			c.everywhere(t, "k", "1", size, withTags("red"))
			owner, others := c.owner("k")
			now := c.put("k", "2", size, withTags("red"))
			c.s3.Forget()
			asker := others[0].name(c.testCluster)
			c.order(false, []purge.Scope{s}, asker)
			others[0].read(t, get("k"), now)
			c.settle(t)
			if heads, gets := c.s3.Count("HEAD", "", ""), c.s3.Count("GET", "", ""); heads != 0 || gets != 1 {
				t.Errorf("S3 got %d HEADs and %d GETs, want one GET: %v", heads, gets, c.s3.Requests())
			}
			// Who has not heard of it, its owner among them, owes nothing yet.
			owner.read(t, get("k"), c.object("k", "1", size))
		})
	}
}

// hearing are peers of which the test hears each ask.
type hearing struct {
	node.Peers
	asked func(ask *object.Ask)
}

func (p *hearing) Open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	p.asked(ask)
	return p.Peers.Open(ctx, name, ask)
}

// An owner that hears of the purge while it is waited for answers: nobody else is
// asked, and S3 once.
func TestAnOwnerThatHearsOfThePurgeInTimeAnswers(t *testing.T) {
	for scope, s := range purgedScopes {
		t.Run(scope, func(t *testing.T) {
			var mu sync.Mutex
			var floors []uint64
			var c *purgedCluster
			var owner string
			c = newPurged(t, three, func(kit *testCluster) {
				kit.adjustNode = func(o *node.Options) {
					o.Peers = &hearing{o.Peers, func(ask *object.Ask) {
						mu.Lock()
						defer mu.Unlock()
						floors = append(floors, ask.Floor.Applied)
						if ask.Floor.Applied == c.number && c.number > 100 {
							time.AfterFunc(time.Millisecond, func() {
								c.states[owner].Apply(ask.Floor.Applied, &purge.Order{ID: "late", Scopes: []purge.Scope{s}})
							})
						}
					}}
				}
			})
			c.everywhere(t, "k", "1", 2*mib, withTags("red"))
			first, others := c.owner("k")
			owner = first.name(c.testCluster)
			now := c.put("k", "2", 2*mib, withTags("red"))
			c.s3.Forget()
			c.order(false, []purge.Scope{s}, others[0].name(c.testCluster))
			mu.Lock()
			floors = nil
			mu.Unlock()
			if a := others[0].read(t, get("k"), now); a.Source != object.SourcePeer {
				t.Errorf("it came from %v, want the owner", a.Source)
			}
			c.settle(t)
			c.requests("k", 0, 1)
			mu.Lock()
			defer mu.Unlock()
			if len(floors) != 2 || floors[0] != 0 || floors[1] != c.number {
				t.Errorf("the owner was asked under the floors %v, want none and then %d", floors, c.number)
			}
		})
	}
}

// localPeers are the nodes of one process, by name.
type localPeers map[string]*testNode

func (p localPeers) Open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	return p[name].OpenLocal(ctx, ask)
}

// An owner that does not hear of the purge is waited for so long and no longer.
func TestAnOwnerThatDoesNotHearOfThePurgeIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s3 := newHeldS3()
		peers, nodes := make(localPeers), new(ring.Ring)
		nodes.Store(ring.Build([]string{"a", "b"}))
		states := map[string]*purge.State{"a": member(100), "b": member(100)}
		for name, state := range states {
			peers[name] = newAlone(t, s3, func(o *node.Options) {
				o.Name, o.Ring, o.Peers, o.Purges = name, nodes, peers, state
			})
		}
		owner := nodes.Load().Owners(object.Key{Bucket: bucket, Name: "k"}, 0)[0]
		asker := map[string]string{"a": "b", "b": "a"}[owner]
		s3.put(heldObject{self("k", "1", 2*mib), `"1"`, ""})
		peers[owner].read(t, get("k"), self("k", "1", 2*mib))
		s3.put(heldObject{self("k", "2", 2*mib), `"2"`, ""})
		apply(states[asker], false, object1("k"))
		start := time.Now()
		peers[asker].read(t, get("k"), self("k", "2", 2*mib))
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("it took %v, want the half second that the owner has", took)
		}
		// One read a second waits for it; it is asked again once it has heard.
		for i, want := range []time.Duration{0, 0, 500 * time.Millisecond, 0} {
			if i == 2 {
				time.Sleep(time.Second)
			}
			start = time.Now()
			peers[asker].read(t, getRange("k", 5, 99), self("k", "2", 2*mib))
			if took := time.Since(start); took != want {
				t.Errorf("read %d after it took %v, want %v", i+1, took, want)
			}
		}
		time.Sleep(time.Second)
		apply(states[owner], false, object1("k"))
		s3.requests()
		peers[asker].read(t, get("k"), self("k", "2", 2*mib))
		if a := peers[asker].read(t, get("k"), self("k", "2", 2*mib)); a.Source != object.SourcePeer {
			t.Errorf("from %v, want the owner, who has heard", a.Source)
		}
	})
}

// A copy in memory is judged like everything else.
func TestACopyIsJudgedByThisNodesFloors(t *testing.T) {
	for scope, s := range purgedScopes {
		t.Run(scope, func(t *testing.T) {
			c := newPurged(t, three)
			c.everywhere(t, "k", "1", 1000, withTags("red"))
			_, others := c.owner("k")
			if a := others[0].read(t, get("k"), c.object("k", "1", 1000)); a.Source != object.SourceHot {
				t.Fatalf("it came from %v, want a copy", a.Source)
			}
			now := c.put("k", "2", 1000, withTags("red"))
			c.purge(s)
			for _, n := range c.nodes {
				n.read(t, get("k"), now)
				n.read(t, head("k"), now)
			}
			c.settle(t)
			c.requests("k", 0, 2)
		})
	}
}

// A body that has begun when a purge comes goes on at its version; the owner of an
// extent that it comes to later may know better than to give what the purge killed.
func TestABodyThatHasBegunGoesOn(t *testing.T) {
	c := newPurged(t, three)
	key, _, far := c.split(t)
	o := c.put(key, "1", 70*mib, s3test.Meta{})
	far.read(t, get(key), o)
	c.settle(t)
	a, err := far.Open(context.Background(), get(key))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, mib)
	if _, err := io.ReadFull(a.Body, first); err != nil {
		t.Fatal(err)
	}
	c.s3.Forget()
	c.purge(everything)
	if err := o.Check(first, 0); err != nil {
		t.Error(err)
	}
	a.Offset, a.Length = mib, 69*mib
	if err := check(a, o); err != nil {
		t.Error(err)
	}
	c.settle(t)
	c.requests(key, 0, 1)
}

// What a former owner has is judged by the new owner's floors.
func TestWhatIsHandedOverIsJudged(t *testing.T) {
	for scope, s := range purgedScopes {
		for kind, etag := range map[string]string{"another version": "", "the same ETag": `"x"`} {
			for heard, which := range map[string][]string{"all": four, "the new owner": four[3:]} {
				t.Run(scope+"/"+kind+"/"+heard, func(t *testing.T) {
					c := newPurged(t, four)
					c.members(four[:3]...)
					key := moved(t, "k")
					s := s
					if s.Name == "k" && s.Kind == purge.Object {
						s.Name = key
					}
					m := withTags("red")
					m.ETag = etag
					c.nodes[four[0]].read(t, get(key), c.put(key, "1", 3*mib, m))
					c.settle(t)
					now := c.put(key, "2", 3*mib, m)
					c.s3.Forget()
					c.order(false, []purge.Scope{s}, which...)
					c.members(four...)
					n := c.nodes[four[3]]
					n.read(t, get(key), now)
					c.settle(t)
					n.read(t, get(key), now)
					c.requests(key, 0, 1)
				})
			}
		}
	}
}
