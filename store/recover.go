package store

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/zeebo/xxh3"

	"rookery/object"
)

// openIndex opens the index and makes it agree with the segments: a corrupt one
// is thrown away with all that it knew of, and records that it lost with the
// end of its log are found again. It serves both the start and, while the store
// is in use, the return from a failure. An error leaves the store without an
// index; it may be called again.
func (s *Store) openIndex() error {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	corrupt := false
	if old := s.index.Swap(nil); old != nil {
		old.close()
		corrupt = isCorrupt(old.failed())
	}
	s.writer.seal()
	if err := s.openSegments(); err != nil {
		return err
	}
	var ix *index
	var err error
	if !corrupt {
		ix, err = s.adoptIndex()
	}
	if corrupt || isCorrupt(err) {
		s.log.Error("index is corrupt: starting empty", "error", err)
		if err := s.startEmpty(); err != nil {
			return err
		}
		ix, err = s.adoptIndex()
	}
	if err != nil {
		return err
	}
	s.index.Store(ix)
	s.disk.adopt(ix.disk)
	s.reclaimUntilRoom()
	return nil
}

func isCorrupt(err error) bool {
	var failure *indexFailure
	return errors.As(err, &failure) && failure.corrupt
}

// adoptIndex opens the database and brings it up to the end of the segments.
func (s *Store) adoptIndex() (*index, error) {
	ix, err := openIndex(s.fs, s.indexDir(), s.sizes, s.log)
	if err != nil {
		return nil, err
	}
	if err = ix.identify(); err == nil {
		err = s.catchUp(ix)
	}
	if err == nil {
		return ix, nil
	}
	ix.close()
	if failed := ix.failed(); failed != nil {
		return nil, failed
	}
	return nil, err
}

// openSegments adds every segment file of the directory to the table.
func (s *Store) openSegments() error {
	names, err := s.fs.List(s.segmentDir())
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	for _, name := range names {
		id, ok := parseSegmentName(name)
		if !ok || s.segments.has(id) {
			continue
		}
		seg, err := s.openSegment(id, s.fs.PathJoin(s.segmentDir(), name))
		if err != nil {
			return fmt.Errorf("open segment %s: %w", name, err)
		}
		s.segments.add(seg)
		s.writer.last = max(s.writer.last, id)
	}
	return nil
}

// openSegment opens a segment of an earlier life. It counts as preallocated: the
// disk may have kept that for it.
func (s *Store) openSegment(id uint64, path string) (*segment, error) {
	file, err := s.fs.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	seg := s.newSegment(id, path, file, max(info.Size(), s.opt.SegmentBytes))
	seg.size.Store(min(info.Size(), 1<<32-1))
	return seg, nil
}

// startEmpty removes the index and all segments.
func (s *Store) startEmpty() error {
	s.counts.indexResets.Inc()
	if err := s.removeSegments(); err != nil {
		return err
	}
	if err := s.fs.RemoveAll(s.indexDir()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove index: %w", err)
	}
	return nil
}

func (s *Store) removeSegments() error {
	for _, seg := range s.segments.sorted() {
		if err := s.fs.Remove(seg.path); err != nil {
			return fmt.Errorf("remove segment: %w", err)
		}
		if err := s.segments.remove(seg); err != nil {
			s.log.Warn("segment does not close", "segment", seg.path, "error", err)
		}
	}
	return nil
}

// catchUp brings an opened index up to the end of the segments. An index that
// does not know how far it has come knows of no segment: they are removed.
func (s *Store) catchUp(ix *index) error {
	value, err := ix.get(nil, []byte(tailKey))
	if errors.Is(err, errAbsent) {
		if err := s.removeSegments(); err != nil {
			return err
		}
		return ix.setTail(tail{segment: s.writer.last})
	}
	if err != nil {
		return err
	}
	t, err := parseTail(value)
	if err != nil {
		return &indexFailure{err: err, corrupt: true}
	}
	s.writer.last = max(s.writer.last, t.segment)
	for _, seg := range s.segments.sorted() {
		if seg.id < t.segment {
			continue
		}
		if err := s.replay(ix, seg, t); err != nil {
			return err
		}
	}
	return nil
}

// replay indexes the records of a segment that lie behind the tail.
func (s *Store) replay(ix *index, seg *segment, t tail) error {
	var from int64
	if seg.id == t.segment {
		from = int64(t.end)
	}
	err := s.walk(seg, from, func(offset int64, h *header) error {
		at := location{segment: seg.id, offset: uint32(offset), payload: h.payload}
		entry, err := s.entryFor(seg, at, h)
		if err != nil {
			return nil // its bytes are bad: nothing points at it, nothing will
		}
		key := h.entryKey(nil, object.Hash(xxh3.Hash128(h.key).Bytes()))
		return ix.set(key, entry, tail{segment: seg.id, end: uint32(offset + h.recordBytes())})
	})
	return err
}

// entryFor makes the index entry of a record. A chunk is verified when it is
// read; an info is read now, because its entry repeats part of it.
func (s *Store) entryFor(seg *segment, at location, h *header) ([]byte, error) {
	if h.kind == kindChunk {
		return at.append(nil), nil
	}
	payload := make([]byte, h.payload)
	if err := readRecordPayload(seg, at, h, payload); err != nil {
		return nil, err
	}
	info, err := object.DecodeInfo(payload)
	if err != nil {
		return nil, err
	}
	e := infoEntry{location: at, version: info.Version, validated: info.Validated, note: info.Note}
	return e.append(nil), nil
}
