package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func mustDurable(t *testing.T, s *Store) *Durable {
	t.Helper()
	d, err := s.Durable(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pair(key, value string) [2][]byte { return [2][]byte{[]byte(key), []byte(value)} }

// pairs reads a whole range.
func pairs(d *Durable, from, to string) (all []string, err error) {
	err = d.Scan([]byte(from), []byte(to), func(key, value []byte) bool {
		all = append(all, string(key)+"="+string(value))
		return true
	})
	return all, err
}

func TestDurableGivesBackWhatItWasGiven(t *testing.T) {
	opt := small(t.TempDir(), newClock())
	s := mustOpen(t, opt)
	d := mustDurable(t, s)
	key, value := []byte("k"), []byte("v")
	if err := d.Write(nil, [][2][]byte{{key, value}, pair("a", ""), pair("m", "1"), pair("z", "2")}); err != nil {
		t.Fatal(err)
	}
	key[0], value[0] = 'x', 'x' // they are the caller's again
	if err := d.Write([][2][]byte{pair("m", "zz"), pair("k", "a")}, [][2][]byte{pair("n", "in what is dropped")}); err != nil {
		t.Fatal(err)
	}
	other, err := s.Durable(t.Context(), "roo")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Write(nil, [][2][]byte{pair("m", "another room's")}); err != nil {
		t.Fatal(err)
	}
	id := s.DiskID()
	if id == ([16]byte{}) || d.DiskID() != id {
		t.Errorf("ids %x and %x", id, d.DiskID())
	}
	for round := range 2 {
		for key, want := range map[string]string{"k": "v", "a": "", "n": "in what is dropped"} {
			if got, err := d.Get([]byte(key)); got == nil || string(got) != want || err != nil {
				t.Errorf("round %d, %s: %q, %v", round, key, got, err)
			}
		}
		if got, err := d.Get([]byte("m")); got != nil || err != nil {
			t.Errorf("what was dropped: %q, %v", got, err)
		}
		if all, err := pairs(d, "", "z"); err != nil || !slices.Equal(all, []string{"a=", "k=v", "n=in what is dropped"}) {
			t.Errorf("round %d: %q, %v", round, all, err)
		}
		if all, err := pairs(d, "b", "n"); err != nil || !slices.Equal(all, []string{"k=v"}) {
			t.Errorf("round %d: %q, %v", round, all, err)
		}
		mustClose(t, s)
		opt.Metrics = metrics.NewSet()
		s = mustOpen(t, opt)
		d = mustDurable(t, s)
	}
	if s.DiskID() != id {
		t.Error("a restart changed the disk's id")
	}
	mustClose(t, s)
}

// TestDurableScansPages scans more than a page holds, by count and by size, while
// the rest is being dropped, and from within another scan.
func TestDurableScansPages(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	d := mustDurable(t, s)
	var set [][2][]byte
	for i := range 2*pageEntries + 10 {
		set = append(set, pair(fmt.Sprintf("count%06d", i), "v"))
	}
	for i := range 5 {
		set = append(set, pair(fmt.Sprintf("size%d", i), string(make([]byte, pageBytes/2))))
	}
	if err := d.Write(nil, set); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := d.Scan([]byte("count"), []byte("t"), func(key, value []byte) bool {
		if !bytes.Equal(key, set[n][0]) || !bytes.Equal(value, set[n][1]) {
			t.Fatalf("entry %d is %s", n, key)
		}
		n++
		inner := 0
		if err := d.Scan(key, []byte("t"), func([]byte, []byte) bool { inner++; return inner < 2 }); err != nil || inner > 2 {
			t.Fatalf("a scan that stops saw %d, %v", inner, err)
		}
		return true
	})
	if err != nil || n != len(set) {
		t.Errorf("%d of %d entries, %v", n, len(set), err)
	}
	n = 0
	err = d.Scan([]byte("count"), []byte("t"), func(key, _ []byte) bool {
		n++
		return d.Write([][2][]byte{pair("count", "t")}, nil) == nil
	})
	if err != nil || n != pageEntries {
		t.Errorf("%d entries while all were dropped, %v", n, err)
	}
}

// logStory writes a log as a council does: entries at its end, a tail that is
// replaced, a head that is cut off, and a term beside it.
type logStory struct {
	rng   *rand.Rand
	steps int
	kept  map[string]string // what acknowledged writes left
	next  map[string]string // and what the one under way would
	first uint32
	end   uint32
}

func newLogStory(seed uint64) *logStory {
	return &logStory{rng: rand.New(rand.NewPCG(seed, 9)), kept: map[string]string{}}
}

func logKeyOf(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte("log/"), n) }

// plan makes the next write, and what it would leave in next.
func (y *logStory) plan() (drop, set [][2][]byte) {
	y.steps++
	from := y.end
	switch y.rng.IntN(6) {
	case 0:
		from = y.first + y.rng.Uint32N(y.end-y.first+1) // a tail that is replaced
	case 1:
		cut := y.first + y.rng.Uint32N(y.end-y.first+1)
		drop = append(drop, [2][]byte{logKeyOf(y.first), logKeyOf(cut)})
		y.first = cut
		from = max(from, cut)
	}
	drop = append(drop, [2][]byte{logKeyOf(from), logKeyOf(y.end)})
	y.end = from
	for range 1 + y.rng.IntN(4) {
		value := fmt.Sprintf("%d of step %d %s", y.end, y.steps, bytes.Repeat([]byte{'x'}, y.rng.IntN(3000)))
		set = append(set, [2][]byte{logKeyOf(y.end), []byte(value)})
		y.end++
	}
	set = append(set, pair("term", fmt.Sprint(y.steps)))
	y.next = map[string]string{}
	for key, value := range y.kept {
		y.next[key] = value
	}
	for key := range y.kept {
		for _, r := range drop {
			if key >= string(r[0]) && key < string(r[1]) {
				delete(y.next, key)
			}
		}
	}
	for _, e := range set {
		y.next[string(e[0])] = string(e[1])
	}
	return drop, set
}

// check compares the room with what was acknowledged, or, where a write was under
// way, with what that one would have left: nothing between them.
func check(d *Durable, want ...map[string]string) error {
	got := map[string]string{}
	err := d.Scan([]byte(""), []byte("\xff"), func(key, value []byte) bool {
		got[string(key)] = string(value)
		return true
	})
	if err != nil {
		return err
	}
	for _, w := range want {
		if mapsEqual(got, w) {
			return nil
		}
	}
	return fmt.Errorf("%d entries of term %q, want %d of term %q", len(got), got["term"], len(want[0]), want[0]["term"])
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			return false
		}
	}
	return true
}

