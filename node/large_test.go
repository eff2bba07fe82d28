package node_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/store"
)

// asked is which chunks of an object S3 has been asked for, and how often it
// should have been.
type asked struct {
	chunks []bool
	gets   int
	bytes  int64
}

// read notes a read of [from, to): each stretch of chunks of one extent that
// nobody has read before is one GET.
func (a *asked) read(from, to int64) {
	before := slices.Clone(a.chunks)
	for c := object.ChunkOf(from); c <= object.ChunkOf(to-1); c++ {
		if before[c] {
			continue
		}
		begins := c == object.ChunkOf(from) || before[c-1] || c%object.ExtentChunks == 0
		if begins {
			a.gets++
		}
		a.chunks[c] = true
		a.bytes += object.ChunkBytes
	}
}

// Random places of a 10 GiB object, read through all nodes: each chunk that is
// wanted comes from S3 once, at one version, and lies on its extent's owner alone.
func TestATenGiBObjectIsServedByAllDisks(t *testing.T) {
	const size, ranges = 10 << 30, 200
	c := newCluster(t, three, func(c *testCluster) {
		c.adjust = func(o *store.Options) { o.Capacity, o.SegmentBytes = 1<<30, 64<<20 }
	})
	o := c.put("huge", "1", size, s3test.Meta{})
	want := asked{chunks: make([]bool, object.Chunks(size))}
	r := rand.New(rand.NewPCG(10, 1))
	for i := range ranges {
		length := 1 + r.Int64N(2*mib)
		first := r.Int64N(size - length)
		if i%4 == 0 { // across the border of two extents, and near to others of these
			first = (1+r.Int64N(8))*object.ExtentBytes - r.Int64N(length)
		}
		c.nodes[three[i%3]].read(t, getRange("huge", first, first+length-1), o)
		want.read(first, first+length)
	}
	c.settle(t)
	if got := c.cost("huge"); got != (cost{1, want.gets, want.bytes}) {
		t.Errorf("S3 was asked for %+v, want 1 HEAD, %d GETs and %d bytes", got, want.gets, want.bytes)
	}
	for _, q := range c.s3.Requests() {
		if q.Method == "GET" && q.Header.Get("If-Match") != s3test.ETag(o) {
			t.Errorf("a part was asked for without its version: %v", q)
		}
	}
	held := c.heldBy(t, o, want.chunks)
	t.Logf("%d GETs of %d MiB; chunks held: %v", want.gets, want.bytes/mib, held)
	for _, name := range three {
		if held[name] < ranges/6 {
			t.Errorf("%s holds only %d chunks: the object is not spread", name, held[name])
		}
	}
}

// heldBy checks that every chunk that was read is on its extent's owner and on no
// other node, and nothing else anywhere. It returns how many each node has.
func (c *testCluster) heldBy(t *testing.T, o pattern.Object, read []bool) map[string]int {
	t.Helper()
	key, v := object.Key{Bucket: bucket, Name: o.Key}, object.VersionOf(s3test.ETag(o), o.Size)
	fetches, held := c.s3.Fetches(bucket, o.Key), make(map[string]int)
	for n := range object.Chunks(o.Size) {
		owner := c.ring.Load().Owners(key, n/object.ExtentChunks)[0]
		for _, name := range c.names {
			has := c.nodes[name].store.Has(key, v, n)
			if has != (read[n] && name == owner) {
				t.Errorf("chunk %d: read %t, stored on %s: %t; its owner is %s", n, read[n], name, has, owner)
			}
			if has {
				held[name]++
			}
		}
		if n < int64(len(fetches)) && fetches[n] > 1 {
			t.Errorf("chunk %d was fetched %d times", n, fetches[n])
		}
	}
	return held
}
