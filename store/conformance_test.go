package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"rookery/object"
)

// The suite runs the same random story on real files, on a file system that
// loses power, and on one that fails. Whatever happens, every byte and every
// info that the store gives is right; what differs is what it may miss.

// story is one random sequence of operations, and what they should have left.
type story struct {
	s   *Store
	rng *rand.Rand
	// things are all versions that were ever put; of each key, the last that is
	// not dropped is current.
	things  []thing
	bodies  [][]byte           // of things
	current map[object.Key]int // index into things
	// exact says that nothing may be missing: nothing was evicted, dropped by a
	// crash, or lost to a failing disk.
	exact   bool
	flushes bool // Pebble is made to write its tables now and then
	keys    int
}

func newStory(s *Store, seed uint64, exact bool) *story {
	return &story{s: s, rng: rand.New(rand.NewPCG(seed, 1)), current: map[object.Key]int{}, exact: exact, keys: 8}
}

// sizes of the story's objects: small, so that a thousand seeds are quick.
func (y *story) size() int64 {
	switch y.rng.IntN(4) {
	case 0:
		return y.rng.Int64N(100)
	case 1:
		return 4096 * (1 + y.rng.Int64N(4))
	case 2:
		if y.rng.IntN(2) == 0 {
			return object.BlockBytes + y.rng.Int64N(100) - 50
		}
	}
	return y.rng.Int64N(20_000)
}

// step does one random operation.
func (y *story) step() error {
	if y.flushes && y.rng.IntN(30) == 0 {
		return y.flush()
	}
	switch n := y.rng.IntN(10); {
	case n < 5 || len(y.things) == 0:
		return y.put()
	case n < 8:
		return y.read(y.rng.IntN(len(y.things)))
	case n < 9:
		return y.renew()
	}
	return y.drop()
}

func (y *story) put() error {
	key := fmt.Sprintf("k%d", y.rng.IntN(y.keys))
	o := newThing(key, fmt.Sprintf("v%d", len(y.things)), y.size())
	info := o.info()
	body := o.Bytes(0, o.Size)
	err := y.s.PutInfo(o.key(), &info)
	if err == nil && o.Size > 0 {
		err = y.s.PutChunk(o.key(), o.version(), o.Size, 0, o.note(), bytes.Clone(body)) // vfs may modify what it writes
	}
	y.things, y.bodies = append(y.things, o), append(y.bodies, body)
	y.current[o.key()] = len(y.things) - 1
	return y.refused("put", err)
}

