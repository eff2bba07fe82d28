package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"

	"rookery/object"
)

// sumFiles returns the bytes of all files under dir, as the disk counts them:
// segments are preallocated.
func sumFiles(t *testing.T, s *Store, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Pebble removes files of its own accord
		}
		if err != nil {
			return err
		}
		if filepath.Ext(path) == segmentSuffix {
			sum += max(info.Size(), s.opt.SegmentBytes)
			return nil
		}
		sum += info.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestCapacityIsNeverExceeded looks at the directory after every operation,
// through many times the capacity, of objects small enough that the index is a
// good part of it.
func TestCapacityIsNeverExceeded(t *testing.T) {
	for _, size := range []int64{500, 20_000, 120_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := t.TempDir()
			opt := tiny(nil, dir, newClock())
			opt.ReinsertShare = 0.5
			s := mustOpen(t, opt)
			defer mustClose(t, s)
			var peak int64
			var put []thing
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range max(400, int(opt.Capacity/size)) {
				o := newThing(fmt.Sprint(i), "v", size)
				o.put(t, s)
				put = append(put, o)
				if _, err := put[rng.IntN(len(put))].checkChunk(s, 0); err != nil {
					t.Fatal(err)
				}
				peak = max(peak, sumFiles(t, s, dir))
				if st := s.Stats(); peak > opt.Capacity || st.Used > st.Capacity {
					t.Fatalf("after %d objects: %d bytes on the disk, %d counted, capacity %d", i, peak, st.Used, st.Capacity)
				}
			}
			if st := s.Stats(); st.EvictedRecords == 0 || st.ReinsertedBytes == 0 {
				t.Errorf("nothing was evicted or copied: %+v", st)
			}
			t.Logf("peak %d of %d", peak, opt.Capacity)
		})
	}
}

// fill puts objects until the store has reclaimed n segments more.
func fill(t *testing.T, s *Store, prefix string, n int) []thing {
	t.Helper()
	var put []thing
	goal := s.Stats().ReclaimedBytes + uint64(int64(n)*s.opt.SegmentBytes)
	for i := 0; s.Stats().ReclaimedBytes < goal; i++ {
		o := newThing(fmt.Sprintf("%s%d", prefix, i), "v", 10_000)
		o.put(t, s)
		put = append(put, o)
	}
	return put
}

func TestOldestGoesFirst(t *testing.T) {
	s := mustOpen(t, tiny(nil, t.TempDir(), newClock()))
	defer mustClose(t, s)
	put := fill(t, s, "k", 3)
	gone := 0
	for gone < len(put) && !s.Has(put[gone].key(), put[gone].version(), 0) {
		gone++
	}
	if gone == 0 || gone == len(put) {
		t.Fatalf("%d of %d objects are gone", gone, len(put))
	}
	for _, o := range put[gone:] {
		if held, err := o.checkChunk(s, 0); !held || err != nil {
			t.Errorf("%s is younger than the oldest that is held: held %v, %v", o.Key, held, err)
		}
	}
	for _, o := range put[:gone] {
		if held, err := o.checkChunk(s, 0); held || err != nil {
			t.Errorf("%s: held %v, %v", o.Key, held, err)
		}
	}
}

func TestWhatIsReadIsCopiedForwardWithinTheBudget(t *testing.T) {
	opt := tiny(nil, t.TempDir(), newClock())
	opt.ReinsertShare = 0.2
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	loved := newThing("loved", "v", 10_000)
	loved.put(t, s)
	other := newThing("other", "v", 10_000)
	other.put(t, s)
	for round := range 5 {
		loved.mustHave(t, s)
		fill(t, s, fmt.Sprintf("round%d-", round), 1)
	}
	for round := range 30 {
		loved.mustHave(t, s)
		fill(t, s, fmt.Sprintf("more%d-", round), 1)
	}
	loved.mustHave(t, s)
	if held, err := other.checkChunk(s, 0); held || err != nil {
		t.Errorf("what nobody read: held %v, %v", held, err)
	}
	st := s.Stats()
	if st.ReinsertedBytes == 0 {
		t.Error("nothing was copied")
	}
	// Everything is read now: the budget must bound what is copied.
	for i := range 400 {
		o := newThing(fmt.Sprintf("all%d", i), "v", 10_000)
		o.put(t, s)
		o.mustHave(t, s)
	}
	st = s.Stats()
	if share := float64(st.ReinsertedBytes) / float64(st.WrittenBytes); share > opt.ReinsertShare || share < opt.ReinsertShare/4 {
		t.Errorf("copied %.3f bytes for each byte written, the budget is %.3f", share, opt.ReinsertShare)
	}
}

func TestNegativeShareCopiesNothing(t *testing.T) {
	opt := tiny(nil, t.TempDir(), newClock())
	opt.ReinsertShare = -1
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	o := newThing("loved", "v", 10_000)
	o.put(t, s)
	o.mustHave(t, s)
	fill(t, s, "k", 2)
	if n := s.Stats().ReinsertedBytes; n != 0 {
		t.Errorf("%d bytes were copied", n)
	}
}

