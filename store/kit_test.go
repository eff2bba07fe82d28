package store

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"rookery/internal/pattern"
	"rookery/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0).UTC()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// small are options for a store of little segments whose keeper never runs by
// itself: a test calls tick.
func small(dir string, c *clock) Options {
	return Options{
		Dir: dir, Capacity: 16 << 20, SegmentBytes: 2 << 20, IndexMemory: 512 << 10, HotBytes: 1 << 20,
		Now: c.Now, Metrics: metrics.NewSet(), ticks: make(chan time.Time),
	}
}

func mustOpen(t *testing.T, opt Options) *Store {
	t.Helper()
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// thing is an object whose bytes and info describe themselves.
type thing struct{ pattern.Object }

func newThing(name, version string, size int64) thing {
	return thing{pattern.Object{Bucket: "b", Key: name, Version: version, Size: size}}
}

func (o thing) key() object.Key { return object.Key{Bucket: o.Bucket, Name: o.Key} }
func (o thing) etag() string    { return fmt.Sprintf("%q", o.Object.Version) }

func (o thing) version() object.Version { return object.VersionOf(o.etag(), o.Size) }

func (o thing) note() object.Note { return object.Note{Council: [16]byte{1}, Applied: uint64(o.Size)} }

func (o thing) info() object.Info {
	return object.Info{
		Version: o.version(), Size: o.Size, ETag: o.etag(), LastModified: time.Unix(1_600_000_000, 0).UTC(),
		Header: []object.Field{{Name: "Content-Type", Value: "text/" + o.Object.Version}},
		Note:   o.note(), Validated: time.Unix(1_700_000_000, 0).UTC(),
	}
}

func (o thing) chunk(n int64) []byte {
	from := n * object.ChunkBytes
	return o.Bytes(from, from+int64(object.ChunkLen(o.Size, n)))
}

// put stores the info and every chunk.
func (o thing) put(t *testing.T, s *Store) {
	t.Helper()
	info := o.info()
	if err := s.PutInfo(o.key(), &info); err != nil {
		t.Fatal(err)
	}
	for n := range object.Chunks(o.Size) {
		if err := s.PutChunk(o.key(), o.version(), o.Size, n, o.note(), o.chunk(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkChunk reads chunk n and checks every byte. It reports whether it was
// there; wrong bytes are an error.
func (o thing) checkChunk(s *Store, n int64) (bool, error) {
	return o.compareChunk(s, n, o.chunk(n))
}

// compareChunk is checkChunk for who has the chunk's bytes at hand.
func (o thing) compareChunk(s *Store, n int64, want []byte) (bool, error) {
	c, err := s.Chunk(o.key(), o.version(), n)
	if errors.Is(err, ErrMiss) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("not a miss: %w", err)
	}
	defer c.Close()
	if c.Note() != o.note() || c.Size() != o.Size || c.Len() != object.ChunkLen(o.Size, n) {
		return false, fmt.Errorf("chunk %d of %s has another's size or note", n, o.Key)
	}
	p := make([]byte, c.Len())
	got, err := c.ReadAt(p, 0)
	if !bytes.Equal(p[:got], want[:got]) {
		return false, o.Check(p[:got], n*object.ChunkBytes)
	}
	if err != nil && !errors.Is(err, ErrMiss) {
		return false, fmt.Errorf("not a miss: %w", err)
	}
	return err == nil, nil
}

// mustHave checks that all of the object is there and right.
func (o thing) mustHave(t *testing.T, s *Store) {
	t.Helper()
	info, ok := s.Info(o.key())
	if !ok || info.ETag != o.etag() || info.Size != o.Size || info.Note != o.note() ||
		info.Get("Content-Type") != "text/"+o.Object.Version {
		t.Fatalf("info of %s: %v %+v", o.Key, ok, info)
	}
	for n := range object.Chunks(o.Size) {
		if held, err := o.checkChunk(s, n); !held || err != nil {
			t.Fatalf("chunk %d of %s: held %v, %v", n, o.Key, held, err)
		}
	}
}
