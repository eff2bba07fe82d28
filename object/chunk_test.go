package object

import (
	"testing"

	"pgregory.net/rapid"
)

func TestChunkGeometry(t *testing.T) {
	const c, e = ChunkBytes, ExtentBytes
	cases := []struct {
		size, chunks int64
		last         int // bytes in the last chunk
	}{
		{0, 0, 0},
		{1, 1, 1},
		{c - 1, 1, c - 1},
		{c, 1, c},
		{c + 1, 2, 1},
		{e, ExtentChunks, c},
		{e + 1, ExtentChunks + 1, 1},
		{5 << 40, 5 << 20, c}, // the largest object that S3 has
	}
	for _, k := range cases {
		n := Chunks(k.size)
		if n != k.chunks {
			t.Errorf("%d bytes have %d chunks, want %d", k.size, n, k.chunks)
		}
		if n > 0 && ChunkLen(k.size, n-1) != k.last {
			t.Errorf("the last chunk of %d bytes has %d, want %d", k.size, ChunkLen(k.size, n-1), k.last)
		}
	}
	for _, k := range []struct{ offset, size, chunk, extent, end int64 }{
		{0, 1, 0, 0, 1}, {c - 1, e, 0, 0, e}, {c, e, 1, 0, e}, {e - 1, e + 5, 63, 0, e}, {e, e + 5, 64, 1, e + 5}, {e + 4, 3 * e, 64, 1, 2 * e},
	} {
		if ChunkOf(k.offset) != k.chunk || ExtentOf(k.offset) != k.extent || ExtentEnd(k.offset, k.size) != k.end {
			t.Errorf("byte %d of %d: chunk %d, extent %d to %d; want %d, %d, %d", k.offset, k.size,
				ChunkOf(k.offset), ExtentOf(k.offset), ExtentEnd(k.offset, k.size), k.chunk, k.extent, k.end)
		}
	}
	if ChunkBytes%BlockBytes != 0 {
		t.Error("a chunk is not a whole number of blocks")
	}
}

// Chunks and extents cover a body once and without gaps.
func TestChunksCoverTheBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 4*ExtentBytes).Draw(t, "size")
		covered := int64(0)
		for n := range Chunks(size) {
			if ChunkOf(covered) != n {
				t.Fatalf("chunk %d does not begin at %d", n, covered)
			}
			if l := ChunkLen(size, n); l < 1 || l > ChunkBytes {
				t.Fatalf("chunk %d has %d bytes", n, l)
			}
			covered += int64(ChunkLen(size, n))
		}
		if covered != size {
			t.Fatalf("chunks cover %d bytes of %d", covered, size)
		}
		for at := int64(0); at < size; {
			end := ExtentEnd(at, size)
			if end <= at || end > size || ExtentOf(end-1) != ExtentOf(at) {
				t.Fatalf("the extent at %d ends at %d", at, end)
			}
			at = end
		}
	})
}
