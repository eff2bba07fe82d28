package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/origin"
	"rookery/purge"
)

// keptFor is how long the lists of these tests are kept.
const keptFor = 5 * time.Second

// lists has room for documents, and keeps lists for so long.
func lists(kept time.Duration) option {
	return func(c *testCluster) {
		before := c.adjustNode
		c.adjustNode = func(o *node.Options) {
			if before != nil {
				before(o)
			}
			b := o.Buckets[bucket]
			b.Lists = kept
			o.Buckets[bucket], o.DocumentBytes = b, 8<<20
		}
	}
}

func listOf(prefix string) object.Query {
	return object.Query{Key: object.Key{Bucket: bucket}, List: object.List{Prefix: prefix, MaxKeys: -1}}
}

// ask reads a document to its end.
func (n *testNode) ask(ctx context.Context, q object.Query, wish *object.Wish) (*object.Answer, string, error) {
	a, err := n.Query(ctx, q, wish)
	if err != nil {
		return nil, "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if int64(len(text)) != a.Length {
		err = errors.Join(err, fmt.Errorf("%d bytes of %d", len(text), a.Length))
	}
	return a, string(text), err
}

// lists checks that a list has a name and how the cache came to it.
func (n *testNode) lists(t *testing.T, q object.Query, name string, outcome object.Outcome) *object.Answer {
	t.Helper()
	a, text, err := n.ask(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "<Key>"+name+"</Key>") || a.Outcome != outcome {
		t.Fatalf("%v: %s, want %s and %v", a.Outcome, text, name, outcome)
	}
	return a
}

// queried checks how many documents S3 was asked for.
func (c *testCluster) queried(t *testing.T, want int) {
	t.Helper()
	if got := c.s3.Queries(bucket); len(got) != want {
		t.Fatalf("S3 was asked for %d documents, want %d: %v", len(got), want, got)
	}
}

// A list is asked of S3 each time, unless its bucket says otherwise.
func TestListsAreNotKept(t *testing.T) {
	c := newCluster(t, []string{"a", "b"}, lists(0))
	c.put("k1", "1", 1, s3test.Meta{})
	for n, name := range []string{"a", "b", "a"} {
		c.nodes[name].lists(t, listOf(""), "k1", object.Bypass)
		c.queried(t, n+1)
	}
	if got := c.nodes["a"].Documents(); got != 0 {
		t.Errorf("%d bytes are held", got)
	}
}

// What any purge in the bucket leaves of a list that is kept: nothing.
func TestAKeptListDiesWithAnyPurgeInItsBucket(t *testing.T) {
	scope := func(s purge.Scope) func(*purgedCluster) { return func(c *purgedCluster) { c.purge(s) } }
	other := purge.Scope{Kind: purge.Bucket, Bucket: "other"}
	cases := []struct {
		name string
		what func(*purgedCluster)
		dies bool
	}{
		{"nothing", func(*purgedCluster) {}, false},
		{"another bucket", scope(other), false},
		{"an object", scope(object1("k1")), true},
		{"an object that is not listed", scope(object1("zzz")), true},
		{"a prefix", scope(purge.Scope{Kind: purge.Prefix, Bucket: bucket, Name: "zzz"}), true},
		{"a tag", scope(tagged("t")), true},
		{"the bucket", scope(purge.Scope{Kind: purge.Bucket, Bucket: bucket}), true},
		{"everything", scope(everything), true},
		{"everything, softly", func(c *purgedCluster) { c.soft(everything) }, true},
		{"the bucket, softly", func(c *purgedCluster) { c.soft(purge.Scope{Kind: purge.Bucket, Bucket: bucket}) }, true},
		{"a soft purge", func(c *purgedCluster) { c.soft(object1("k1")) }, true},
		{"a trim mark", func(c *purgedCluster) { c.number++; c.states["a"].Trim(c.number, bucket, c.number) }, true},
		{"another's trim mark", func(c *purgedCluster) { c.number++; c.states["a"].Trim(c.number, "other", c.number) }, false},
		{"another council", func(c *purgedCluster) {
			c.states["a"].Join([16]byte{2})
			c.states["a"].Grant([16]byte{2}, time.Now(), time.Hour)
		}, true},
		{"no lease", func(c *purgedCluster) { c.unleased("a") }, true},
		{"its age", func(c *purgedCluster) { c.clock.pass(keptFor) }, true},
		{"almost its age", func(c *purgedCluster) { c.clock.pass(keptFor - 1) }, false},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			c := newPurged(t, []string{"a"}, lists(keptFor))
			c.put("k1", "1", 1, s3test.Meta{})
			if a := c.nodes["a"].lists(t, listOf("k"), "k1", object.Miss); !a.Stored || a.TTL != keptFor {
				t.Errorf("the first: %+v", a)
			}
			if a := c.nodes["a"].lists(t, listOf("k"), "k1", object.Hit); a.Source != object.SourceHot {
				t.Errorf("the second: %+v", a)
			}
			c.queried(t, 1)
			c.s3.Delete(bucket, "k1")
			c.put("k2", "1", 1, s3test.Meta{})
			k.what(c)
			if k.dies {
				c.nodes["a"].lists(t, listOf("k"), "k2", object.Miss)
				c.queried(t, 2)
			} else {
				c.nodes["a"].lists(t, listOf("k"), "k1", object.Hit)
				c.queried(t, 1)
			}
		})
	}
}

