package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/golang/groupcache/lru"
	"golang.org/x/sync/semaphore"

	"rookery/object"
	"rookery/purge"
)

const (
	// listRoom and otherRoom are taken before S3 is asked: few documents are larger.
	// What one is larger is taken when it has come.
	listRoom  = 1 << 20
	otherRoom = 256 << 10
	// roomWait is how long an inquiry may wait for room.
	roomWait = 2 * time.Second
	// entryBytes is what an entry costs beside its text.
	entryBytes = 512
)

// documents bounds the memory of all documents, those that are being sent among them,
// and keeps lists for a short while in half of it. Safe for concurrent use.
type documents struct {
	room *semaphore.Weighted // nil: no bound
	held atomic.Int64        // bytes
	max  int64               // of what is kept

	mu   sync.Mutex
	kept *lru.Cache // object.Query → *document
	size int64      // of kept, in bytes
}

// newDocuments has nothing kept where there is no bound.
func newDocuments(maxBytes int64, set *metrics.Set) *documents {
	s := &documents{max: maxBytes / 2, kept: lru.New(0)}
	if maxBytes > 0 {
		s.room = semaphore.NewWeighted(max(maxBytes, listRoom))
	}
	s.kept.OnEvicted = func(_ lru.Key, v any) {
		d := v.(*document)
		s.size -= d.cost()
		d.release()
	}
	set.NewGauge("rookery_document_bytes", func() float64 { return float64(s.held.Load()) })
	return s
}

// document is an answer of S3's in memory. Its text is given back when the last who
// holds it lets go.
type document struct {
	*object.Document
	note object.Note // taken before S3 was asked
	refs atomic.Int32
	home *documents
}

func (d *document) cost() int64 { return int64(len(d.Text)) + entryBytes }

func (d *document) hold() *document {
	d.refs.Add(1)
	return d
}

func (d *document) release() {
	if d.refs.Add(-1) == 0 {
		d.home.giveBack(d.cost())
	}
}

func (s *documents) giveBack(bytes int64) {
	s.held.Add(-bytes)
	if s.room != nil {
		s.room.Release(bytes)
	}
}

// reserve waits for room for a document of usual size, and returns how much that is.
func (s *documents) reserve(ctx context.Context, q *object.Query) (int64, error) {
	bytes := int64(otherRoom)
	if q.IsList() {
		bytes = listRoom
	}
	if s.room != nil {
		bounded, cancel := context.WithTimeout(ctx, roomWait)
		defer cancel()
		if s.room.Acquire(bounded, bytes) != nil {
			if ctx.Err() != nil {
				return 0, errClosed
			}
			return 0, fmt.Errorf("no memory for another document: %w", object.ErrBusy)
		}
	}
	s.held.Add(bytes)
	return bytes, nil
}

// take makes a document of what has come, in the room that was reserved for it or, if
// it is larger, in more. The caller holds it.
func (s *documents) take(from *object.Document, note object.Note, reserved int64) (*document, error) {
	d := &document{Document: from, note: note, home: s}
	more := d.cost() - reserved
	if more > 0 && s.room != nil && !s.room.TryAcquire(more) {
		s.giveBack(reserved)
		return nil, fmt.Errorf("no memory for a document of %d bytes: %w", len(from.Text), object.ErrBusy)
	}
	if more > 0 {
		s.held.Add(more)
	} else {
		s.giveBack(-more)
	}
	return d.hold(), nil
}

// get returns the list that is kept, if nothing in its bucket was purged since; the
// caller lets go of it.
func (s *documents) get(q object.Query, purges *purge.State) *document {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.kept.Get(q)
	if !ok {
		return nil
	}
	d := found.(*document)
	if !purges.Untouched(q.Key.Bucket, d.note) {
		s.kept.Remove(q)
		return nil
	}
	return d.hold()
}

// keep keeps a list, unless a newer one is there.
func (s *documents) keep(q object.Query, d *document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.kept.Get(q); ok {
		if found.(*document).Validated.After(d.Validated) {
			return
		}
		s.kept.Remove(q)
	}
	if d.cost() > s.max {
		return
	}
	for s.size+d.cost() > s.max {
		s.kept.RemoveOldest()
	}
	s.size += d.cost()
	s.kept.Add(q, d.hold())
}