// moment is what a power cut left, and what it must have left.
type moment struct {
	disk *vfs.MemFS
	want []map[string]string
	id   [16]byte
}

// TestDurableAfterPowerCuts cuts the power before every sync, with all, none or
// some of what was not synced lost: what was acknowledged is there, in whole
// batches, on the same disk.
func TestDurableAfterPowerCuts(t *testing.T) {
	cuts := 0
	for seed := range uint64(30) {
		disk := vfs.NewCrashableMem()
		y := newLogStory(seed)
		var mu sync.Mutex // guards all below
		var left []moment
		var kept, next map[string]string
		var id [16]byte
		rng := rand.New(rand.NewPCG(seed, 5))
		cut := func() {
			mu.Lock()
			defer mu.Unlock()
			m := moment{want: []map[string]string{kept, next}, id: id}
			m.disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
			left = append(left, m)
		}
		hook := errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
				cut()
			}
			return nil
		})
		s := mustOpen(t, tightest(errorfs.Wrap(disk, hook), newClock()))
		d := mustDurable(t, s)
		mu.Lock()
		id = d.DiskID()
		mu.Unlock()
		things := newStory(s, seed, false)
		things.flushes = true
		for range 25 {
			drop, set := y.plan()
			mu.Lock()
			kept, next = y.kept, y.next
			mu.Unlock()
			if err := d.Write(drop, set); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			y.kept = y.next
			mu.Lock()
			kept = y.kept
			mu.Unlock()
			cut()
			if err := things.run(2); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		mustClose(t, s)
		cuts += len(left)
		for n, m := range left {
			if err := m.check(); err != nil {
				t.Fatalf("seed %d, cut %d of %d: %v", seed, n, len(left), err)
			}
		}
	}
	t.Logf("%d power cuts", cuts)
	if cuts < 2000 {
		t.Error("too few cuts to mean anything")
	}
}

func (m *moment) check() error {
	s, err := Open(tightest(m.disk, newClock()))
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.Durable(context.Background(), "room")
	if err != nil {
		return err
	}
	if m.id != ([16]byte{}) && d.DiskID() != m.id {
		return errors.New("the disk has another id")
	}
	return check(d, m.want...)
}

