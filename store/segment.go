package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	segmentSuffix = ".seg"
	// markBytes is the resolution of the read marks: one bit for each 4 KiB.
	markBytes = 4096
)

// segment is one file of records. Its bytes below size never change. The table
// holds it once and every open chunk once; the last to let go closes the file.
type segment struct {
	id    uint64
	path  string
	file  vfs.File
	bytes int64 // what it counts for against the capacity

	size  atomic.Int64 // end of the last whole record
	refs  atomic.Int64
	marks []atomic.Uint64
	// closed is told how many bytes came free when the file is closed.
	closed func(bytes int64)
}

func newSegment(id uint64, path string, file vfs.File, bytes int64, closed func(int64)) *segment {
	seg := &segment{id: id, path: path, file: file, bytes: bytes, closed: closed}
	seg.marks = make([]atomic.Uint64, bytes/markBytes/64+1)
	seg.refs.Store(1)
	return seg
}

// release gives back one hold. It returns the error of closing the file.
func (g *segment) release() error {
	if g.refs.Add(-1) > 0 {
		return nil
	}
	err := g.file.Close()
	g.closed(g.bytes)
	return err
}

// mark remembers that the record at offset was read.
func (g *segment) mark(offset uint32) {
	word, bit := &g.marks[offset/markBytes/64], uint64(1)<<(offset/markBytes%64)
	if word.Load()&bit == 0 {
		word.Or(bit)
	}
}

func (g *segment) marked(offset uint32) bool {
	return g.marks[offset/markBytes/64].Load()&(1<<(offset/markBytes%64)) != 0
}

func segmentName(id uint64) string { return fmt.Sprintf("%016x%s", id, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(hex, 16, 64)
	return id, err == nil
}

// segments is the table of the files that lookups may find.
type segments struct {
	mu   sync.RWMutex
	byID map[uint64]*segment
	// held is what all files count for, those included that are unlinked but
	// still open.
	held atomic.Int64
}

// acquire returns the segment, held for the caller, or nil if it is gone.
func (t *segments) acquire(id uint64) *segment {
	t.mu.RLock()
	seg := t.byID[id]
	if seg != nil {
		seg.refs.Add(1)
	}
	t.mu.RUnlock()
	return seg
}

func (t *segments) has(id uint64) bool {
	t.mu.RLock()
	_, ok := t.byID[id]
	t.mu.RUnlock()
	return ok
}

func (t *segments) add(seg *segment) {
	t.mu.Lock()
	t.byID[seg.id] = seg
	t.mu.Unlock()
}

// remove takes the segment out of the table. Readers that hold it go on.
func (t *segments) remove(seg *segment) error {
	t.mu.Lock()
	delete(t.byID, seg.id)
	t.mu.Unlock()
	return seg.release()
}

// sorted returns the segments, oldest first. They are not held.
func (t *segments) sorted() []*segment {
	t.mu.RLock()
	all := make([]*segment, 0, len(t.byID))
	for _, seg := range t.byID {
		all = append(all, seg)
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b *segment) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return all
}

// oldest returns the segment with the lowest id but that of except, or nil. It
// is not held: only the one who reclaims removes segments.
func (t *segments) oldest(except uint64) *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var found *segment
	for _, seg := range t.byID {
		if seg.id != except && (found == nil || seg.id < found.id) {
			found = seg
		}
	}
	return found
}

func (t *segments) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byID)
}
