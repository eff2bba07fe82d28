package node_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/origin"
	"rookery/ring"
	"rookery/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bucket = "b"

// testCluster is some nodes with stores of their own over one scripted S3. They
// ask each other by plain calls; what the wire adds is tested where nodes are
// wired.
type testCluster struct {
	t      *testing.T
	s3     *s3test.Server
	clock  *testClock
	ring   *ring.Ring
	dirs   map[string]string
	nodes  map[string]*testNode
	names  []string
	adjust func(*store.Options)
	// adjustNode, if set, changes a node's options before it starts.
	adjustNode func(*node.Options)
	fresh      object.Freshness

	retry   node.Retry
	care    origin.Care
	timeout time.Duration  // of S3
	replica *s3test.Server // a second S3; nil is none
}

type testNode struct {
	*node.Node
	store *store.Store
	peers *fakePeers
	s3    *origin.Origin
}

// Open gives the node an ask of its own, whose place it sets: tests ask several nodes
// the same.
func (n *testNode) Open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	own := *ask
	return n.Node.Open(ctx, &own)
}

type testClock struct{ ns atomic.Int64 }

func (c *testClock) now() time.Time        { return time.Unix(0, c.ns.Load()) }
func (c *testClock) pass(by time.Duration) { c.ns.Add(int64(by)) }

type option func(*testCluster)

func newCluster(t *testing.T, names []string, options ...option) *testCluster {
	t.Helper()
	c := &testCluster{
		t: t, s3: s3test.Start(t), clock: new(testClock), ring: new(ring.Ring), names: names,
		dirs: make(map[string]string), nodes: make(map[string]*testNode),
		fresh: object.Freshness{Default: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour, NotFound: 10 * time.Second, Forbidden: 10 * time.Second},
		care:  origin.Care{Breaker: origin.Breaker{FailureThreshold: 1000}}, // for tests of something else
	}
	c.clock.ns.Store(time.Now().UnixNano())
	c.ring.Store(ring.Build(names))
	for _, o := range options {
		o(c)
	}
	for _, name := range names {
		c.dirs[name] = t.TempDir()
		c.start(name)
	}
	t.Cleanup(c.stop)
	return c
}

func (c *testCluster) start(name string) {
	c.t.Helper()
	o := store.Options{
		Dir: c.dirs[name], Capacity: 2 << 30, IndexMemory: 8 << 20, HotBytes: 16 << 20, Now: c.clock.now,
	}
	if c.adjust != nil {
		c.adjust(&o)
	}
	s, err := store.Open(o)
	if err != nil {
		c.t.Fatal(err)
	}
	place := origin.Options{
		Name: bucket, Bucket: bucket, Region: "eu-1", Endpoint: c.s3.URL, Anonymous: true, PathStyle: true, Now: c.clock.now, Timeout: c.timeout,
	}
	places := []origin.Options{place}
	if c.replica != nil {
		place.Replica, place.Endpoint = "second", c.replica.URL
		places = append(places, place)
	}
	client, err := origin.Open(context.Background(), c.care, places...)
	if err != nil {
		c.t.Fatal(err)
	}
	peers := &fakePeers{cluster: c, broken: make(map[string]int64), refusing: make(map[string]error)}
	options := node.Options{
		Name: name, Store: s, Ring: c.ring, Purges: node.Leased(), Peers: peers, FlightBytes: 64 << 20, FinishBytes: 0, Now: c.clock.now,
		Buckets: map[string]node.Bucket{bucket: {Origin: client, Freshness: c.fresh, Retry: c.retry}},
	}
	if c.adjustNode != nil {
		c.adjustNode(&options)
	}
	n, err := node.New(options)
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[name] = &testNode{n, s, peers, client}
}

func (c *testCluster) stop() {
	for _, n := range c.nodes {
		if err := n.Close(); err != nil {
			c.t.Error(err)
		}
		if n.s3 != nil {
			n.s3.Close()
		}
		if err := n.store.Close(); err != nil {
			c.t.Error(err)
		}
	}
	clear(c.nodes)
}

// restart closes every node and opens it on its old disk.
func (c *testCluster) restart() {
	c.t.Helper()
	c.stop()
	for _, name := range c.names {
		c.start(name)
	}
}

// put makes an object at S3 that describes itself.
func (c *testCluster) put(key, version string, size int64, m s3test.Meta) pattern.Object {
	o := pattern.Object{Bucket: bucket, Key: key, Version: version, Size: size}
	c.s3.Put(o, m)
	return o
}

// owner returns the node that owns the key's extent 0, and others who do not.
func (c *testCluster) owner(key string) (owner *testNode, others []*testNode) {
	first := c.ring.Load().Owners(object.Key{Bucket: bucket, Name: key}, 0)[0]
	for _, name := range c.names {
		if name != first {
			others = append(others, c.nodes[name])
		}
	}
	return c.nodes[first], others
}

