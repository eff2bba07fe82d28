package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faults is a disk that fails at random, or in the operations that a test names.
type faults struct {
	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
	when func(errorfs.Op) error
	hits atomic.Int64
}

func (f *faults) set(rate float64, when func(errorfs.Op) error) {
	f.mu.Lock()
	f.rate, f.when = rate, when
	f.mu.Unlock()
}

// MaybeError fails what is not part of making the directory: without that there
// is no store at all.
func (f *faults) MaybeError(op errorfs.Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if f.when != nil {
		err = f.when(op)
	}
	if op.Kind != errorfs.OpLock && op.Kind != errorfs.OpMkdirAll && f.rate > 0 && f.rng.Float64() < f.rate {
		err = syscall.EIO
	}
	if err != nil {
		f.hits.Add(1)
	}
	return err
}

func (f *faults) String() string { return "faults" }

// settle lets the store try again until it is well.
func settle(t *testing.T, s *Store, clock *clock) {
	t.Helper()
	for range 20 {
		if s.Healthy() == nil {
			return
		}
		clock.Advance(retryAfter)
		s.tick()
	}
	t.Fatalf("the store does not heal: %v", s.Healthy())
}

// TestConformanceOnAFailingDisk lets reads and writes fail at random, under the
// segments and under Pebble, then mends the disk.
func TestConformanceOnAFailingDisk(t *testing.T) {
	var hits int64
	for seed := range uint64(150) {
		clock := newClock()
		bad := &faults{rng: rand.New(rand.NewPCG(seed, 4))}
		rate := []float64{0.002, 0.02, 0.2}[seed%3]
		if seed%5 == 0 {
			bad.set(rate, nil) // from the first start on
		}
		s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
		bad.set(rate, nil)
		y := newStory(s, seed, false)
		y.keys = 20
		for range 10 {
			if err := y.run(12); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			clock.Advance(retryAfter / 2)
			s.tick()
		}
		bad.set(0, nil)
		settle(t, s, clock)
		if err := y.verify(); err != nil {
			t.Fatalf("seed %d, mended: %v", seed, err)
		}
		o := newThing("after", "v", 5000)
		o.put(t, s)
		o.mustHave(t, s)
		mustClose(t, s)
		hits += bad.hits.Load()
	}
	t.Logf("%d operations failed", hits)
	if hits < 1000 {
		t.Error("too few faults to mean anything")
	}
}

// on fails the named kinds of operation on paths that contain part.
func on(err error, part string, kinds ...errorfs.OpKind) func(errorfs.Op) error {
	return func(op errorfs.Op) error {
		for _, k := range kinds {
			if op.Kind == k && strings.Contains(op.Path, part) {
				return err
			}
		}
		return nil
	}
}

func TestFullDiskIsNoOutage(t *testing.T) {
	for name, full := range map[string]func(errorfs.Op) error{
		"no segment can be preallocated": on(syscall.ENOSPC, ".seg", errorfs.OpFilePreallocate),
		"no byte can be written":         on(syscall.ENOSPC, ".seg", errorfs.OpFileWrite),
	} {
		t.Run(name, func(t *testing.T) {
			clock, bad := newClock(), &faults{}
			s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
			defer mustClose(t, s)
			held := newThing("held", "v", 60_000)
			held.put(t, s)
			newThing("filler", "v", 60_000).put(t, s) // the next one needs a new segment
			bad.set(0, full)
			o := newThing("new", "v", 60_000)
			put := func() error { return s.PutChunk(o.key(), o.version(), o.Size, 0, o.note(), o.chunk(0)) }
			for range 3 {
				if err := put(); !errors.Is(err, ErrFull) {
					t.Fatalf("a full disk took bytes: %v", err)
				}
			}
			if tries := bad.hits.Load(); tries > 2 {
				t.Errorf("a full disk was tried %d times at once", tries)
			}
			if st := s.Stats(); !st.Full || !errors.Is(s.Healthy(), syscall.ENOSPC) {
				t.Errorf("the state does not show: %+v", st)
			}
			bad.set(0, nil)
			if err := put(); !errors.Is(err, ErrFull) {
				t.Errorf("a full disk was tried again at once: %v", err)
			}
			clock.Advance(retryAfter)
			if err := put(); err != nil {
				t.Errorf("the disk has space again: %v", err)
			}
			if held, err := o.checkChunk(s, 0); !held || err != nil {
				t.Errorf("held %v, %v", held, err)
			}
			if s.Stats().Full || s.Healthy() != nil {
				t.Error("the state still says full")
			}
		})
	}
}

