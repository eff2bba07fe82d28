package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	// errAbsent: the index has no such entry.
	errAbsent = errors.New("no such index entry")
	// errIndexClosed: the index failed, or was closed to be opened anew.
	errIndexClosed = errors.New("index is closed")
)

// maxBackgroundErrors is how many of its flushes and compactions may fail
// before the index counts as corrupt: one that cannot compact grows for ever.
const maxBackgroundErrors = 64

// index is one opening of the Pebble database. It fails once and for good: a
// new one is then opened in its place.
type index struct {
	db   *pebble.DB
	fuse *fuse
	log  *slog.Logger
	disk [16]byte // its random name, since it was begun

	mu     sync.RWMutex // held for reading by each use of db, for writing by close
	closed bool

	failure    atomic.Pointer[indexFailure]
	background atomic.Int64 // failed flushes and compactions
}

// indexFailure says why an index may not be used any more, and whether its
// files are of no use either.
type indexFailure struct {
	err     error
	corrupt bool
}

func (e *indexFailure) Error() string { return "index: " + e.err.Error() }
func (e *indexFailure) Unwrap() error { return e.err }

// indexSizes divides the memory that the index may take.
type indexSizes struct{ memtable, cache int64 }

func sizesFor(memory int64) indexSizes {
	memtable := min(max(memory/8, 64<<10), 4<<20)
	return indexSizes{memtable: memtable, cache: max(memory-memtables*memtable, 64<<10)}
}

// memtables is how many memtables Pebble may hold before writes wait.
const memtables = 3

// openIndex opens the database in dir. An error is an *indexFailure; it is
// corrupt if the disk did all that was asked of it.
func openIndex(inner vfs.FS, dir string, sizes indexSizes, log *slog.Logger) (*index, error) {
	ix := &index{log: log}
	guard, err := newFuse(inner, dir, func(err error) { ix.fail(err, false) })
	if err != nil {
		return nil, &indexFailure{err: err}
	}
	ix.fuse = guard
	ix.db, err = pebble.Open(dir, ix.options(sizes))
	if err != nil {
		return nil, &indexFailure{err: err, corrupt: guard.faults.Load() == 0}
	}
	if failed := ix.failed(); failed != nil {
		ix.close()
		return nil, failed
	}
	return ix, nil
}

func (ix *index) options(sizes indexSizes) *pebble.Options {
	opts := &pebble.Options{
		FS:                          ix.fuse,
		Logger:                      indexLogger{ix},
		CacheSize:                   sizes.cache,
		MemTableSize:                uint64(sizes.memtable),
		MemTableStopWritesThreshold: memtables,
		FormatMajorVersion:          pebble.FormatNewest,
		MaxManifestFileSize:         1 << 20,
		MaxOpenFiles:                256,
		EventListener: &pebble.EventListener{
			BackgroundError: ix.backgroundError,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { ix.doubt(info.Details) },
		},
	}
	// The default scheduler's goroutine outlives an Open that fails (v2.1.7). This
	// one has none; all that the goroutine is for is a concurrency that changes,
	// and here it is always one.
	opts.CompactionConcurrencyRange = func() (int, int) { return 1, 1 }
	opts.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	for i := range opts.TargetFileSizes {
		opts.TargetFileSizes[i] = 2 << 20
	}
	return opts
}

func (ix *index) backgroundError(err error) {
	ix.log.Warn("index: background error", "error", err)
	if ix.background.Add(1) == maxBackgroundErrors {
		ix.fail(err, true)
	}
}

// doubt fails the index if err says that its files are corrupt, and not just
// that the disk would not give them.
func (ix *index) doubt(err error) {
	if pebble.IsCorruptionError(err) && ix.fuse.faults.Load() == 0 {
		ix.fail(err, true)
	}
}

// fail marks the index as unusable and keeps it from writing on.
func (ix *index) fail(err error, corrupt bool) {
	if ix.failure.CompareAndSwap(nil, &indexFailure{err: err, corrupt: corrupt}) {
		ix.log.Error("index failed", "error", err, "corrupt", corrupt)
	}
	ix.fuse.blown.Store(true)
}

// failed returns why the index may not be used, or nil.
func (ix *index) failed() error {
	if f := ix.failure.Load(); f != nil {
		return f
	}
	return nil
}

// use calls do while the database is sure to stay open.
func (ix *index) use(do func(*pebble.DB) error) error {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if ix.closed || ix.failure.Load() != nil {
		return errIndexClosed
	}
	return do(ix.db)
}

// get appends the value of key to dst. Its error is errAbsent, or what the disk
// or Pebble said.
func (ix *index) get(dst, key []byte) ([]byte, error) {
	err := ix.use(func(db *pebble.DB) error {
		value, closer, err := db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return errAbsent
		}
		if err != nil {
			ix.doubt(err)
			return fmt.Errorf("index get: %w", err)
		}
		dst = append(dst, value...)
		return closer.Close()
	})
	return dst, err
}

// set writes one entry and, in the same batch, how far the segments are indexed.
func (ix *index) set(key, value []byte, t tail) error {
	return ix.write(func(b *pebble.Batch) error {
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
		var scratch [maxEntryBytes]byte
		return b.Set([]byte(tailKey), t.append(scratch[:0]), nil)
	}, pebble.NoSync)
}

// update writes one entry alone: the record it points at is already indexed.
func (ix *index) update(key, value []byte) error {
	return ix.write(func(b *pebble.Batch) error { return b.Set(key, value, nil) }, pebble.NoSync)
}

// setTail durably writes how far the segments are indexed.
func (ix *index) setTail(t tail) error {
	return ix.write(func(b *pebble.Batch) error {
		return b.Set([]byte(tailKey), t.append(nil), nil)
	}, pebble.Sync)
}

func (ix *index) delete(key []byte) error {
	return ix.write(func(b *pebble.Batch) error { return b.Delete(key, nil) }, pebble.NoSync)
}

func (ix *index) write(fill func(*pebble.Batch) error, opts *pebble.WriteOptions) error {
	err := ix.use(func(db *pebble.DB) error {
		b := db.NewBatch()
		if err := fill(b); err != nil {
			return err
		}
		if err := b.Commit(opts); err != nil {
			return err
		}
		return b.Close()
	})
	if err != nil {
		return fmt.Errorf("index write: %w", err)
	}
	return ix.failed()
}

// used returns how many bytes the database has on the disk.
func (ix *index) used() int64 { return ix.fuse.used.Load() }

// close waits for those who use the database, and closes it.
func (ix *index) close() {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.closed {
		return
	}
	ix.closed = true
	if err := ix.db.Close(); err != nil {
		ix.log.Warn("index: close", "error", err)
	}
}

// indexLogger is Pebble's logger. Its Fatalf does not end the process: it ends
// the index, which from then on writes nothing to the disk.
type indexLogger struct{ ix *index }

func (l indexLogger) Infof(string, ...any) {}

func (l indexLogger) Errorf(format string, args ...any) {
	l.ix.log.Warn("index: " + fmt.Sprintf(format, args...))
}

func (l indexLogger) Fatalf(format string, args ...any) {
	l.ix.fail(fmt.Errorf(format, args...), false)
}