// refused passes on an error that the store may not give.
func (y *story) refused(what string, err error) error {
	if err == nil || !y.exact && (errors.Is(err, ErrFull) || errors.Is(err, ErrMiss)) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (y *story) renew() error {
	o := y.things[y.rng.IntN(len(y.things))]
	at, held := y.current[o.key()]
	err := y.s.Renew(o.key(), o.version(), o.info().Validated.Add(time.Hour), o.note())
	if errors.Is(err, ErrMiss) && (!held || y.things[at] != o) {
		return nil
	}
	return y.refused("renew", err)
}

func (y *story) drop() error {
	o := y.things[y.rng.IntN(len(y.things))]
	if at, held := y.current[o.key()]; held && y.things[at] == o {
		delete(y.current, o.key())
	}
	return y.refused("drop", y.s.DropInfo(o.key(), o.version()))
}

// read checks one version's chunk and its key's info.
func (y *story) read(n int) error {
	return errors.Join(y.readChunk(n), y.readInfo(y.things[n]))
}

func (y *story) readChunk(n int) error {
	o := y.things[n]
	if o.Size == 0 {
		return nil
	}
	held, err := o.compareChunk(y.s, 0, y.bodies[n])
	if err == nil && !held && y.exact {
		return fmt.Errorf("%s %s is missing", o.Key, o.Object.Version)
	}
	return err
}

// readInfo checks that the info of o's key is one that was put, and, where
// nothing may be missing, that it is the current one.
func (y *story) readInfo(o thing) error {
	info, ok := y.s.Info(o.key())
	at, current := y.current[o.key()]
	if !ok {
		if current && y.exact {
			return fmt.Errorf("info of %s is missing", o.Key)
		}
		return nil
	}
	if y.exact && (!current || y.things[at].version() != info.Version) {
		return fmt.Errorf("info of %s is %s: it was replaced or dropped", o.Key, info.ETag)
	}
	for _, p := range y.things {
		if p.key() != o.key() || p.version() != info.Version {
			continue
		}
		want := p.info()
		since := info.Validated.Sub(want.Validated)
		if info.ETag == want.ETag && info.Size == want.Size && info.Note == want.Note &&
			info.Header[0] == want.Header[0] && (since == 0 || since == time.Hour) {
			return nil
		}
	}
	return fmt.Errorf("info of %s was never put: %+v", o.Key, info)
}

// verify reads everything that was ever put.
func (y *story) verify() error {
	keys := map[object.Key]thing{}
	for n, o := range y.things {
		keys[o.key()] = o
		if err := y.readChunk(n); err != nil {
			return err
		}
	}
	for _, o := range keys {
		if err := y.readInfo(o); err != nil {
			return err
		}
	}
	return nil
}

func (y *story) run(steps int) error {
	for range steps {
		if err := y.step(); err != nil {
			return err
		}
	}
	return nil
}

// tiny are options for the smallest store there is, to be filled in no time.
func tiny(fs vfs.FS, dir string, c *clock) Options {
	return Options{
		Dir: dir, FS: fs, Capacity: 2 << 20, SegmentBytes: 128 << 10, IndexMemory: 512 << 10,
		Now: c.Now, Metrics: metrics.NewSet(), ticks: make(chan time.Time),
	}
}

// tightest are options under which even a short story evicts.
func tightest(fs vfs.FS, c *clock) Options {
	opt := tiny(fs, "d", c)
	opt.Capacity, opt.SegmentBytes = 1<<20+300<<10, 72<<10
	return opt
}

func TestConformanceOnRealFiles(t *testing.T) {
	for seed := range uint64(8) {
		clock, dir := newClock(), t.TempDir()
		opt := tiny(nil, dir, clock)
		opt.Capacity = 64 << 20 // nothing is evicted: nothing may be missing
		y := newStory(mustOpen(t, opt), seed, true)
		for range 4 {
			if err := y.run(60); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			mustClose(t, y.s)
			opt.Metrics = metrics.NewSet()
			y.s = mustOpen(t, opt)
			if err := y.verify(); err != nil {
				t.Fatalf("seed %d, after a restart: %v", seed, err)
			}
		}
		mustClose(t, y.s)
	}
}

func TestConformanceUnderEviction(t *testing.T) {
	for seed := range uint64(10) {
		clock := newClock()
		y := newStory(mustOpen(t, tiny(nil, t.TempDir(), clock)), seed, false)
		if err := errors.Join(y.run(400), y.verify()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if y.s.Stats().EvictedRecords == 0 {
			t.Errorf("seed %d: nothing was evicted", seed)
		}
		mustClose(t, y.s)
	}
}

// crashSeeds is how many stories lose power.
const crashSeeds = 1000

// TestConformanceAfterPowerCuts cuts the power before each sync that the store
// or Pebble asks for, with a random share of what was not synced lost.
func TestConformanceAfterPowerCuts(t *testing.T) {
	const shards = 4
	var cuts atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for shard := range uint64(shards) {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for seed := shard; seed < crashSeeds && !t.Failed(); seed += shards {
					cuts.Add(int64(cutPower(t, seed)))
				}
			})
		}
	})
	t.Logf("%d power cuts in %d stories", cuts.Load(), crashSeeds)
	if cuts.Load() < min(5, cutsKept)*crashSeeds {
		t.Error("too few cuts to mean anything")
	}
}

// cutPower runs one story and checks what each cut leaves. It returns how many.
func cutPower(t *testing.T, seed uint64) int {
	clock := newClock()
	disk := vfs.NewCrashableMem()
	cuts := cutter{disk: disk, rng: rand.New(rand.NewPCG(seed, 2))}
	// A tenth of the stories lose power during the first start already.
	cuts.on.Store(seed%10 == 0)
	s := mustOpen(t, tightest(errorfs.Wrap(disk, cuts.beforeSyncs()), clock))
	cuts.on.Store(true)
	y := newStory(s, seed, false)
	y.flushes = true
	err := y.run(30 + int(seed%3)*30)
	cuts.cut()
	mustClose(t, s)
	if err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	left := cuts.taken()
	for n, disk := range left {
		if err := y.continueOn(disk, seed); err != nil {
			t.Errorf("seed %d, cut %d of %d: %v", seed, n, len(left), err)
		}
	}
	return len(left)
}

// continueOn opens what a cut left, checks all of it and goes on with it.
func (y *story) continueOn(disk *vfs.MemFS, seed uint64) error {
	after := *y
	after.things, after.bodies, after.current = slices.Clone(y.things), slices.Clone(y.bodies), maps.Clone(y.current)
	after.rng = rand.New(rand.NewPCG(seed, 3))
	s, err := Open(tightest(disk, newClock()))
	if err != nil {
		return err
	}
	after.s = s
	err = errors.Join(after.verify(), after.run(8), s.Healthy())
	return errors.Join(err, s.Close())
}

// flush makes Pebble write and sync its tables.
func (y *story) flush() error {
	return y.s.index.Load().use(func(db *pebble.DB) error { return db.Flush() })
}
