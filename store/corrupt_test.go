package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/object"
)

// flip changes one byte of a file on the disk.
func flip(t *testing.T, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x40
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// placeOf returns the file of a record, its offset and its header's length.
func placeOf(t *testing.T, s *Store, entryKey []byte, key object.Key) (string, int64, int64) {
	t.Helper()
	value, err := s.index.Load().get(nil, entryKey)
	if err != nil {
		t.Fatal(err)
	}
	at, err := parseLocation(value)
	if err != nil {
		t.Fatal(err)
	}
	head := headerBytes(len(key.AppendCanonical(nil)), at.payload)
	return filepath.Join(s.segmentDir(), segmentName(at.segment)), int64(at.offset), int64(head)
}

func TestCorruptByteIsAMiss(t *testing.T) {
	o := newThing("k", "v", 3*object.BlockBytes)
	chunk := chunkKey(nil, o.key().Hash(), o.version(), 0)
	info := infoKey(nil, o.key().Hash())
	for name, c := range map[string]struct {
		entry []byte
		at    func(head int64) int64
	}{
		"chunk header":      {chunk, func(int64) int64 { return 50 }},
		"chunk key":         {chunk, func(int64) int64 { return fixedBytes + 1 }},
		"chunk checksums":   {chunk, func(h int64) int64 { return h - 1 }},
		"chunk first block": {chunk, func(h int64) int64 { return h }},
		"chunk last block":  {chunk, func(h int64) int64 { return h + o.Size - 1 }},
		"info header":       {info, func(int64) int64 { return 20 }},
		"info payload":      {info, func(h int64) int64 { return h + 30 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, small(t.TempDir(), newClock()))
			defer mustClose(t, s)
			o.put(t, s)
			path, off, head := placeOf(t, s, c.entry, o.key())
			flip(t, path, off+c.at(head))
			_, infoHeld := s.Info(o.key())
			held, err := o.checkChunk(s, 0)
			if err != nil {
				t.Fatal(err)
			}
			if want := c.entry[0] == infoPrefix; held != want || infoHeld == want {
				t.Errorf("held: chunk %v, info %v", held, infoHeld)
			}
			if n := s.Stats().CorruptRecords; n != 1 {
				t.Errorf("%d corrupt records counted", n)
			}
			if _, err := s.index.Load().get(nil, c.entry); !errors.Is(err, errAbsent) {
				t.Errorf("the entry is still there: %v", err)
			}
			o.put(t, s)
			o.mustHave(t, s)
		})
	}
}

// TestGoodBlocksOfABadChunk shows that a bad block keeps back its own bytes.
func TestGoodBlocksOfABadChunk(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("k", "v", 4*object.BlockBytes)
	o.put(t, s)
	path, off, head := placeOf(t, s, chunkKey(nil, o.key().Hash(), o.version(), 0), o.key())
	flip(t, path, off+head+2*object.BlockBytes+5)
	c, err := s.Chunk(o.key(), o.version(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := make([]byte, 3*object.BlockBytes)
	if n, err := c.ReadAt(p[:100], 2*object.BlockBytes-100); n != 100 || err != nil {
		t.Errorf("before the bad block: %d, %v", n, err)
	} else if err := o.Check(p[:n], 2*object.BlockBytes-100); err != nil {
		t.Error(err)
	}
	n, err := c.ReadAt(p, 100)
	if !errors.Is(err, ErrMiss) || n > 2*object.BlockBytes-100 {
		t.Errorf("over the bad block: %d, %v", n, err)
	}
	if err := o.Check(p[:n], 100); err != nil {
		t.Error(err)
	}
}

func TestScrubDropsWhatIsBadOrGone(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	good, bad, gone := newThing("good", "v", 200_000), newThing("bad", "v", 200_000), newThing("gone", "v", 10)
	for _, o := range []thing{good, bad, gone} {
		o.put(t, s)
	}
	badKey := chunkKey(nil, bad.key().Hash(), bad.version(), 0)
	path, off, head := placeOf(t, s, badKey, bad.key())
	flip(t, path, off+head+70_000)
	goneKey := chunkKey(nil, gone.key().Hash(), gone.version(), 0)
	nowhere := location{segment: 999, offset: 5, payload: 10}
	if err := s.index.Load().update(goneKey, nowhere.append(nil)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.tick()
	}
	for _, key := range [][]byte{badKey, goneKey} {
		if _, err := s.index.Load().get(nil, key); !errors.Is(err, errAbsent) {
			t.Errorf("an entry is still there: %v", err)
		}
	}
	good.mustHave(t, s)
	if n := s.Stats().CorruptRecords; n != 1 {
		t.Errorf("%d corrupt records counted", n)
	}
}

// TestScrubGetsRound shows that a tick does a bounded share, and that the last
// entry has its turn.
func TestScrubGetsRound(t *testing.T) {
	opt := small(t.TempDir(), newClock())
	opt.Capacity = 64 << 20
	s := mustOpen(t, opt)
	defer mustClose(t, s)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		newThing(name, "v", 2*object.ChunkBytes).put(t, s)
	}
	// Infos come behind chunks: this is the very last key.
	nowhere := location{segment: 999}
	last := infoKey(nil, object.Hash(bytes.Repeat([]byte{0xff}, 16)))
	if err := s.index.Load().update(last, nowhere.append(nil)); err != nil {
		t.Fatal(err)
	}
	ticks := 0
	for err := error(nil); !errors.Is(err, errAbsent); _, err = s.index.Load().get(nil, last) {
		s.tick()
		if ticks++; ticks > 20 {
			t.Fatal("the last entry is never scrubbed")
		}
	}
	if want := 20 * object.ChunkBytes / scrubBytesPerTick; ticks < want {
		t.Errorf("20 MiB were scrubbed in %d ticks, not %d", ticks, want)
	}
	s.tick()
	if s.scrub.next != nil {
		t.Error("the scrub does not begin again")
	}
}

// TestCorruptIndexStartsEmpty damages each of Pebble's files in turn.
func TestCorruptIndexStartsEmpty(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for round := range 60 {
		disk := vfs.NewMem()
		clock := newClock()
		s := mustOpen(t, tiny(disk, "d", clock))
		y := newStory(s, uint64(round), false)
		y.flushes = true
		if err := y.run(60); err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		names, err := disk.List("d/index")
		if err != nil {
			t.Fatal(err)
		}
		damage(t, disk, "d/index/"+names[round%len(names)], rng)
		y.s = mustOpen(t, tiny(disk, "d", clock))
		if err := y.verify(); err != nil {
			t.Fatalf("round %d, %s: %v", round, names[round%len(names)], err)
		}
		y.s.tick()
		settle(t, y.s, clock)
		o := newThing("after", "v", 30_000)
		o.put(t, y.s)
		o.mustHave(t, y.s)
		if st := y.s.Stats(); st.Used > st.Capacity {
			t.Errorf("round %d: %d used of %d", round, st.Used, st.Capacity)
		}
		mustClose(t, y.s)
	}
}

// damage overwrites, cuts or removes a file.
func damage(t *testing.T, disk *vfs.MemFS, path string, rng *rand.Rand) {
	t.Helper()
	if rng.IntN(4) == 0 {
		if err := disk.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 && rng.IntN(3) == 0 {
		b = b[:rng.IntN(len(b))]
	}
	for range min(len(b), 20) {
		b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
	}
	g, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Write(b)
	if err := errors.Join(err, g.Close()); err != nil {
		t.Fatal(err)
	}
}
