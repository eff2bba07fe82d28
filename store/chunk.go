package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"rookery/object"
)

// Has reports whether the index knows of the chunk. It reads no segment: a
// later Chunk may still miss.
func (s *Store) Has(key object.Key, v object.Version, chunk int64) bool {
	ix := s.usable()
	if ix == nil || chunk < 0 || chunk >= maxChunksStored {
		return false
	}
	var keys [maxEntryKey]byte
	var values [maxEntryBytes]byte
	value, err := ix.get(values[:0], chunkKey(keys[:0], key.Hash(), v, uint32(chunk)))
	if err != nil {
		return false
	}
	at, err := parseLocation(value)
	return err == nil && s.segments.has(at.segment)
}

// PutChunk stores one whole chunk of a body of size bytes. data is the caller's
// again when it returns. The error is ErrFull, or says that data is not that
// chunk.
func (s *Store) PutChunk(key object.Key, v object.Version, size, chunk int64, note object.Note, data []byte) error {
	if chunk < 0 || chunk >= min(object.Chunks(size), maxChunksStored) || len(data) != object.ChunkLen(size, chunk) {
		return fmt.Errorf("store: %d bytes are not chunk %d of a body of %d", len(data), chunk, size)
	}
	var keys [512]byte
	canonical, hash := appendKey(keys[:0], key)
	var sums [4 * object.ChunkBytes / object.BlockBytes]byte
	h := header{
		kind: kindChunk, version: v, chunk: uint32(chunk), size: size, note: note,
		payload: uint32(len(data)), written: s.now(), key: canonical, sums: appendSums(sums[:0], data),
	}
	var entry [maxEntryKey]byte
	return s.put(chunkKey(entry[:0], hash, v, uint32(chunk)), &h, data,
		func(dst []byte, at location) []byte { return at.append(dst) })
}

// Chunk opens a stored chunk. The caller closes it; until then its bytes stay
// readable, whatever is evicted. Every error is ErrMiss.
func (s *Store) Chunk(key object.Key, v object.Version, chunk int64) (*Chunk, error) {
	if chunk < 0 || chunk >= maxChunksStored {
		return nil, ErrMiss
	}
	buf := s.buffer()
	defer s.buffers.Put(buf)
	var keys [512]byte
	canonical, hash := appendKey(keys[:0], key)
	c := &Chunk{s: s}
	entryKey := chunkKey(c.entryKey[:0], hash, v, uint32(chunk))
	f, err := s.lookup(entryKey, canonical, buf[:maxHeaderBytes])
	if err != nil {
		return nil, err
	}
	if f.h.kind != kindChunk || f.h.version != v || f.h.chunk != uint32(chunk) ||
		int(f.h.payload) != object.ChunkLen(f.h.size, chunk) {
		err := s.wrong(&f, entryKey, errNoRecord)
		s.release(f.seg)
		return nil, err
	}
	c.take(&f)
	return c, nil
}

// Chunk is one stored chunk, held open. Its ReadAt may be called concurrently.
type Chunk struct {
	s        *Store
	ix       *index
	seg      *segment
	at       location
	start    int64 // of the payload, in the segment
	note     object.Note
	size     int64
	entryKey [chunkKeyBytes]byte
	sums     [4 * object.ChunkBytes / object.BlockBytes]byte
}

// take makes c of what the lookup found, the hold on the segment included.
func (c *Chunk) take(f *found) {
	c.ix, c.seg, c.at = f.ix, f.seg, f.at
	c.start = int64(f.at.offset) + int64(f.h.bytes())
	c.note, c.size = f.h.note, f.h.size
	copy(c.sums[:], f.h.sums)
}

// Len returns the chunk's length in bytes.
func (c *Chunk) Len() int { return int(c.at.payload) }

// Size returns the length in bytes of the whole object.
func (c *Chunk) Size() int64 { return c.size }

// Note returns the purge note with which the chunk was stored.
func (c *Chunk) Note() object.Note { return c.note }

// Close lets go of the chunk's segment. It is called once.
func (c *Chunk) Close() error { return c.seg.release() }

// ReadAt reads from byte off of the chunk (io.ReaderAt). Each 64 KiB block that
// it touches is verified before any of its bytes are given. An error that is
// not io.EOF is ErrMiss; the bytes before it are right.
func (c *Chunk) ReadAt(p []byte, off int64) (int, error) {
	length := int64(c.at.payload)
	if off < 0 || off > length {
		return 0, fmt.Errorf("store: offset %d is outside a chunk of %d bytes", off, length)
	}
	var done int
	for done < len(p) && off < length {
		n, err := c.readSome(p[done:], off)
		if err != nil {
			return done, err
		}
		done += n
		off += int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// readSome reads as many whole blocks as fit p, straight into it, or else the
// part of one block that p takes.
func (c *Chunk) readSome(p []byte, off int64) (int, error) {
	length := int64(c.at.payload)
	first := off / object.BlockBytes
	from := first * object.BlockBytes
	whole := min(int64(len(p)), length-off)
	if from+whole < length {
		whole -= whole % object.BlockBytes
	}
	if off == from && whole > 0 {
		return int(whole), c.readBlocks(p[:whole], int(first))
	}
	buf := c.s.buffer()
	defer c.s.buffers.Put(buf)
	block := buf[:min(object.BlockBytes, length-from)]
	if err := c.readBlocks(block, int(first)); err != nil {
		return 0, err
	}
	return copy(p, block[off-from:]), nil
}

// readBlocks reads whole blocks from block first on into p and verifies them.
func (c *Chunk) readBlocks(p []byte, first int) error {
	err := readFull(c.seg.file, p, c.start+int64(first)*object.BlockBytes)
	for n := first; err == nil && len(p) > 0; n++ {
		block := p[:min(len(p), object.BlockBytes)]
		if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(c.sums[4*n:]) {
			err = errBadBlock
		}
		p = p[len(block):]
	}
	if err == nil {
		return nil
	}
	return c.s.wrong(&found{ix: c.ix, seg: c.seg, at: c.at}, c.entryKey[:], err)
}