// TestReadErrorIsAMissForNow shows that what cannot be read is a miss, is not
// taken for corrupt, and is there again when the disk reads again.
func TestReadErrorIsAMissForNow(t *testing.T) {
	clock, bad := newClock(), &faults{}
	opt := tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock)
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	o := newThing("k", "v", 100_000)
	o.put(t, s)
	c, err := s.Chunk(o.key(), o.version(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	bad.set(0, on(syscall.EIO, ".seg", errorfs.OpFileReadAt))
	if _, err := c.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrMiss) || !errors.Is(err, syscall.EIO) {
		t.Errorf("an open chunk: %v", err)
	}
	if _, err := s.Chunk(o.key(), o.version(), 0); !errors.Is(err, ErrMiss) {
		t.Errorf("a chunk: %v", err)
	}
	if _, ok := s.Info(o.key()); ok {
		t.Error("an info was read from a disk that does not read")
	}
	bad.set(0, nil)
	o.mustHave(t, s)
	if n, st := s.counts.readErrors.Get(), s.Stats(); n != 3 || st.CorruptRecords != 0 {
		t.Errorf("%d read errors and %d corrupt records counted", n, st.CorruptRecords)
	}
}

// TestKeeperNoticesSpace shows that a full disk is tried again although nobody
// stores anything.
func TestKeeperNoticesSpace(t *testing.T) {
	clock, bad := newClock(), &faults{}
	s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
	defer mustClose(t, s)
	bad.set(0, on(syscall.ENOSPC, ".seg", errorfs.OpFilePreallocate))
	o := newThing("k", "v", 100)
	if err := s.PutChunk(o.key(), o.version(), o.Size, 0, o.note(), o.chunk(0)); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	s.tick()
	if s.Healthy() == nil {
		t.Error("tried again at once")
	}
	bad.set(0, nil)
	settle(t, s, clock)
}

// TestDiskSmallerThanTheCapacity shows that a capacity larger than the disk
// still makes a cache: each new segment takes the place of the oldest.
func TestDiskSmallerThanTheCapacity(t *testing.T) {
	clock, bad := newClock(), &faults{}
	mem := vfs.NewMem()
	opt := tiny(errorfs.Wrap(mem, bad), "d", clock)
	opt.Capacity = 1 << 30
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	bad.set(0, func(op errorfs.Op) error {
		names, err := mem.List("d/segments")
		if err != nil {
			return err
		}
		if op.Kind == errorfs.OpFilePreallocate && len(names) > 5 {
			return syscall.ENOSPC
		}
		return nil
	})
	for i := range 40 {
		o := newThing(fmt.Sprint(i), "v", 60_000)
		o.put(t, s)
		o.mustHave(t, s)
	}
}

// TestFailedIndexIsOpenedAnew fails each kind of write under Pebble in turn.
func TestFailedIndexIsOpenedAnew(t *testing.T) {
	for _, kind := range []errorfs.OpKind{
		errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpRemove,
	} {
		for _, errno := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprint(kind, errno), func(t *testing.T) {
				clock, bad := newClock(), &faults{}
				s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
				defer mustClose(t, s)
				for i := range 3 { // what may be given up for space
					newThing(fmt.Sprint(i), "v", 50_000).put(t, s)
				}
				before := newThing("before", "v", 50_000)
				before.put(t, s)
				bad.set(0, on(errno, "index", kind))
				failIndex(t, s)
				if bad.hits.Load() == 0 {
					t.Fatal("Pebble has done nothing of the kind")
				}
				if s.usable() != nil {
					t.Error("a failed index is in use")
				}
				o := newThing("during", "v", 100)
				if err := s.PutChunk(o.key(), o.version(), o.Size, 0, o.note(), o.chunk(0)); !errors.Is(err, ErrFull) {
					t.Errorf("put without an index: %v", err)
				}
				clock.Advance(retryAfter)
				s.tick() // fails again, or not
				bad.set(0, nil)
				settle(t, s, clock)
				before.mustHave(t, s)
				o.put(t, s)
				o.mustHave(t, s)
			})
		}
	}
}

// failIndex makes Pebble write: it syncs its log, flushes and rotates. With a
// blown fuse it believes to have done so.
func failIndex(t *testing.T, s *Store) {
	t.Helper()
	ix := s.index.Load()
	for i := range uint32(3) {
		if ix.failed() != nil {
			return
		}
		err := errors.Join(
			ix.update([]byte("z test"), fmt.Append(nil, i)),
			ix.use(func(db *pebble.DB) error { return db.Flush() }),
		)
		if err != nil && ix.failed() == nil {
			t.Errorf("flush %d: %v", i, err)
		}
	}
}
