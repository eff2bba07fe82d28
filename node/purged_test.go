package node_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
)

// purgedObjects are the objects of the tests of scopes, with their tags.
var purgedObjects = map[string]string{"a/1": "red", "a/2": "red, blue", "b/1": "blue", "b/2": ""}

// A hard purge kills what is in its scope, on every node and in every copy: the
// next read asks S3, once however many nodes are read. What is out of its scope
// costs S3 nothing.
func TestAHardPurgeKillsWhatIsInItsScope(t *testing.T) {
	for name, s := range map[string]struct {
		scopes []purge.Scope
		dead   []string
	}{
		"object":                         {[]purge.Scope{object1("a/1")}, []string{"a/1"}},
		"two objects":                    {[]purge.Scope{object1("a/1"), object1("b/2")}, []string{"a/1", "b/2"}},
		"prefix":                         {[]purge.Scope{{Kind: purge.Prefix, Bucket: bucket, Name: "a/"}}, []string{"a/1", "a/2"}},
		"tag":                            {[]purge.Scope{tagged("blue")}, []string{"a/2", "b/1"}},
		"bucket":                         {[]purge.Scope{{Kind: purge.Bucket, Bucket: bucket}}, []string{"a/1", "a/2", "b/1", "b/2"}},
		"all":                            {[]purge.Scope{everything}, []string{"a/1", "a/2", "b/1", "b/2"}},
		"another bucket":                 {[]purge.Scope{{Kind: purge.Bucket, Bucket: "other"}}, nil},
		"a part of a name, and of a tag": {[]purge.Scope{object1("a/"), tagged("re")}, nil},
	} {
		for _, size := range []int64{1000, 2*mib + 1} {
			t.Run(name, func(t *testing.T) { testScope(t, size, s.scopes, s.dead) })
		}
	}
}

func testScope(t *testing.T, size int64, scopes []purge.Scope, dead []string) {
	c := newPurged(t, three)
	held := make(map[string]pattern.Object)
	for key, tags := range purgedObjects {
		held[key] = c.put(key, "1", size, withTags(tags))
		for range 2 {
			for _, n := range c.nodes {
				n.read(t, get(key), held[key])
				c.settle(t)
			}
		}
		c.put(key, "2", size, withTags(tags))
	}
	c.s3.Forget()
	c.purge(scopes...)
	for _, key := range dead {
		o := held[key]
		o.Version = "2"
		held[key] = o
	}
	for key, o := range held {
		for _, n := range c.nodes {
			n.read(t, get(key), o)
			n.read(t, head(key), o)
			n.read(t, getRange(key, 10, 500), o)
			c.settle(t)
		}
	}
	if got := c.s3.Count("", "", ""); got != len(dead) {
		t.Errorf("S3 was asked %d times, want a GET of each of %v: %v", got, dead, c.s3.Requests())
	}
}

// A purge of an object is one of all its versions.
func TestAPurgeOfAnObjectIsOfAllItsVersions(t *testing.T) {
	c := newPurged(t, three)
	old := c.put("k", "1", 1000, s3test.Meta{VersionID: "v1"})
	now := c.put("k", "2", 1000, s3test.Meta{VersionID: "v2"})
	ask := get("k")
	ask.Key.Version = "v1"
	read := func() {
		for _, n := range c.nodes {
			n.read(t, ask, old)
			n.read(t, get("k"), now)
			c.settle(t)
		}
	}
	read()
	c.requests("k", 0, 2)
	c.purge(object1("k"))
	read()
	c.requests("k", 0, 4)
}

// A soft purge marks stale: one refresh however many readers, who are served
// meanwhile, and then what is new.
func TestASoftPurgeIsServedStaleWhileItIsRefreshed(t *testing.T) {
	for _, size := range []int64{1000, 2 * mib} {
		c := newPurged(t, three)
		old := c.put("k", "1", size, withTags("red"))
		for range 2 {
			for _, n := range c.nodes {
				n.read(t, get("k"), old)
				c.settle(t)
			}
		}
		now := c.put("k", "2", size, withTags("red"))
		c.s3.Forget()
		c.soft(tagged("red"))
		gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
		for range 3 {
			for _, n := range c.nodes {
				a := n.read(t, get("k"), old)
				if a.Outcome != object.Stale || a.TTL >= 0 {
					t.Errorf("%v, fresh for %v, want STALE and not fresh", a.Outcome, a.TTL)
				}
			}
		}
		<-gate.Reached()
		gate.Open()
		c.settle(t)
		for _, n := range c.nodes {
			n.read(t, get("k"), now)
			c.settle(t)
		}
		for range 2 {
			for _, n := range c.nodes {
				a := n.read(t, get("k"), now)
				if a.Outcome != object.Hit || a.TTL <= 0 {
					t.Errorf("%v, fresh for %v, want a hit", a.Outcome, a.TTL)
				}
			}
		}
		if size <= mib { // the refresh brings what is new
			c.requests("k", 0, 1)
		} else {
			c.requests("k", 1, 1)
		}
	}
}