// A list that S3 gave while a purge came is not kept, and what is kept says whose page
// it is.
func TestAListThatAPurgeOutrunsIsNotKept(t *testing.T) {
	c := newPurged(t, []string{"a"}, lists(keptFor))
	c.put("k1", "1", 1, s3test.Meta{})
	gate := c.s3.Hold(bucket, "", s3test.BeforeHeaders)
	var wait sync.WaitGroup
	wait.Go(func() { c.nodes["a"].lists(t, listOf(""), "k1", object.Miss) })
	<-gate.Reached()
	c.purge(object1("k1"))
	gate.Open()
	wait.Wait()
	c.nodes["a"].lists(t, listOf(""), "k1", object.Miss)
	c.queried(t, 2)
	c.nodes["a"].lists(t, listOf("k"), "k1", object.Miss) // another prefix is another page
	c.queried(t, 3)
	c.nodes["a"].lists(t, listOf(""), "k1", object.Hit)
	c.queried(t, 3)
}

// Who may share an answer on its way, and exactly what S3 is asked for: one reader's
// list has been sent when three more come.
func TestListsThatAreAskedTogether(t *testing.T) {
	noCache := &object.Wish{NoCache: true, MaxAge: object.NoLimit, MaxStale: object.NoLimit}
	cases := []struct {
		name      string
		kept      time.Duration
		wish      *object.Wish
		meanwhile func(*purgedCluster)
		lists     int
	}{
		{"nothing is kept", 0, nil, nil, 2},
		{"kept", keptFor, nil, nil, 1},
		{"kept, without a lease", keptFor, nil, func(c *purgedCluster) { c.unleased("a") }, 2},
		{"kept, purged since", keptFor, nil, func(c *purgedCluster) { c.purge(object1("zzz")) }, 2},
		{"kept, another bucket purged", keptFor, nil, func(c *purgedCluster) { c.purge(purge.Scope{Kind: purge.Bucket, Bucket: "other"}) }, 1},
		{"kept, sent long ago", keptFor, nil, func(c *purgedCluster) { c.clock.pass(keptFor) }, 2},
		{"kept, no-cache", keptFor, noCache, nil, 2},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			c := newPurged(t, []string{"a"}, lists(k.kept))
			c.put("k1", "1", 1, s3test.Meta{})
			n, gate := c.nodes["a"], c.s3.Hold(bucket, "", s3test.BeforeHeaders)
			var wait sync.WaitGroup
			read := func() {
				if _, text, err := n.ask(t.Context(), listOf(""), k.wish); err != nil || !strings.Contains(text, "<Key>k1</Key>") {
					t.Errorf("%v: %s", err, text)
				}
			}
			wait.Go(read)
			<-gate.Reached()
			if k.meanwhile != nil {
				k.meanwhile(c)
			}
			for range 3 {
				wait.Go(read)
			}
			eventually(t, "three more wait", func() bool { return n.Inquirers(listOf("")) == 5-k.lists })
			c.queried(t, 1)
			gate.Open()
			wait.Wait()
			c.queried(t, k.lists)
		})
	}
}