func get(key string) *object.Ask {
	return &object.Ask{Key: object.Key{Bucket: bucket, Name: key}}
}

func getRange(key string, first, last int64) *object.Ask {
	a := get(key)
	a.Range = object.Range{Kind: object.FromTo, First: first, Last: last}
	return a
}

func head(key string) *object.Ask {
	a := get(key)
	a.HeadOnly = true
	return a
}

// check reads an answer to its end and compares each byte. It closes the body.
func check(a *object.Answer, o pattern.Object) error {
	if a.Length == 0 {
		if o.Size != 0 && a.Body != nil {
			return fmt.Errorf("%s: a body without length", o.Key)
		}
		return nil
	}
	defer a.Body.Close()
	n, err := o.CheckReader(a.Body, a.Offset, a.Offset+a.Length)
	if err != nil {
		return fmt.Errorf("after %d right bytes: %w", n, err)
	}
	return nil
}

// read opens and checks. The answer is the whole range asked for.
func (n *testNode) read(t *testing.T, ask *object.Ask, o pattern.Object) *object.Answer {
	t.Helper()
	a, err := n.Open(context.Background(), ask)
	if err != nil {
		t.Fatalf("open %s: %v", ask.Key, err)
	}
	from, to, err := ask.Range.Resolve(o.Size)
	if err != nil {
		t.Fatal(err)
	}
	if a.Info.Size != o.Size || !ask.HeadOnly && (a.Offset != from || a.Length != to-from) {
		t.Fatalf("answer of [%d, +%d) of %d bytes, want [%d, %d) of %d", a.Offset, a.Length, a.Info.Size, from, to, o.Size)
	}
	if err := check(a, o); err != nil {
		t.Fatal(err)
	}
	return a
}

// fetchedOnce checks that every chunk of the object was asked of S3 exactly once.
func (c *testCluster) fetchedOnce(o pattern.Object) {
	c.t.Helper()
	fetches := c.s3.Fetches(bucket, o.Key)
	if int64(len(fetches)) != object.Chunks(o.Size) {
		c.t.Fatalf("%d chunks were counted of %d", len(fetches), object.Chunks(o.Size))
	}
	for n, times := range fetches {
		if times != 1 {
			c.t.Errorf("chunk %d was fetched %d times", n, times)
		}
	}
}

// name is the node's.
func (n *testNode) name(c *testCluster) string {
	for name, other := range c.nodes {
		if other == n {
			return name
		}
	}
	return ""
}

// ownedBy returns a key whose owner the node is.
func ownedBy(c *testCluster, name string) string {
	for i := 0; ; i++ {
		key := fmt.Sprintf("key-%d", i)
		if c.ring.Load().Owners(object.Key{Bucket: bucket, Name: key}, 0)[0] == name {
			return key
		}
	}
}

// requests checks how many requests S3 got for the object.
func (c *testCluster) requests(key string, heads, gets int) {
	c.t.Helper()
	if h, g := c.s3.Count("HEAD", bucket, key), c.s3.Count("GET", bucket, key); h != heads || g != gets {
		c.t.Errorf("S3 got %d HEAD and %d GET, want %d and %d: %v", h, g, heads, gets, c.s3.Requests())
	}
}

// fakePeers are the other nodes of the process. A node can be made to be down,
// or to break off after so many bytes.
type fakePeers struct {
	cluster *testCluster
	asked   atomic.Int64

	mu     sync.Mutex
	broken map[string]int64
	// with is how answers break off; nil is ErrUnreachable.
	with error
	// refusing is what Open returns in a node's place.
	refusing map[string]error
	// busyParts is how many asks for a pinned version are refused as busy, hand-off apart.
	busyParts int
}

// refuse makes the node answer with the error; nil makes it answer again.
func (p *fakePeers) refuse(name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing[name] = err
}

// breakOff makes answers of the node end after so many bytes; 0 means none.
func (p *fakePeers) breakOff(name string, after int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[name] = after
}

// mend makes all nodes answer again.
func (p *fakePeers) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.broken)
}

func (p *fakePeers) Open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	p.mu.Lock()
	p.asked.Add(1)
	after, broken := p.broken[name]
	with := cmp.Or(p.with, object.ErrUnreachable)
	refused := p.refusing[name]
	if refused == nil && ask.Pin != nil && !ask.OnlyIfHave && p.busyParts > 0 {
		p.busyParts--
		refused = object.ErrBusy
	}
	p.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	other := p.cluster.nodes[name]
	if other == nil || broken && after == 0 {
		return nil, object.ErrUnreachable
	}
	a, err := other.OpenLocal(ctx, ask)
	if err != nil {
		return nil, err
	}
	a.OwnerSource = a.Source
	if broken && a.Body != nil {
		a.Body = &brokenBody{a.Body, after, with}
	}
	return a, nil
}

type brokenBody struct {
	io.ReadCloser
	left int64
	with error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.with
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
