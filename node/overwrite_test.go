package node_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/store"
)

// kind is a size of objects, and how many of each 100 reads are of such.
type kind struct {
	name   string
	size   int64
	weight int
	// wholes is how many of 100 reads want everything; the others want a range.
	wholes int
}

var kinds = [3]kind{
	{"one chunk", 150_000, 75, 70},
	{"some chunks", 2*mib + 7, 22, 50},
	{"some extents", 65*mib + 3, 3, 3},
}

// rewritten is a cluster whose objects are overwritten while they are read.
type rewritten struct {
	*testCluster
	written atomic.Int64

	mu     sync.Mutex
	byETag map[string]pattern.Object
	seen   map[string]bool // ETags of complete answers

	endings [3]struct{ complete, cut, refused atomic.Int64 } // by kind
}

// Objects of one chunk, of several and of several extents are overwritten in the
// middle of their reads, by other nodes too. Each answer is one version from its
// first byte to its last, the one that its ETag names; or it is refused, or cut.
func TestOverwrittenObjectsAreNeverMixed(t *testing.T) {
	w := &rewritten{byETag: make(map[string]pattern.Object), seen: make(map[string]bool)}
	w.testCluster = newCluster(t, three, func(c *testCluster) {
		c.fresh = object.Freshness{Default: 5 * time.Millisecond} // five overwrites
		c.adjust = func(o *store.Options) { o.Capacity, o.SegmentBytes = 512<<20, 16<<20 }
	})
	for k := range kinds {
		for i := range 3 {
			w.overwrite(kinds[k], keyOf(k, i))
		}
	}
	var readers sync.WaitGroup
	for i := range 8 {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		readers.Go(func() {
			for w.written.Load() < overwrites && !t.Failed() {
				if err := w.one(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
	for k := range kinds {
		e := &w.endings[k]
		complete, others := e.complete.Load(), e.cut.Load()+e.refused.Load()
		t.Logf("%-12s %5d answers complete, %4d cut, %4d refused", kinds[k].name, complete, e.cut.Load(), e.refused.Load())
		if fewest := int64(overwrites * kinds[k].weight / 100 / 4); complete < fewest || complete < others/3 {
			t.Errorf("%s: only %d answers were complete: nothing was tested", kinds[k].name, complete)
		}
	}
	t.Logf("%d overwrites, %d versions were read", w.written.Load(), len(w.seen))
	if len(w.seen) < overwrites/10 {
		t.Error("too few versions were read to have been mixed")
	}
}

func keyOf(kind, i int) string { return fmt.Sprintf("k%d-%d", kind, i) }

// overwrite makes another version of the key current, of another size mostly.
func (w *rewritten) overwrite(k kind, key string) {
	n := w.written.Add(1)
	o := pattern.Object{Bucket: bucket, Key: key, Version: strconv.FormatInt(n, 10), Size: k.size + n%3}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.byETag[s3test.ETag(o)] = o
	w.s3.Put(o, s3test.Meta{})
	w.clock.pass(time.Millisecond)
}

// judge returns the version that an answer says it is.
func (w *rewritten) judge(a *object.Answer, key string) (pattern.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.byETag[a.Info.ETag]
	if o.Key != key || o.Size != a.Info.Size {
		return o, fmt.Errorf("%s: %d bytes of %s are no version of it", key, a.Info.Size, a.Info.ETag)
	}
	return o, nil
}

func (w *rewritten) complete(k int, a *object.Answer) {
	w.endings[k].complete.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[a.Info.ETag] = true
}

// one reads an object through some node, and overwrites it in the middle of that.
func (w *rewritten) one(r *rand.Rand) error {
	k, at := 0, r.IntN(100)
	for at >= kinds[k].weight {
		at -= kinds[k].weight
		k++
	}
	key, size := keyOf(k, r.IntN(3)), kinds[k].size
	ask := get(key)
	if r.IntN(100) >= kinds[k].wholes {
		first := r.Int64N(size)
		if k == 2 { // mostly across two extents
			first = 64*mib - r.Int64N(2*mib)
		}
		ask = getRange(key, first, min(first+r.Int64N(2*mib), size-1))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a, err := w.nodes[three[r.IntN(3)]].Open(ctx, ask)
	if err != nil {
		w.overwrite(kinds[k], key)
		w.endings[k].refused.Add(1)
		return ctx.Err() // a refusal is no defect, a hang is
	}
	defer closeAnswer(a)
	o, err := w.judge(a, key)
	if err != nil {
		return err
	}
	from, to, err := ask.Range.Resolve(o.Size)
	if err != nil || a.Offset != from || a.Length != to-from {
		return fmt.Errorf("answer of [%d, +%d) to [%d, %d): %w", a.Offset, a.Length, from, to, err)
	}
	body := &interrupted{Reader: a.Body, left: r.Int64N(a.Length), then: func() { w.overwrite(kinds[k], key) }}
	n, err := o.CheckReader(body, from, to)
	switch {
	case err == nil:
		w.complete(k, a)
		return nil
	case body.err != nil && ctx.Err() == nil: // the node said that there is no more
		w.endings[k].cut.Add(1)
		return nil
	}
	return fmt.Errorf("after %d right bytes: %w", n, err)
}

// interrupted is a body in the middle of which something happens.
type interrupted struct {
	io.Reader
	left int64 // bytes until then
	then func()
	err  error // how the body ended, unless well
}

func (b *interrupted) Read(p []byte) (int, error) {
	if b.left <= 0 && b.then != nil {
		b.then()
		b.then = nil
	}
	if b.then != nil {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