// When all who wait have left, S3 is not waited for either, and who comes next asks anew.
func TestAListThatNobodyWaitsForEnds(t *testing.T) {
	c := newCluster(t, []string{"a"}, lists(keptFor))
	c.put("k1", "1", 1, s3test.Meta{})
	gate := c.s3.Hold(bucket, "", s3test.BeforeHeaders)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, _, err := c.nodes["a"].ask(ctx, listOf(""), nil)
		left <- err
	}()
	<-gate.Reached()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	soon(t, func(ctx context.Context) {
		if err := c.s3.Await(ctx, func(all []s3test.Request) bool { return len(all) == 1 && all[0].Done }); err != nil {
			t.Error("the request to S3 goes on")
		}
	})
	gate.Open()
	c.nodes["a"].lists(t, listOf(""), "k1", object.Miss)
	c.queried(t, 2)
}

// S3's failure is told to who waited for the next as well.
func TestAListsFailureIsShared(t *testing.T) {
	c := newCluster(t, []string{"a"}, lists(0), func(c *testCluster) { c.retry.MaxAttempts = 1 })
	c.put("k1", "1", 1, s3test.Meta{})
	gate := c.s3.Hold(bucket, "", s3test.BeforeHeaders)
	c.s3.Script(bucket, "", s3test.Step{Status: 500, Code: "InternalError"})
	n := c.nodes["a"]
	var wait sync.WaitGroup
	read := func() {
		var refused *object.OriginError
		if _, _, err := n.ask(t.Context(), listOf(""), nil); !errors.As(err, &refused) || refused.Status != 500 {
			t.Errorf("got %v", err)
		}
	}
	wait.Go(read)
	<-gate.Reached()
	wait.Go(read)
	eventually(t, "the second waits", func() bool { return n.Inquirers(listOf("")) == 1 && len(c.s3.Requests()) == 1 })
	gate.Open()
	wait.Wait()
	c.queried(t, 1)
	n.lists(t, listOf(""), "k1", object.Bypass)
}

// Attempts and what they come to: as for objects.
func TestListsAreRetried(t *testing.T) {
	failed := s3test.Step{Status: 500, Code: "InternalError"}
	cut := s3test.Step{End: &s3test.End{After: 100, How: s3test.Cut}}
	for _, k := range []struct {
		name   string
		steps  []s3test.Step
		status int
		asked  int
	}{
		{"two 500", []s3test.Step{failed, failed}, 0, 3},
		{"three 500", []s3test.Step{failed, failed, failed}, 500, 3},
		{"cut short", []s3test.Step{cut}, 0, 2},
		{"forbidden", []s3test.Step{{Status: 403, Code: "AccessDenied"}}, 403, 1},
		{"no XML", []s3test.Step{{Text: "<ListBucketResult><Name>b</Name>"}}, -1, 1},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := newCluster(t, []string{"a"}, lists(keptFor), func(c *testCluster) { c.retry.MaxBackoff = time.Millisecond })
			c.put("k1", "1", 1, s3test.Meta{})
			c.s3.Script(bucket, "", k.steps...)
			_, _, err := c.nodes["a"].ask(t.Context(), listOf(""), nil)
			var refused *object.OriginError
			switch {
			case k.status == 0 && err == nil:
			case k.status < 0 && errors.Is(err, object.ErrBroken):
			case k.status > 0 && errors.As(err, &refused) && refused.Status == k.status:
			default:
				t.Errorf("got %v, want %d", err, k.status)
			}
			c.queried(t, k.asked)
			if held := c.nodes["a"].Documents(); (held != 0) != (k.status == 0) {
				t.Errorf("%d bytes are held", held)
			}
		})
	}
}