// What a soft purge covers and S3 has not changed is confirmed by one conditional
// GET; its bytes are not fetched again, and a small object is in memory again.
func TestASoftPurgeOfWhatHasNotChangedCostsOneConditionalGet(t *testing.T) {
	c := newPurged(t, three)
	o := c.put("k", "1", 1000, s3test.Meta{})
	for _, n := range c.nodes {
		n.read(t, get("k"), o)
		c.settle(t)
	}
	c.s3.Forget()
	c.soft(object1("k"))
	for range 3 {
		for _, n := range c.nodes {
			n.read(t, get("k"), o)
			c.settle(t)
		}
	}
	for _, n := range c.nodes {
		if a := n.read(t, get("k"), o); a.Source != object.SourceHot {
			t.Errorf("it came from %v, want memory", a.Source)
		}
	}
	c.requests("k", 0, 1)
}

// Where stale answers are not allowed, a soft purge is confirmed first; where S3 is
// away it is served within stale-if-error.
func TestASoftPurgeKeepsToTheWindows(t *testing.T) {
	c := newPurged(t, []string{"alone"}, func(c *testCluster) { c.fresh.StaleWhileRevalidate = 0 })
	n := c.nodes["alone"]
	o := c.put("k", "1", 1000, s3test.Meta{})
	n.read(t, get("k"), o)
	c.settle(t)
	c.soft(everything)
	if a := n.read(t, get("k"), o); a.Outcome != object.Revalidated {
		t.Errorf("%v, want REVALIDATED", a.Outcome)
	}
	c.requests("k", 0, 2)
	c.soft(everything)
	c.s3.Everything(&s3test.Step{Status: 500, Code: "InternalError"})
	if a := n.read(t, get("k"), o); a.Outcome != object.Stale {
		t.Errorf("%v, want STALE: S3 is away", a.Outcome)
	}
	c.clock.pass(26 * time.Hour)
	n.refused(t, get("k"), 500)
}

// Absences are killed with the names they stand for.
func TestAbsencesArePurged(t *testing.T) {
	for _, status := range []int{404, 403} {
		for name, scope := range map[string]purge.Scope{
			"object": object1("k"), "prefix": {Kind: purge.Prefix, Bucket: bucket, Name: "k"}, "bucket": {Kind: purge.Bucket, Bucket: bucket}, "all": everything,
		} {
			for _, soft := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					c := newPurged(t, three)
					c.put("other", "1", 1, s3test.Meta{})
					if status == 403 {
						c.s3.Script(bucket, "k", s3test.Step{Status: 403, Code: "AccessDenied"})
					}
					for _, n := range c.nodes {
						n.refused(t, get("k"), status)
					}
					c.requests("k", 0, 1)
					o := c.put("k", "1", 1000, s3test.Meta{})
					c.purge(object1("kk"), tagged("red"))
					c.nodes[three[0]].refused(t, get("k"), status)
					c.order(soft, []purge.Scope{scope}, three...)
					for _, n := range c.nodes {
						n.read(t, get("k"), o)
						c.settle(t)
					}
					c.requests("k", 0, 2)
				})
			}
		}
	}
}

// An object without a strong ETag is one GET again.
func TestWhatHasNoStrongETagIsPurged(t *testing.T) {
	for name, m := range map[string]s3test.Meta{"weak": {ETag: `W/"1"`}, "none": {NoETag: true}} {
		t.Run(name, func(t *testing.T) {
			c := newPurged(t, three)
			old := c.put("k", "1", 3*mib, m)
			for _, n := range c.nodes {
				n.read(t, get("k"), old)
				c.settle(t)
			}
			now := c.put("k", "2", 3*mib, m)
			c.purge(object1("k"))
			for _, n := range c.nodes {
				n.read(t, getRange("k", mib, 2*mib), now)
				n.read(t, get("k"), now)
				c.settle(t)
			}
			if gets := c.s3.Count("GET", bucket, "k"); gets != 2 {
				t.Errorf("%d GETs, want 2: %v", gets, c.s3.Requests())
			}
		})
	}
}

