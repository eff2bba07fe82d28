package node

import (
	"context"
	"log/slog"
	"sync"

	"rookery/object"
)

// Bucket is what a node knows of one configured bucket.
type Bucket struct {
	Origin Origin
	// Place names the S3 bucket that the configured one stands for, as object.Key has
	// it: nothing that was stored or asked for one place answers for another.
	Place     uint64
	Freshness object.Freshness
	Retry     Retry
	// TagHeaders are the response headers that list an object's cache tags, in
	// canonical form.
	TagHeaders []string
	// StaleWithoutLease: what is held may be served without a lease, and so although
	// it was purged.
	StaleWithoutLease bool
}

// bucket is a Bucket in use. Immutable but for its counts.
type bucket struct {
	Bucket
	name    string
	retries *retries
	count   *bucketCounters
	gone    bool         // it is not configured any more: reads that began before go on
	strange *sync.Once   // tells once that another node takes the bucket for another place
	log     *slog.Logger // where it does
}

// Buckets is all that a node knows of its buckets at one time. A read that begins with
// it keeps to it: every request that it sends to S3 is sent as it says, whatever has
// been put into its place meanwhile. Immutable, and safe for concurrent use.
type Buckets struct {
	node   *Node
	byName map[string]*bucket // those that are gone among them: who began with one asks for it
}

// Prepare makes what Use puts into use. It changes nothing. Of two that were prepared
// one after the other, the first is not to be used when the second has been.
func (n *Node) Prepare(configured map[string]Bucket) *Buckets {
	next := &Buckets{node: n, byName: make(map[string]*bucket, len(configured))}
	before := n.buckets.Load()
	for name, b := range configured {
		next.byName[name] = n.newBucket(name, b, before.byName[name])
	}
	for name, b := range before.byName {
		if _, stays := configured[name]; !stays {
			left := *b
			left.gone = true
			next.byName[name] = &left
		}
	}
	return next
}

// newBucket takes over what belongs to a bucket's name; before may be nil.
func (n *Node) newBucket(name string, b Bucket, before *bucket) *bucket {
	own := &bucket{Bucket: b, name: name, strange: new(sync.Once), log: n.log}
	switch {
	case before == nil:
		own.count, own.retries = newBucketCounters(n.metrics, name), newRetries(b.Retry, name, n.now, n.metrics)
	case before.Retry != b.Retry:
		own.count, own.retries = before.count, newRetries(b.Retry, name, n.now, n.metrics)
	default:
		own.count, own.retries = before.count, before.retries
	}
	return own
}

// Use puts what Prepare made into the place of what was in use: for other nodes, and
// for what is done in the background. Reads that began with the former go on with it.
func (n *Node) Use(b *Buckets) { n.buckets.Store(b) }

// Bound is Options.MaxWaiting from now on.
func (n *Node) Bound(maxWaiting int) { n.gate.max.Store(int64(maxWaiting)) }

// Buckets returns what is in use.
func (n *Node) Buckets() *Buckets { return n.buckets.Load() }

// Placed returns a key of a configured bucket as it is stored; Key.Place is looked up.
func (n *Node) Placed(key object.Key) object.Key {
	key.Place = 0
	if b := n.buckets.Load().configured(key.Bucket); b != nil {
		key.Place = b.Place
	}
	return key
}

// configured returns the bucket of a name; nil if there is none, or none any more.
func (s *Buckets) configured(name string) *bucket {
	if b := s.byName[name]; b != nil && !b.gone {
		return b
	}
	return nil
}

// policy is what is known of a key's bucket now: how long its objects are believed, and
// what purges say of them. It is never asked where its objects are: see from.
func (n *Node) policy(key object.Key) *bucket { return n.buckets.Load().byName[key.Bucket] }

// fromKey is where a context says with which bucket its read began.
type fromKey struct{}

func (b *bucket) within(ctx context.Context) context.Context {
	if ctx.Value(fromKey{}) == b {
		return ctx
	}
	return context.WithValue(ctx, fromKey{}, b)
}

// from returns the bucket that the read under ctx began with, or the one in use for
// who has not begun here: another node asks. nil if there is none that stands for
// the key's place.
func (n *Node) from(ctx context.Context, key object.Key) *bucket {
	if b, ok := ctx.Value(fromKey{}).(*bucket); ok && b.name == key.Bucket && b.Place == key.Place {
		return b
	}
	b := n.buckets.Load().configured(key.Bucket)
	switch {
	case b == nil:
		return nil
	case b.Place == key.Place:
		return b
	}
	b.strange.Do(func() {
		b.log.Warn("another node takes this bucket for another S3 bucket: the two do not share what they cache; give both the same s3.endpoint and s3.bucket, or the same cache.identity",
			"bucket", b.name)
	})
	return nil
}
