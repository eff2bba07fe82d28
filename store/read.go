package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"rookery/object"
)

var (
	// errBadBlock: a block does not match its CRC32C.
	errBadBlock = errors.New("block does not match its checksum")
	// errOtherKey: a record is sound, but another key's.
	errOtherKey = errors.New("record of another key")
)

// readFull reads len(p) bytes at off. A file that ends before is
// io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// walkBytes is how much is read at once to find a header.
const walkBytes = 4096

// walk calls fn for each record of a segment from offset on, until fn fails or
// the bytes are no record of this segment: the end of what was written, or of
// what a crash left. The header is fn's only during the call.
func (s *Store) walk(seg *segment, offset int64, fn func(offset int64, h *header) error) error {
	buf := s.buffer()
	defer s.buffers.Put(buf)
	for end := seg.size.Load(); offset < end; {
		h, err := readHeader(seg, buf[:maxHeaderBytes], offset, end)
		if errors.Is(err, errNoRecord) || errors.Is(err, errShortRecord) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("walk %s: %w", seg.path, err)
		}
		if h.segment != seg.id || offset+h.recordBytes() > end {
			return nil
		}
		if err := fn(offset, &h); err != nil {
			return err
		}
		offset += h.recordBytes()
	}
	return nil
}

// readHeader reads the header at offset of a segment that ends at end, whatever
// its length, into buf.
func readHeader(seg *segment, buf []byte, offset, end int64) (header, error) {
	if offset > end {
		return header{}, errShortRecord // the file lost its end after the index was written
	}
	for _, n := range [...]int64{walkBytes, int64(len(buf))} {
		b := buf[:min(n, int64(len(buf)), end-offset)]
		if err := readFull(seg.file, b, offset); errors.Is(err, io.ErrUnexpectedEOF) {
			return header{}, errShortRecord
		} else if err != nil {
			return header{}, err
		}
		h, err := parseHeader(b)
		if !errors.Is(err, errShortRecord) {
			return h, err
		}
	}
	return header{}, errShortRecord
}

// found is a record that a lookup found, and the hold on its segment.
type found struct {
	ix    *index
	seg   *segment
	at    location
	value [maxEntryBytes]byte // the index entry
	h     header              // aliases the lookup's buffer
}

// lookup follows the index to the record of key, reads its header into buf and
// compares it with what is asked. The caller releases found.seg. Every error is
// a miss.
func (s *Store) lookup(entryKey, key, buf []byte) (found, error) {
	f := found{ix: s.usable()}
	if f.ix == nil {
		return f, fmt.Errorf("%w: %w", ErrMiss, errIndexClosed)
	}
	if err := s.locate(&f, entryKey); err != nil {
		return f, err
	}
	left := max(f.seg.size.Load()-int64(f.at.offset), 0)
	b := buf[:min(int64(headerBytes(len(key), f.at.payload)), left)]
	err := readFull(f.seg.file, b, int64(f.at.offset))
	if err == nil {
		f.h, err = matchHeader(b, &f, key)
	}
	if err == nil && f.h.recordBytes() > left {
		err = errShortRecord
	}
	if err == nil {
		f.seg.mark(f.at.offset)
		return f, nil
	}
	err = s.wrong(&f, entryKey, err)
	s.release(f.seg)
	return f, err
}

// locate finds the entry and holds its segment. An entry whose segment went
// meanwhile may have been moved: it is looked up once more.
func (s *Store) locate(f *found, entryKey []byte) error {
	for range 2 {
		value, err := f.ix.get(f.value[:0], entryKey)
		if errors.Is(err, errAbsent) {
			return ErrMiss
		}
		if err != nil {
			s.counts.readErrors.Inc()
			return fmt.Errorf("%w: %w", ErrMiss, err)
		}
		if f.at, err = parseLocation(value); err != nil {
			return fmt.Errorf("%w: %w", ErrMiss, err)
		}
		if f.seg = s.segments.acquire(f.at.segment); f.seg != nil {
			return nil
		}
	}
	if _, err := s.dropIf(f.ix, entryKey, f.at); err != nil {
		return fmt.Errorf("%w: %w", ErrMiss, err)
	}
	return ErrMiss
}

// matchHeader parses the header that a lookup has read and compares all of it
// with what the entry promised.
func matchHeader(b []byte, f *found, key []byte) (header, error) {
	keyBytes, payload, err := parseFixed(b)
	if err != nil {
		return header{}, err
	}
	if keyBytes != len(key) {
		return header{}, errOtherKey
	}
	if payload != f.at.payload {
		return header{}, errNoRecord
	}
	h, err := parseHeader(b)
	if err != nil {
		return header{}, err
	}
	if h.segment != f.seg.id {
		return header{}, errNoRecord
	}
	if !bytes.Equal(h.key, key) {
		return header{}, errOtherKey
	}
	return h, nil
}

// wrong deals with a record that is not what its entry promised, and makes a
// miss of it. A bad record leaves the index and is counted; one that could not
// be read may be readable later; one of another key is that key's.
func (s *Store) wrong(f *found, entryKey []byte, err error) error {
	switch {
	case errors.Is(err, errOtherKey):
	case errors.Is(err, errNoRecord), errors.Is(err, errShortRecord), errors.Is(err, errBadBlock),
		errors.Is(err, io.ErrUnexpectedEOF):
		s.counts.corrupt.Inc()
		s.log.Warn("bad record", "segment", f.seg.path, "offset", f.at.offset, "error", err)
		if _, derr := s.dropIf(f.ix, entryKey, f.at); derr != nil {
			err = errors.Join(err, derr)
		}
	default:
		s.counts.readErrors.Inc()
	}
	return fmt.Errorf("%w: %w", ErrMiss, err)
}

// release lets go of a segment.
func (s *Store) release(seg *segment) {
	if err := seg.release(); err != nil {
		s.log.Warn("segment does not close", "segment", seg.path, "error", err)
	}
}

// appendKey appends the canonical key to dst, and returns its hash.
func appendKey(dst []byte, key object.Key) ([]byte, object.Hash) {
	return key.AppendCanonical(dst), key.Hash()
}
