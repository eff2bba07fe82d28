package store

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"rookery/object"
)

func someHeader(keyBytes, payload int) header {
	return header{
		kind: kindChunk, segment: 7, version: object.Version{1, 2, 3}, chunk: 9, payload: uint32(payload),
		size: 10 << 20, note: object.Note{Council: [16]byte{4}, Applied: 5}, written: time.Unix(0, 123456789),
		key: bytes.Repeat([]byte{'k'}, keyBytes), sums: appendSums(nil, make([]byte, payload)),
	}
}

func same(a, b header) bool {
	return a.kind == b.kind && a.segment == b.segment && a.version == b.version && a.chunk == b.chunk &&
		a.payload == b.payload && a.size == b.size && a.note == b.note && a.written.Equal(b.written) &&
		bytes.Equal(a.key, b.key) && bytes.Equal(a.sums, b.sums)
}

func TestHeaderRoundTrip(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {3, 1}, {100, object.BlockBytes}, {100, object.BlockBytes + 1}, {maxKeyBytes, object.ChunkBytes}} {
		h := someHeader(c[0], c[1])
		b := h.append(nil)
		if len(b) != h.bytes() || len(b) > maxHeaderBytes {
			t.Errorf("%v: %d bytes, not %d", c, len(b), h.bytes())
		}
		got, err := parseHeader(append(b, "payload"...))
		if err != nil || !same(got, h) {
			t.Errorf("%v: %v %+v", c, err, got)
		}
		for _, cut := range []int{0, 1, fixedBytes - 1, len(b) - 1} {
			if _, err := parseHeader(b[:cut]); !errors.Is(err, errShortRecord) {
				t.Errorf("%v cut to %d bytes: %v", c, cut, err)
			}
		}
	}
}

// TestEveryBitOfAHeaderCounts flips each bit in turn.
func TestEveryBitOfAHeaderCounts(t *testing.T) {
	h := someHeader(20, 3*object.BlockBytes)
	b := h.append(nil)
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if got, err := parseHeader(b); err == nil {
			t.Fatalf("bit %d of byte %d makes no difference: %+v", i%8, i/8, got)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

func FuzzRecordHeader(f *testing.F) {
	for _, n := range []int{0, 5, 300} {
		h := someHeader(n, n*1000)
		f.Add(h.append(nil))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			if !errors.Is(err, errNoRecord) && !errors.Is(err, errShortRecord) {
				t.Fatalf("another error: %v", err)
			}
			// With its checksum made right, whatever else is sound must parse the same again.
			keyBytes, payload, err := parseFixed(b)
			if err != nil || len(b) < headerBytes(keyBytes, payload) {
				return
			}
			fixed := bytes.Clone(b[:headerBytes(keyBytes, payload)])
			putSum(fixed)
			if h, err = parseHeader(fixed); err != nil {
				return
			}
			b = fixed
		}
		if again := h.append(nil); !bytes.Equal(again, b[:h.bytes()]) {
			t.Fatalf("%x becomes %x", b[:h.bytes()], again)
		}
		if h.payload > object.ChunkBytes || len(h.key) > maxKeyBytes || len(h.sums) != 4*blocks(h.payload) {
			t.Fatalf("out of bounds: %+v", h)
		}
	})
}

func TestEntriesRoundTrip(t *testing.T) {
	at := location{segment: 1 << 40, offset: 1 << 31, payload: 12345}
	if got, err := parseLocation(at.append(nil)); err != nil || got != at {
		t.Errorf("%v %+v", err, got)
	}
	e := infoEntry{location: at, version: object.Version{9}, validated: time.Unix(5, 6).UTC(), note: object.Note{Council: [16]byte{3}, Applied: 4}}
	if got, err := parseInfoEntry(e.append(nil)); err != nil || got != e {
		t.Errorf("%v %+v", err, got)
	}
	moved := location{segment: 7, offset: 8, payload: 12345}
	if got, err := parseInfoEntry(relocate(nil, e.append(nil), moved)); err != nil || got.location != moved || got.note != e.note {
		t.Errorf("relocated: %v %+v", err, got)
	}
	old := e.append(nil)[:unnotedBytes]
	old[0] = entryFormat
	want := e
	want.note = object.Note{}
	for _, b := range [][]byte{old, append(old, make([]byte, object.NoteBytes)...)} {
		if got, err := parseInfoEntry(b); err != nil || got != want {
			t.Errorf("of the old format: %v %+v", err, got)
		}
	}
	e.validated = time.Time{}
	if got, err := parseInfoEntry(e.append(nil)); err != nil || got != e {
		t.Errorf("the zero time: %v %+v", err, got)
	}
	for _, b := range [][]byte{nil, {entryFormat}, make([]byte, infoEntryBytes), e.append(nil)[:infoEntryBytes-1], old[:unnotedBytes-1]} {
		if _, err := parseInfoEntry(b); !errors.Is(err, errEntry) {
			t.Errorf("%x: %v", b, err)
		}
	}
}
