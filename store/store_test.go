package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"rookery/object"
)

func TestStoreGivesBackWhatItWasGiven(t *testing.T) {
	for _, size := range []int64{0, 1, 4096, object.BlockBytes, object.BlockBytes + 1, object.ChunkBytes, 3*object.ChunkBytes + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := mustOpen(t, small(t.TempDir(), newClock()))
			defer mustClose(t, s)
			o := newThing("a/b", "v1", size)
			if _, ok := s.Info(o.key()); ok || s.Has(o.key(), o.version(), 0) {
				t.Fatal("an empty store has something")
			}
			o.put(t, s)
			o.mustHave(t, s)
			for n := range object.Chunks(size) {
				if !s.Has(o.key(), o.version(), n) {
					t.Errorf("Has does not know chunk %d", n)
				}
			}
			if s.Has(o.key(), o.version(), object.Chunks(size)) {
				t.Error("Has knows a chunk past the end")
			}
		})
	}
}

func TestChunkReadAtAnyPlace(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("k", "v", 3*object.BlockBytes+100)
	o.put(t, s)
	c, err := s.Chunk(o.key(), o.version(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const b = object.BlockBytes
	for _, at := range []struct{ off, n, want int64 }{
		{0, 1, 1},
		{0, b, b},
		{0, b + 1, b + 1},
		{1, b, b},
		{b, 2 * b, 2 * b},
		{b - 1, 2, 2},
		{0, 3*b + 100, 3*b + 100},
		{3 * b, 100, 100},
		{3*b + 99, 1, 1},
		{3*b + 50, 100, 50},
		{2*b + 7, 2 * b, b + 93},
		{3*b + 100, 5, 0},
		{0, 0, 0},
	} {
		p := make([]byte, at.n)
		n, err := c.ReadAt(p, at.off)
		if int64(n) != at.want || (err != nil) != (at.want < at.n) || (err != nil && err != io.EOF) {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", at.n, at.off, n, err)
		}
		if err := o.Check(p[:n], at.off); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was read")
	}
}

func TestPutChunkRefusesWhatIsNoSuchChunk(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("k", "v", object.ChunkBytes+10)
	for _, c := range []struct {
		chunk int64
		bytes int
	}{{-1, 10}, {2, 10}, {1, 9}, {1, 11}, {0, 10}, {1 << 32, 10}} {
		err := s.PutChunk(o.key(), o.version(), o.Size, c.chunk, o.note(), make([]byte, c.bytes))
		if err == nil || errors.Is(err, ErrFull) {
			t.Errorf("chunk %d of %d bytes: %v", c.chunk, c.bytes, err)
		}
	}
}

func TestInfoIsReplacedRenewedAndDropped(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	one, two := newThing("k", "v1", 10), newThing("k", "v2", 10)
	one.put(t, s)
	later := time.Unix(1_800_000_000, 7).UTC()
	written := s.Stats().WrittenBytes
	newer := object.Note{Council: one.note().Council, Applied: one.note().Applied + 5}
	if err := s.Renew(one.key(), one.version(), later, newer); err != nil {
		t.Fatal(err)
	}
	if s.Stats().WrittenBytes != written {
		t.Error("Renew wrote to a segment")
	}
	older, other := one.note(), object.Note{Council: [16]byte{2}}
	for _, c := range []struct{ given, want object.Note }{{newer, newer}, {older, newer}, {other, other}} {
		if err := s.Renew(one.key(), one.version(), later, c.given); err != nil {
			t.Fatal(err)
		}
		if info, ok := s.Info(one.key()); !ok || !info.Validated.Equal(later) || info.Note != c.want {
			t.Errorf("after Renew: %v, validated %v, note %v, want %v", ok, info.Validated, info.Note, c.want)
		}
	}
	two.put(t, s)
	two.mustHave(t, s)
	if err := s.Renew(one.key(), one.version(), later, newer); !errors.Is(err, ErrMiss) {
		t.Errorf("Renew of a replaced version: %v", err)
	}
	if err := s.DropInfo(one.key(), one.version()); err != nil {
		t.Error(err)
	}
	two.mustHave(t, s)
	if err := s.DropInfo(two.key(), two.version()); err != nil {
		t.Error(err)
	}
	if _, ok := s.Info(two.key()); ok {
		t.Error("a dropped info is still there")
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	clock := newClock()
	dir := t.TempDir()
	s := mustOpen(t, small(dir, clock))
	var things []thing
	for i := range 40 {
		o := newThing(fmt.Sprintf("k%d", i), "v", int64(i*4000))
		o.put(t, s)
		things = append(things, o)
	}
	renewed := time.Unix(1_900_000_000, 0).UTC()
	if err := s.Renew(things[3].key(), things[3].version(), renewed, things[3].note()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, small(dir, clock))
	defer mustClose(t, s)
	for _, o := range things {
		o.mustHave(t, s)
	}
	if info, _ := s.Info(things[3].key()); !info.Validated.Equal(renewed) {
		t.Errorf("Renew was forgotten: %v", info.Validated)
	}
}

func TestCollidingKeysAreMisses(t *testing.T) {
	s := mustOpen(t, small(t.TempDir(), newClock()))
	defer mustClose(t, s)
	o := newThing("mine", "v", 100)
	o.put(t, s)
	// What an attacker who can make xxh3 collide would get: another key's entry.
	other := object.Key{Bucket: "b", Name: "yours"}
	ix := s.index.Load()
	for _, keys := range [][2][]byte{
		{infoKey(nil, o.key().Hash()), infoKey(nil, other.Hash())},
		{chunkKey(nil, o.key().Hash(), o.version(), 0), chunkKey(nil, other.Hash(), o.version(), 0)},
	} {
		value, err := ix.get(nil, keys[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := ix.update(keys[1], value); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := s.Info(other); ok {
		t.Error("another key's info was given")
	}
	if _, err := s.Chunk(other, o.version(), 0); !errors.Is(err, ErrMiss) {
		t.Errorf("another key's chunk was given: %v", err)
	}
	o.mustHave(t, s)
	if n := s.Stats().CorruptRecords; n != 0 {
		t.Errorf("%d corrupt records", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	clock := newClock()
	dir := t.TempDir()
	s := mustOpen(t, small(dir, clock))
	defer mustClose(t, s)
	if _, err := Open(small(dir, clock)); err == nil {
		t.Error("a store that is open was opened again")
	}
	tiny := small(t.TempDir(), clock)
	tiny.Capacity = 3 * tiny.SegmentBytes
	if _, err := Open(tiny); err == nil || !bytes.Contains([]byte(err.Error()), []byte("too small")) {
		t.Errorf("a capacity of three segments: %v", err)
	}
	if _, err := Open(Options{Capacity: 1 << 30}); err == nil {
		t.Error("no directory was accepted")
	}
}
