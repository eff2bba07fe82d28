package store

import (
	"fmt"
	"runtime/debug"
	"sync"
	"testing"

	"rookery/object"
)

func putHot(s *Store, o thing) {
	info := o.info()
	s.PutHot(o.key(), &info, o.Bytes(0, o.Size))
}

func checkHot(s *Store, o thing) (bool, error) {
	h, ok := s.Hot(o.key())
	if !ok {
		return false, nil
	}
	if h.Info.ETag != o.etag() || int64(len(h.Body)) != o.Size {
		return true, fmt.Errorf("%s: another object's info or body", o.Key)
	}
	return true, o.Check(h.Body, 0)
}

func TestHotKeepsReplacesAndDrops(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	one, two := newThing("k", "v1", 1000), newThing("k", "v2", 3000)
	if held, _ := checkHot(s, one); held {
		t.Error("an empty hot set has something")
	}
	for _, o := range []thing{one, two} {
		putHot(s, o)
		if held, err := checkHot(s, o); !held || err != nil {
			t.Errorf("%s: held %v, %v", o.Object.Version, held, err)
		}
	}
	s.DropHot(two.key())
	if held, _ := checkHot(s, two); held {
		t.Error("a dropped object is still there")
	}
	if st := s.Stats(); st.HotBytes != 0 || st.HotEntries != 0 {
		t.Errorf("an empty hot set counts %d bytes, %d entries", st.HotBytes, st.HotEntries)
	}
}

func TestHotRefusesWhatIsTooLargeOrNotWhole(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	large := newThing("large", "v", HotMax+1)
	putHot(s, large)
	part := newThing("part", "v", 100)
	info := part.info()
	s.PutHot(part.key(), &info, part.Bytes(0, 99))
	for _, o := range []thing{large, part} {
		if _, ok := s.Hot(o.key()); ok {
			t.Errorf("%s was kept", o.Key)
		}
	}
	whole := newThing("whole", "v", HotMax)
	putHot(s, whole)
	if held, err := checkHot(s, whole); !held || err != nil {
		t.Errorf("an object of HotMax: held %v, %v", held, err)
	}
}

func TestHotOffHoldsNothing(t *testing.T) {
	opt := small(t.TempDir(), newClock())
	opt.HotBytes = 0
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	o := newThing("k", "v", 10)
	putHot(s, o)
	s.DropHot(o.key())
	if _, ok := s.Hot(o.key()); ok {
		t.Error("kept")
	}
}

// TestHotBoundHolds puts, reads and drops from many goroutines and looks at the
// count all the time. The count is then compared with what is really there.
func TestHotBoundHolds(t *testing.T) {
	opt := small(t.TempDir(), newClock())
	opt.HotBytes = 3 << 20
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range 600 {
				n := (i*7 + w*13) % 97
				o := newThing(fmt.Sprint(n), "v", int64(n*n*20))
				putHot(s, o)
				if _, err := checkHot(s, newThing(fmt.Sprint(i%97), "v", int64((i%97)*(i%97)*20))); err != nil {
					t.Error(err)
				}
				if i%50 == 0 {
					s.DropHot(o.key())
				}
				if used := s.hot.used.Load(); used > opt.HotBytes || used < 0 {
					t.Errorf("%d bytes used of %d", used, opt.HotBytes)
				}
			}
		})
	}
	workers.Wait()
	s.hot.cache.CleanUp()
	var sum int64
	for _, o := range s.hot.cache.All() {
		sum += o.weight
	}
	if used := s.hot.used.Load(); used != sum || sum == 0 {
		t.Errorf("%d bytes counted, %d there", used, sum)
	}
}

// TestHotIsNotFrozen shows that a full hot set still takes what is popular.
func TestHotIsNotFrozen(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	for i := range 500 {
		putHot(s, newThing(fmt.Sprint(i), "v", 10_000))
	}
	popular := newThing("popular", "v", 10_000)
	for range 20 {
		if held, _ := checkHot(s, popular); held {
			return
		}
		putHot(s, popular)
	}
	t.Error("what is asked for again and again is never kept")
}

func TestHotDoesNotAllocate(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("some/usual/key", "v", 1000)
	putHot(s, o)
	key := object.Key{Bucket: o.Bucket, Name: o.Key}
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := s.Hot(key); !ok {
			t.Error("missing")
		}
	}); n != 0 {
		t.Errorf("a hot lookup allocates %v times", n)
	}
}

// TestLookupsAllocateLittle bounds what a hit on the disk allocates.
func TestLookupsAllocateLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has Pebble allocate to check itself")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("some/usual/key", "v", 100_000)
	o.put(t, s)
	p := make([]byte, o.Size)
	for name, c := range map[string]struct {
		most float64
		do   func()
	}{
		"Has": {3, func() { s.Has(o.key(), o.version(), 0) }},
		"Chunk and ReadAt": {6, func() {
			c, err := s.Chunk(o.key(), o.version(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadAt(p, 0); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}},
	} {
		if n := testing.AllocsPerRun(200, c.do); n > c.most {
			t.Errorf("%s allocates %v times, more than %v", name, n, c.most)
		}
	}
}
