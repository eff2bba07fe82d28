package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/object"
)

var (
	// ErrMiss says that the bytes asked for are not to be had here. Every error
	// of a read is one.
	ErrMiss = errors.New("not in the store")
	// ErrFull says that the disk takes nothing at present: it is full, or it
	// fails. The caller goes on without keeping the bytes; the store tries again
	// by itself.
	ErrFull = errors.New("store takes no bytes")
)

// Store keeps infos, chunks and hot objects. All methods may be called by any
// number of goroutines, but none after Close.
type Store struct {
	opt   Options
	fs    vfs.FS
	log   *slog.Logger
	now   func() time.Time
	sizes indexSizes
	lock  io.Closer

	index    atomic.Pointer[index] // nil while there is none to be had
	disk     disk
	segments segments
	writer   writer
	budget   reinsertBudget
	hot      *hotSet
	counts   counters

	reclaiming sync.Mutex
	stripes    [64]sync.Mutex
	buffers    sync.Pool // of *[bufferBytes]byte

	full  fullness
	scrub scrubber

	stop chan struct{}
	done sync.WaitGroup
}

// bufferBytes is the size of the store's scratch buffers: a block, or an info's
// whole record.
const bufferBytes = maxHeaderBytes + object.MaxInfoBytes

// Open opens the store in opt.Dir, creating it if need be. It fails when the
// options cannot be met, when the directory cannot be made, and when another
// process has the store open. A disk that fails otherwise, or an index that is
// corrupt, leaves a store that misses, and that tries again by itself.
func Open(opt Options) (*Store, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	s := &Store{
		opt: opt, fs: opt.FS, log: opt.Log, now: opt.Now,
		sizes:    sizesFor(opt.IndexMemory),
		segments: segments{byID: make(map[uint64]*segment)},
		budget:   reinsertBudget{share: opt.ReinsertShare, max: int64(opt.ReinsertShare * float64(2*opt.SegmentBytes))},
		stop:     make(chan struct{}),
	}
	s.buffers.New = func() any { return new([bufferBytes]byte) }
	if floor := minSegments*opt.SegmentBytes + s.reserve(); opt.Capacity < floor {
		return nil, fmt.Errorf("store: capacity of %d bytes is too small: with segments of %d bytes it must be at least %d",
			opt.Capacity, opt.SegmentBytes, floor)
	}
	if err := s.takeDir(); err != nil {
		return nil, err
	}
	s.counts = newCounters(opt.Metrics)
	s.hot = newHotSet(opt.HotBytes, s.counts)
	if err := s.openIndex(); err != nil {
		s.full.note(s.now(), err)
		s.log.Error("store opens without its disk", "dir", opt.Dir, "error", err)
	}
	s.registerGauges()
	s.done.Go(s.keep)
	return s, nil
}

// takeDir makes the directory and locks it.
func (s *Store) takeDir() error {
	parents := s.parents()
	for _, dir := range []string{s.opt.Dir, s.segmentDir()} {
		if err := s.fs.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	lock, err := s.fs.Lock(s.fs.PathJoin(s.opt.Dir, "LOCK"))
	if err != nil {
		return fmt.Errorf("store: %s is in use by another process: %w", s.opt.Dir, err)
	}
	s.lock = lock
	for _, dir := range parents {
		if err := s.syncDir(dir); err != nil {
			s.log.Warn("a directory does not sync; a power cut may take what is below it", "dir", dir, "error", err)
		}
	}
	return nil
}

// parents returns the directories that must be synced for the store's own to
// outlive a power cut: the one that it is in, and those that will be made for it.
func (s *Store) parents() []string {
	var all []string
	for dir := s.opt.Dir; ; {
		parent := s.fs.PathDir(dir)
		all = append(all, parent)
		if _, err := s.fs.Stat(parent); err == nil || parent == dir {
			return all
		}
		dir = parent
	}
}

func (s *Store) syncDir(path string) error {
	dir, err := s.fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (s *Store) segmentDir() string { return s.fs.PathJoin(s.opt.Dir, "segments") }
func (s *Store) indexDir() string   { return s.fs.PathJoin(s.opt.Dir, "index") }

// Close waits for the keeper and closes the files. Chunks that are still open
// keep theirs until they are closed; no other method may be running.
func (s *Store) Close() error {
	close(s.stop)
	s.done.Wait()
	s.unregisterGauges()
	s.writer.seal()
	if ix := s.index.Swap(nil); ix != nil {
		ix.close()
	}
	var errs []error
	for _, seg := range s.segments.sorted() {
		errs = append(errs, s.segments.remove(seg))
	}
	s.hot.clear()
	if err := errors.Join(append(errs, s.lock.Close())...); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}

// stripe returns the lock under which the entry of an index key is changed.
func (s *Store) stripe(entryKey []byte) *sync.Mutex {
	return &s.stripes[int(entryKey[1])%len(s.stripes)]
}

// usable returns the index, or nil while it may not be used.
func (s *Store) usable() *index {
	ix := s.index.Load()
	if ix == nil || ix.failed() != nil {
		return nil
	}
	return ix
}

// reserve is the part of the capacity that is kept for Pebble's flushes and
// manifests.
func (s *Store) reserve() int64 { return (memtables+1)*s.sizes.memtable + 512<<10 }

// indexBytes returns what Pebble has on the disk.
func (s *Store) indexBytes() int64 {
	if ix := s.index.Load(); ix != nil {
		return ix.used()
	}
	return 0
}

// used returns how many bytes the store has on the disk. It stays within the
// capacity because segments stop short of it by the reserve and by as much again
// as Pebble has, which a compaction of everything takes.
func (s *Store) used() int64 { return s.segments.held.Load() + s.indexBytes() }

// hasRoom reports whether one more segment may be started.
func (s *Store) hasRoom() bool {
	return s.used()+s.indexBytes()+s.reserve()+s.opt.SegmentBytes <= s.opt.Capacity
}

// dropIf deletes an index entry if it still points at the record at loc.
func (s *Store) dropIf(ix *index, entryKey []byte, loc location) (bool, error) {
	mu := s.stripe(entryKey)
	mu.Lock()
	defer mu.Unlock()
	var scratch [maxEntryBytes]byte
	value, err := ix.get(scratch[:0], entryKey)
	if errors.Is(err, errAbsent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if now, err := parseLocation(value); err == nil && !now.same(loc) {
		return false, nil
	}
	return true, ix.delete(entryKey)
}