// A hard purge that comes while a soft one is refreshed: what S3 said before it is
// not kept, and not served.
func TestARefreshThatAHardPurgeOutruns(t *testing.T) {
	for _, size := range []int64{1000, 2 * mib} {
		n, s3, state := newHeld(t, func(o *node.Options) {
			b := o.Buckets[bucket]
			b.Freshness.StaleWhileRevalidate = time.Hour
			o.Buckets[bucket] = b
		})
		versions := make([]heldObject, 3)
		for i, version := range []string{"1", "2", "3"} {
			versions[i] = heldObject{self("k", version, size), fmt.Sprintf("%q", version), "red"}
		}
		s3.put(versions[0])
		n.read(t, get("k"), versions[0].Object)
		n.flightsEnd(t)
		apply(state, true, tagged("red"))
		s3.put(versions[1])
		s3.hold(true)
		n.read(t, get("k"), versions[0].Object) // stale
		let := s3.next(t)
		s3.put(versions[2])
		apply(state, false, object1("k"))
		s3.hold(false)
		n.read(t, get("k"), versions[2].Object)
		let()
		n.Settle()
		n.flightsEnd(t)
		s3.requests()
		n.read(t, get("k"), versions[2].Object)
		if asked := s3.requests(); len(asked) != 0 {
			t.Errorf("S3 was asked again: %v", asked)
		}
	}
}

// The same where S3 had nothing newer when it was asked: a 304 is as old as its request.
func TestAConfirmationThatAHardPurgeOutruns(t *testing.T) {
	n, s3, state := newHeld(t, func(o *node.Options) {
		b := o.Buckets[bucket]
		b.Freshness.StaleWhileRevalidate = time.Hour
		o.Buckets[bucket] = b
	})
	s3.confirms = true
	old, now := heldObject{self("k", "1", 1000), `"1"`, "red"}, heldObject{self("k", "2", 1000), `"2"`, "red"}
	s3.put(old)
	n.read(t, get("k"), old.Object)
	n.flightsEnd(t)
	apply(state, true, tagged("red"))
	s3.hold(true)
	n.read(t, get("k"), old.Object) // stale
	let := s3.next(t)
	s3.put(now)
	apply(state, false, object1("k"))
	s3.hold(false)
	let()
	n.Settle()
	// Its bytes have notes of their own: the info alone is asked for.
	if a := n.read(t, head("k"), now.Object); a.Info.Get(versionHeader) != "2" {
		t.Errorf("version %s", a.Info.Get(versionHeader))
	}
	n.read(t, get("k"), now.Object)
}

// What is dead is asked for anew, and not whether it is still so: a copy in place within the
// second of the last has other headers, and would be confirmed.
func TestWhatIsDeadIsNotConfirmed(t *testing.T) {
	for _, leased := range []bool{true, false} {
		c := newPurged(t, three) // the ring is new, so that another may have the bytes
		m := s3test.Meta{ETag: `"same"`, Header: http.Header{versionHeader: {"1"}}}
		c.everywhere(t, "k", "1", 1000, m)
		m.Header = http.Header{versionHeader: {"2"}}
		o := c.put("k", "1", 1000, m)
		c.purge(object1("k"))
		if !leased {
			c.unleased(three...)
		}
		for _, n := range c.nodes {
			if a := n.read(t, get("k"), o); a.Info.Get(versionHeader) != "2" {
				t.Errorf("leased %t: the header from before the purge: %s", leased, a.Info.Get(versionHeader))
			}
			c.settle(t)
		}
	}
}

// What is dead is not served stale when S3 is away, whatever stale-if-error allows.
func TestWhatIsDeadIsNotServedWhenS3IsAway(t *testing.T) {
	c := newPurged(t, three)
	c.everywhere(t, "small", "1", 1000, withTags("red"))
	c.everywhere(t, "large", "1", 2*mib, withTags("red"))
	c.s3.Everything(&s3test.Step{Status: 500, Code: "InternalError"})
	c.purge(tagged("red"))
	for _, n := range c.nodes {
		for _, ask := range []*object.Ask{get("small"), head("small"), get("large"), getRange("large", 5, 9)} {
			n.refused(t, ask, 500)
		}
	}
}