// TestDurableOnAFailingDisk fails operations at random. What a Write acknowledged
// is on the disk at that moment, though the power fails before the disk is
// mended; what it did not acknowledge is there or not, and can be repeated.
func TestDurableOnAFailingDisk(t *testing.T) {
	var failed, acknowledged int
	// How many faults a story meets depends on when the database does its work: as many
	// stories as it takes for enough of them.
	for seed := uint64(0); seed < 40 || failed < 100 && seed < 400; seed++ {
		clock := newClock()
		disk := vfs.NewCrashableMem()
		bad := &faults{rng: rand.New(rand.NewPCG(seed, 6))}
		s := mustOpen(t, tiny(errorfs.Wrap(disk, bad), "d", clock))
		d, y := mustDurable(t, s), newLogStory(seed)
		bad.set([]float64{0.002, 0.01, 0.03}[seed%3], nil)
		for range 20 {
			drop, set := y.plan()
			for {
				err := d.Write(drop, set)
				m := moment{disk: disk.CrashClone(vfs.CrashCloneCfg{}), want: []map[string]string{y.next}, id: d.DiskID()}
				if err != nil {
					m.want = append(m.want, y.kept)
				}
				if err := m.check(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if err == nil {
					acknowledged++
					break
				}
				if !errors.Is(err, ErrFull) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				failed++
				clock.Advance(retryAfter)
				s.tick()
			}
			y.kept = y.next
		}
		bad.set(0, nil)
		settle(t, s, clock)
		if err := check(d, y.kept); err != nil {
			t.Fatalf("seed %d, mended: %v", seed, err)
		}
		mustClose(t, s)
	}
	t.Logf("%d writes acknowledged, %d failed", acknowledged, failed)
	if failed < 100 {
		t.Error("too few faults to mean anything")
	}
}

// TestDurableIsNotReadFromABadDisk: what cannot be read has the database opened
// anew, so that Wait waits.
func TestDurableIsNotReadFromABadDisk(t *testing.T) {
	clock, bad := newClock(), &faults{}
	opt := tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock)
	s := mustOpen(t, opt)
	d := mustDurable(t, s)
	if err := d.Write(nil, [][2][]byte{pair("k", string(make([]byte, 100_000)))}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	opt.Metrics = metrics.NewSet()
	s = mustOpen(t, opt) // with nothing of it in memory
	defer mustClose(t, s)
	d = mustDurable(t, s)
	bad.set(0, on(syscall.EIO, "index", errorfs.OpFileReadAt, errorfs.OpFileRead))
	if _, err := d.Get([]byte("k")); !errors.Is(err, ErrFull) {
		t.Fatalf("read from a disk that does not read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- d.Wait(ctx) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the disk is bad: Wait returned %v", err)
	}
	go func() { waited <- d.Wait(t.Context()) }()
	bad.set(0, nil)
	settle(t, s, clock)
	if err := <-waited; err != nil {
		t.Errorf("the disk is well: Wait returned %v", err)
	}
	if value, err := d.Get([]byte("k")); len(value) != 100_000 || err != nil {
		t.Errorf("%d bytes, %v", len(value), err)
	}
	if d.Wait(t.Context()) != nil || s.DiskID() != d.DiskID() {
		t.Error("the disk was taken for lost")
	}
}

// TestDurableKnowsALostDisk corrupts the database under a store in use, and across
// a restart.
func TestDurableKnowsALostDisk(t *testing.T) {
	opt := tiny(vfs.NewMem(), "d", newClock())
	s := mustOpen(t, opt)
	d := mustDurable(t, s)
	if err := d.Write(nil, [][2][]byte{pair("k", "v")}); err != nil {
		t.Fatal(err)
	}
	s.index.Load().fail(errors.New("the test says so"), true)
	if err := d.Write(nil, [][2][]byte{pair("k", "w")}); !errors.Is(err, ErrFull) {
		t.Errorf("before it is begun anew: %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- d.Wait(t.Context()) }()
	s.tick()
	if err := <-waited; !errors.Is(err, ErrDiskLost) {
		t.Errorf("Wait returned %v", err)
	}
	select {
	case <-d.Lost():
	default:
		t.Error("nobody is told")
	}
	if s.DiskID() == d.DiskID() || s.DiskID() == ([16]byte{}) {
		t.Errorf("the disk's id is %x", s.DiskID())
	}
	if _, err := d.Get([]byte("k")); !errors.Is(err, ErrDiskLost) {
		t.Errorf("get: %v", err)
	}
	if err := d.Write(nil, [][2][]byte{pair("k", "w")}); !errors.Is(err, ErrDiskLost) {
		t.Errorf("write: %v", err)
	}
	if _, err := pairs(d, "", "z"); !errors.Is(err, ErrDiskLost) {
		t.Errorf("scan: %v", err)
	}
	if all, err := pairs(mustDurable(t, s), "", "z"); err != nil || len(all) > 0 {
		t.Errorf("the new disk keeps %q, %v", all, err)
	}
	id := s.DiskID()
	mustClose(t, s)
	names, err := opt.FS.List("d/index")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		damage(t, opt.FS.(*vfs.MemFS), "d/index/"+name, rand.New(rand.NewPCG(1, 1)))
	}
	opt.Metrics = metrics.NewSet()
	s = mustOpen(t, opt)
	defer mustClose(t, s)
	if now := s.DiskID(); now == id || now == ([16]byte{}) {
		t.Errorf("the disk's id is %x, and was %x", now, id)
	}
}

// TestDurableWaitsForTheFirstOpening opens a store on a disk that fails.
func TestDurableWaitsForTheFirstOpening(t *testing.T) {
	clock, bad := newClock(), &faults{}
	bad.set(0, on(syscall.EIO, "index", errorfs.OpCreate))
	s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
	if s.DiskID() != ([16]byte{}) {
		t.Errorf("a disk that was never read has the id %x", s.DiskID())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Durable(ctx, "room"); !errors.Is(err, context.Canceled) {
		t.Errorf("without a disk: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		d, err := s.Durable(t.Context(), "room")
		if err == nil {
			err = d.Write(nil, [][2][]byte{pair("k", "v")})
		}
		got <- err
	}()
	bad.set(0, nil)
	settle(t, s, clock)
	if err := <-got; err != nil {
		t.Error(err)
	}
	d := mustDurable(t, s)
	s.index.Load().fail(errors.New("the test says so"), false)
	go func() { got <- d.Wait(context.Background()) }()
	mustClose(t, s)
	if err := <-got; !errors.Is(err, errClosed) {
		t.Errorf("after the store was closed: %v", err)
	}
}

// TestDurableCountsAgainstTheCapacity lets a log grow and be cut in a full store.
func TestDurableCountsAgainstTheCapacity(t *testing.T) {
	dir := t.TempDir()
	opt := tiny(nil, dir, newClock())
	opt.Capacity = 6 << 20
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	d := mustDurable(t, s)
	rng := rand.New(rand.NewPCG(3, 3))
	var first, end uint32
	var peak int64
	for i := range 600 {
		newThing(fmt.Sprint(i), "v", 20_000).put(t, s)
		var set [][2][]byte
		for range rng.IntN(4) {
			value := make([]byte, rng.IntN(8000))
			for n := range value {
				value[n] = byte(rng.Uint32())
			}
			set = append(set, [2][]byte{logKeyOf(end), value})
			end++
		}
		var drop [][2][]byte
		if end-first > 60 {
			drop = append(drop, [2][]byte{logKeyOf(first), logKeyOf(end - 30)})
			first = end - 30
		}
		if err := d.Write(drop, set); err != nil {
			t.Fatal(err)
		}
		peak = max(peak, sumFiles(t, s, dir))
		if st := s.Stats(); peak > opt.Capacity || st.Used > st.Capacity {
			t.Fatalf("after %d writes: %d bytes on the disk, %d counted, capacity %d", i, peak, st.Used, st.Capacity)
		}
	}
	t.Logf("peak %d of %d, %d segments, %d bytes of index", peak, opt.Capacity, s.Stats().Segments, s.Stats().IndexBytes)
	if s.Stats().Segments < 2 {
		t.Error("the log has taken everything")
	}
	huge := [][2][]byte{{[]byte("huge"), make([]byte, opt.Capacity)}}
	if err := d.Write(nil, huge); !errors.Is(err, ErrFull) {
		t.Errorf("a value as large as the capacity: %v", err)
	}
	if value, err := d.Get([]byte("huge")); value != nil || err != nil {
		t.Errorf("it is there: %d bytes, %v", len(value), err)
	}
}

// TestDurableUnderConcurrentUse is for the race detector.
func TestDurableUnderConcurrentUse(t *testing.T) {
	clock, bad := newClock(), &faults{}
	s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
	d := mustDurable(t, s)
	var users sync.WaitGroup
	var written atomic.Int64
	for n := range 4 {
		users.Go(func() {
			for i := range 200 {
				key := fmt.Sprintf("%d/%d", n, i)
				err := d.Write([][2][]byte{pair(fmt.Sprint(n), key)}, [][2][]byte{pair(key, "v")})
				if err == nil {
					written.Add(1)
				} else if !errors.Is(err, ErrFull) {
					t.Error(err)
				}
				if _, err := pairs(d, "", "z"); err != nil && !errors.Is(err, ErrFull) {
					t.Error(err)
				}
				newThing(key, "v", 2000).put(t, s)
			}
		})
	}
	users.Go(func() {
		for range 20 {
			s.tick()
			clock.Advance(time.Second)
			if err := s.index.Load().use(func(db *pebble.DB) error { return db.Flush() }); err != nil {
				t.Error(err)
			}
		}
	})
	users.Wait()
	if written.Load() != 800 {
		t.Errorf("%d of 800 writes", written.Load())
	}
	mustClose(t, s)
}
