package faults

import (
	"fmt"
	"math/rand/v2"
	"net/url"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/ring"
)

const (
	smallBytes  = 64 << 10
	largeBytes  = 80 << 20 // two extents
	rangeBytes  = 256 << 10
	sweepBytes  = 8 << 20 // the parts in which everything is read once
	largeOneIn  = 20      // requests for a range of a large object
	zipfS       = 1.1
	stillBucket = "still"
)

// catalogue is the objects of one fault, and which of their bytes have been
// asked for. One goroutine picks at a time.
type catalogue struct {
	name         string
	small, large []pattern.Object
	random       *rand.Rand
	popular      *rand.Zipf // the first small objects are the most popular ones
	touched      map[piece]int64
}

// piece is what is fetched at once at the least: a chunk.
type piece struct {
	key   string
	chunk int64
}

func newCatalogue(name string, smalls, larges int, seed uint64) *catalogue {
	c := &catalogue{name: name, random: rand.New(rand.NewPCG(seed, 0)), touched: map[piece]int64{}}
	c.popular = rand.NewZipf(c.random, zipfS, 1, uint64(smalls-1))
	for i := range smalls {
		c.small = append(c.small, pattern.Object{Bucket: stillBucket, Key: fmt.Sprintf("%s/small/%d", name, i), Size: smallBytes})
	}
	for i := range larges {
		c.large = append(c.large, pattern.Object{Bucket: stillBucket, Key: fmt.Sprintf("%s/large/%d", name, i), Size: largeBytes})
	}
	return c
}

func (c *catalogue) all() []pattern.Object {
	return append(c.small[:len(c.small):len(c.small)], c.large...)
}

func (c *catalogue) put(s3 *s3test.Server) {
	for _, o := range c.all() {
		s3.Put(o, s3test.Meta{})
	}
}

func (c *catalogue) delete(s3 *s3test.Server) {
	for _, o := range c.all() {
		s3.Delete(o.Bucket, o.Key)
	}
}

// pick is the next request of a load.
func (c *catalogue) pick() want {
	if len(c.large) == 0 || c.random.IntN(largeOneIn) > 0 {
		o := c.small[c.popular.Uint64()]
		return c.want(o, 0, o.Size)
	}
	o := c.large[c.random.IntN(len(c.large))]
	from := c.random.Int64N(o.Size - rangeBytes)
	return c.want(o, from, from+rangeBytes)
}

// everything is a request for each byte.
func (c *catalogue) everything() []want {
	var all []want
	for _, o := range c.all() {
		for from := int64(0); from < o.Size; from += sweepBytes {
			all = append(all, c.want(o, from, min(from+sweepBytes, o.Size)))
		}
	}
	return all
}

func (c *catalogue) want(o pattern.Object, from, to int64) want {
	for n := object.ChunkOf(from); n <= object.ChunkOf(to-1); n++ {
		c.touched[piece{o.Key, n}] = int64(object.ChunkLen(o.Size, n))
	}
	return want{
		path: pathOf(o), from: from, to: to, size: o.Size,
		version: func(etag string) (pattern.Object, bool) { return o, etag == s3test.ETag(o) },
	}
}

func pathOf(o pattern.Object) string {
	return (&url.URL{Path: "/" + o.Bucket + "/" + o.Key}).EscapedPath()
}

// owned is how many of the bytes that have been asked for a node owns when all
// members are there.
func (c *catalogue) owned(node int) int64 {
	all, sum := ring.Build(names(members)), int64(0)
	for p, bytes := range c.touched {
		key := object.Key{Bucket: stillBucket, Name: p.key}
		if all.Owners(key, object.ExtentOf(p.chunk*object.ChunkBytes))[0] == nodeName(node) {
			sum += bytes
		}
	}
	return sum
}

// distinct is how many bytes the origin must send for what has been asked.
func (c *catalogue) distinct() int64 {
	sum := int64(0)
	for _, bytes := range c.touched {
		sum += bytes
	}
	return sum
}