// What is said of one object is not kept.
func TestAttributesAndTagsAreAskedEachTime(t *testing.T) {
	c := newCluster(t, []string{"a"}, lists(keptFor))
	c.put("k1", "1", 7, s3test.Meta{Tags: [][2]string{{"colour", "blue"}}})
	key := object.Key{Bucket: bucket, Name: "k1"}
	for q, want := range map[object.Query]string{
		{Operation: object.GetObjectTagging, Key: key}:                                                        "<Value>blue</Value>",
		{Operation: object.GetObjectAttributes, Key: key, Attributes: object.Attributes{Names: "ObjectSize"}}: "<ObjectSize>7</ObjectSize>",
	} {
		c.s3.Forget()
		for range 2 {
			a, text, err := c.nodes["a"].ask(t.Context(), q, nil)
			if err != nil || a.Outcome != object.Bypass || !strings.Contains(text, want) {
				t.Errorf("%v: %v %s", q.Operation, err, text)
			}
		}
		c.queried(t, 2)
	}
}

// A replica's list is kept for as long as anything that a replica says.
func TestAReplicasList(t *testing.T) {
	c := newCluster(t, []string{"a"}, lists(5*time.Minute), func(c *testCluster) {
		c.replica, c.retry.MaxAttempts = s3test.Start(t), 1
		c.care = origin.Care{Breaker: origin.Breaker{FailureThreshold: 1}}
	})
	for _, s3 := range []*s3test.Server{c.s3, c.replica} {
		o := c.put("k1", "1", 1, s3test.Meta{})
		s3.Put(o, s3test.Meta{})
	}
	c.s3.Everything(&s3test.Step{Status: 503})
	c.nodes["a"].lists(t, listOf(""), "k1", object.Miss)
	c.clock.pass(object.ReplicaLifetime - 1)
	c.nodes["a"].lists(t, listOf(""), "k1", object.Hit)
	c.clock.pass(1)
	c.nodes["a"].lists(t, listOf(""), "k1", object.Miss)
	if n := c.replica.Count(http.MethodGet, bucket, ""); n != 2 {
		t.Errorf("the replica was asked %d times", n)
	}
}

// What a client asks of the cache, of a list that is kept.
func TestAClientsWishForAList(t *testing.T) {
	c := newCluster(t, []string{"a"}, lists(keptFor))
	c.put("k1", "1", 1, s3test.Meta{})
	wish := func(change func(*object.Wish)) *object.Wish {
		w := &object.Wish{MaxAge: object.NoLimit, MaxStale: object.NoLimit}
		change(w)
		return w
	}
	only := wish(func(w *object.Wish) { w.OnlyIfCached = true })
	if _, _, err := c.nodes["a"].ask(t.Context(), listOf(""), only); !errors.Is(err, object.ErrNotHeld) {
		t.Errorf("only-if-cached, of nothing: %v", err)
	}
	for _, k := range []struct {
		wish    *object.Wish
		outcome object.Outcome
	}{
		{wish(func(w *object.Wish) { w.NoStore = true }), object.Miss},
		{nil, object.Miss},
		{only, object.Hit},
		{wish(func(w *object.Wish) { w.NoCache = true }), object.Miss},
		{wish(func(w *object.Wish) { w.MinFresh = keptFor + 1 }), object.Miss},
		{wish(func(w *object.Wish) { w.MaxStale = time.Hour }), object.Hit},
	} {
		if a, _, err := c.nodes["a"].ask(t.Context(), listOf(""), k.wish); err != nil || a.Outcome != k.outcome {
			t.Errorf("%+v: %v, %v", k.wish, a, err)
		}
	}
	c.queried(t, 4)
}