func TestRenewalSurvivesBeingCopied(t *testing.T) {
	s := mustOpen(t, tiny(nil, t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("loved", "v", 10_000)
	o.put(t, s)
	later := o.info().Validated.AddDate(1, 0, 0)
	note := o.note()
	note.Applied++
	if err := s.Renew(o.key(), o.version(), later, note); err != nil {
		t.Fatal(err)
	}
	if held, err := o.checkChunk(s, 0); !held || err != nil {
		t.Fatal(held, err)
	}
	if _, ok := s.Info(o.key()); !ok {
		t.Fatal("no info")
	}
	fill(t, s, "k", 2)
	if info, ok := s.Info(o.key()); !ok || !info.Validated.Equal(later) || info.Note != note {
		t.Errorf("%v, validated %v, note %v", ok, info.Validated, info.Note)
	}
}

// TestWhatIsDeadIsNotCopiedForward reads four objects, of which one was purged,
// one was purged and confirmed since, and one is no longer what the index points at.
func TestWhatIsDeadIsNotCopiedForward(t *testing.T) {
	opt := tiny(nil, t.TempDir(), newClock())
	opt.ReinsertShare = 1
	var floor atomic.Uint64
	var s *Store
	opt.Dead = func(key object.Key, v object.Version, note object.Note) bool {
		if key.Bucket != "b" || !s.stripe(infoKey(nil, key.Hash())).TryLock() {
			t.Errorf("asked about %v under a lock", key)
		} else {
			s.stripe(infoKey(nil, key.Hash())).Unlock()
		}
		return key.Name != "alive" && note.Council == [16]byte{1} && note.Applied < floor.Load()
	}
	s = mustOpen(t, opt)
	defer mustClose(t, s)
	alive, dead, renewed, replaced := newThing("alive", "v", 9000), newThing("dead", "v", 9001), newThing("renewed", "v", 9002), newThing("replaced", "v", 9003)
	all := []thing{alive, dead, renewed, replaced}
	for _, o := range all {
		o.put(t, s)
	}
	for _, o := range all {
		o.mustHave(t, s)
	}
	newThing("replaced", "w", 20_000).put(t, s) // nobody reads it; the old info is no longer asked about
	floor.Store(10_000)
	note := renewed.note()
	note.Applied = floor.Load()
	if err := s.Renew(renewed.key(), renewed.version(), renewed.info().Validated, note); err != nil {
		t.Fatal(err)
	}
	fill(t, s, "k", 1)
	alive.mustHave(t, s)
	for o, want := range map[thing][2]bool{dead: {false, false}, renewed: {true, false}, replaced: {false, false}} {
		_, info := s.Info(o.key())
		chunk, err := o.checkChunk(s, 0)
		if info != want[0] || chunk != want[1] || err != nil {
			t.Errorf("%s: info %v, chunk %v (%v), want %v", o.Key, info, chunk, err, want)
		}
	}
	if n := s.counts.dead.Get(); n != 4 { // the dead one's info and chunk, and two chunks
		t.Errorf("%d dead records were left behind", n)
	}
}

// TestOpenChunkOutlivesItsSegment reads a chunk whose segment is long unlinked,
// and sees its bytes counted until it is closed.
func TestOpenChunkOutlivesItsSegment(t *testing.T) {
	opt := tiny(nil, t.TempDir(), newClock())
	opt.ReinsertShare = -1
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	o := newThing("old", "v", 100_000)
	o.put(t, s)
	c, err := s.Chunk(o.key(), o.version(), 0)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, "k", 6)
	if s.Has(o.key(), o.version(), 0) {
		t.Fatal("the chunk's segment is still there")
	}
	p := make([]byte, c.Len())
	if _, err := c.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	if err := o.Check(p, 0); err != nil {
		t.Error(err)
	}
	held := s.segments.held.Load()
	if held != int64(s.Stats().Segments+1)*opt.SegmentBytes {
		t.Errorf("%d bytes counted with %d segments and one unlinked", held, s.Stats().Segments)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if now := s.segments.held.Load(); now != held-opt.SegmentBytes {
		t.Errorf("%d bytes counted before the close, %d after", held, now)
	}
}

// TestManyOpenChunksLeaveNoRoom shows that unlinked files bound what is taken,
// and that closing them heals.
func TestManyOpenChunksLeaveNoRoom(t *testing.T) {
	opt := tiny(nil, t.TempDir(), newClock())
	opt.ReinsertShare = -1
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	var open []*Chunk
	var err error
	for i := 0; err == nil && i < 100; i++ {
		o := newThing(fmt.Sprint(i), "v", 100_000)
		if err = s.PutChunk(o.key(), o.version(), o.Size, 0, o.note(), o.chunk(0)); err != nil {
			break
		}
		c, cerr := s.Chunk(o.key(), o.version(), 0)
		if cerr != nil {
			t.Fatal(cerr)
		}
		open = append(open, c)
		if st := s.Stats(); st.Used > st.Capacity {
			t.Fatalf("%d used of %d", st.Used, st.Capacity)
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("with %d chunks held open: %v", len(open), err)
	}
	for _, c := range open {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	o := newThing("after", "v", 2*object.BlockBytes-5000)
	o.put(t, s)
	o.mustHave(t, s)
}
