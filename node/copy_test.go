package node_test

import (
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/store"
)

// asks reads through a node n times and returns how often that asked another one.
func asks(t *testing.T, n *testNode, o pattern.Object, times int) int64 {
	t.Helper()
	before := n.peers.asked.Load()
	for range times {
		n.read(t, get(o.Key), o)
	}
	return n.peers.asked.Load() - before
}

// A small object that is asked for again and again at a node that does not own it
// is kept there, as fresh as at its owner and no longer.
func TestAPopularObjectIsCopied(t *testing.T) {
	c := newCluster(t, three, crowded)
	o := c.put("k", "1", 64<<10, s3test.Meta{})
	owner, others := c.owner("k")
	owner.read(t, get("k"), o)
	c.settle(t)
	n := others[0]
	c.clock.pass(20 * time.Minute)
	if got := asks(t, n, o, 3); got != 3 {
		t.Errorf("the owner was asked %d times by the first three readers", got)
	}
	for range 20 {
		a := n.read(t, get("k"), o)
		if a.Source != object.SourceHot || a.Outcome != object.Hit || a.TTL != 40*time.Minute {
			t.Fatalf("%v from %v, fresh for %v; want a hit from memory, fresh for 40 minutes", a.Outcome, a.Source, a.TTL)
		}
	}
	part := n.read(t, getRange("k", 1000, 1999), o)
	if part.Source != object.SourceHot {
		t.Errorf("a part of it came from %v", part.Source)
	}
	if got := n.read(t, head("k"), o); got.Source != object.SourceHot {
		t.Errorf("its info came from %v", got.Source)
	}

	// Fresh no longer: the owner is asked, and knows better.
	changed := c.put("k", "2", 64<<10, s3test.Meta{})
	c.clock.pass(2 * time.Hour)
	asks(t, n, changed, 1)
	c.settle(t)
	if got := asks(t, n, changed, 10); got == 0 || got > 2 {
		t.Errorf("the owner was asked %d times for what had changed", got)
	}
	c.requests("k", 0, 2)
}

// What must not, or need not, be copied is asked of its owner each time.
func TestWhatIsNotCopied(t *testing.T) {
	for name, o := range map[string]pattern.Object{
		"too large": {Bucket: bucket, Key: "large", Version: "1", Size: 300 << 10},
		"empty":     {Bucket: bucket, Key: "empty", Version: "1"},
		"weak":      {Bucket: bucket, Key: "weak", Version: "1", Size: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, three)
			m := s3test.Meta{}
			if name == "weak" {
				m.ETag = `W/"1"`
			}
			c.s3.Put(o, m)
			_, others := c.owner(o.Key)
			if got := asks(t, others[0], o, 10); got < 10 {
				t.Errorf("%d of 10 readers asked the owner", got)
			}
		})
	}
}

// What is asked for once is copied only where there is room.
func TestOneAskIsNotPopular(t *testing.T) {
	for name, room := range map[string]bool{"crowded": false, "with room": true} {
		t.Run(name, func(t *testing.T) {
			var options []option
			if !room {
				options = append(options, crowded)
			}
			c := newCluster(t, three, options...)
			o := c.put("k", "1", 64<<10, s3test.Meta{})
			owner, others := c.owner("k")
			owner.read(t, get("k"), o)
			c.settle(t)
			others[0].read(t, get("k"), o)
			if _, ok := others[0].store.Hot(object.Key{Bucket: bucket, Name: "k"}); ok != room {
				t.Errorf("a copy was kept after one ask: %v, want %v", ok, room)
			}
		})
	}
}

// crowded gives the nodes a hot set that one object of 64 KiB nearly fills.
func crowded(c *testCluster) {
	c.adjust = func(o *store.Options) { o.HotBytes = 80 << 10 }
}

// With the owner down, its copies go on for as long as they are fresh.
func TestACopyOutlivesItsOwner(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 1000, s3test.Meta{})
	owner, others := c.owner("k")
	owner.read(t, get("k"), o)
	c.settle(t)
	n := others[0]
	asks(t, n, o, 5)
	for _, name := range three {
		n.peers.breakOff(name, 0)
	}
	c.s3.Forget()
	if a := n.read(t, get("k"), o); a.Source != object.SourceHot {
		t.Errorf("it came from %v", a.Source)
	}
	c.requests("k", 0, 0)
}
