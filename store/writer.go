package store

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errNoRoom: the active segment is full, and the capacity has no room for
// another one before an old one is reclaimed.
var errNoRoom = errors.New("no room for another segment")

// writer owns the end of the one segment that is open for writing. Appends are
// serialised, and each is indexed before the next begins: a segment has no
// holes but the one that a failed write leaves at its end, and the index is
// never ahead of its tail. So this lock, alone in the store, is held while
// bytes are written; no reader ever waits for it.
type writer struct {
	mu     sync.Mutex
	active *segment // nil: the next append starts one
	last   uint64   // the highest id ever used
}

// seal ends the active segment. The next append starts another.
func (w *writer) seal() {
	w.mu.Lock()
	w.active = nil
	w.mu.Unlock()
}

// activeID returns the id of the active segment, or 0.
func (w *writer) activeID() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.active == nil {
		return 0
	}
	return w.active.id
}

// entryOf makes the index entry of a record that lies at a place.
type entryOf func(dst []byte, at location) []byte

// put appends a record and points the index at it, and reclaims old segments
// when that needs room. The error is ErrFull, or the caller's own mistake.
func (s *Store) put(entryKey []byte, h *header, payload []byte, entry entryOf) error {
	if len(h.key) > maxKeyBytes || h.recordBytes() > s.opt.SegmentBytes {
		return fmt.Errorf("store: a record of %d bytes with a key of %d does not fit a segment of %d",
			h.recordBytes(), len(h.key), s.opt.SegmentBytes)
	}
	if s.full.is(s.now()) {
		return ErrFull
	}
	err := s.place(entryKey, h, payload, entry)
	for errors.Is(err, errNoRoom) {
		if !s.makeRoom() {
			break
		}
		err = s.place(entryKey, h, payload, entry)
	}
	if errors.Is(err, syscall.ENOSPC) && s.full.mayGiveUpSegment() && s.reclaimOldest() {
		err = s.place(entryKey, h, payload, entry)
	}
	if err != nil {
		return s.refuse(err)
	}
	s.full.clear()
	s.counts.written.Add(int(h.recordBytes()))
	s.budget.earn(h.recordBytes())
	if !s.hasRoom() && s.reclaiming.TryLock() {
		s.reclaimUntilRoom()
		s.reclaiming.Unlock()
	}
	return nil
}

// refuse remembers why the disk takes nothing. Lack of room within the capacity
// heals when a reader closes a chunk, so it is not remembered.
func (s *Store) refuse(err error) error {
	if !errors.Is(err, errNoRoom) {
		s.counts.writeErrors.Inc()
		if s.full.note(s.now(), err) {
			s.log.Error("store takes no bytes for now", "error", err)
		}
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

// place appends a record and points the index at it.
func (s *Store) place(entryKey []byte, h *header, payload []byte, entry entryOf) error {
	ix := s.usable()
	if ix == nil {
		return errIndexClosed
	}
	mu := s.stripe(entryKey)
	mu.Lock()
	defer mu.Unlock()
	return s.append(ix, entryKey, h, payload, entry)
}

// append is place for who holds the entry's stripe.
func (s *Store) append(ix *index, entryKey []byte, h *header, payload []byte, entry entryOf) error {
	w := &s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.index.Load() != ix {
		return errIndexClosed // it is being opened anew, which walks the segments
	}
	if err := s.fit(h.recordBytes()); err != nil {
		return err
	}
	seg := w.active
	at := location{segment: seg.id, offset: uint32(seg.size.Load()), payload: h.payload}
	if err := s.write(seg, h, payload); err != nil {
		w.active = nil
		return errors.Join(err, s.discardEmpty(seg))
	}
	end := seg.size.Add(h.recordBytes())
	var scratch [maxEntryBytes]byte
	return ix.set(entryKey, entry(scratch[:0], at), tail{segment: seg.id, end: uint32(end)})
}

// write puts the record's bytes behind the segment's last. The segment's size
// is not raised: bytes that were not all written are nobody's.
func (s *Store) write(seg *segment, h *header, payload []byte) error {
	buf := s.buffer()
	defer s.buffers.Put(buf)
	h.segment = seg.id
	head := h.append(buf[:0])
	if len(head)+len(payload) <= len(buf) {
		head = append(head, payload...)
		payload = nil
	}
	for _, b := range [][]byte{head, payload} {
		if len(b) == 0 {
			continue
		}
		if _, err := seg.file.Write(b); err != nil {
			return fmt.Errorf("write to %s: %w", seg.path, err)
		}
	}
	return nil
}

// discardEmpty removes a segment whose first write failed: a failing disk must
// not trade what is cached for empty files.
func (s *Store) discardEmpty(seg *segment) error {
	if seg.size.Load() > 0 {
		return nil
	}
	if err := s.fs.Remove(seg.path); err != nil {
		return err
	}
	return s.segments.remove(seg)
}

// fit sees to it that n bytes fit the active segment, starting one if there is
// room. The writer's lock is held.
func (s *Store) fit(n int64) error {
	w := &s.writer
	if w.active != nil && w.active.size.Load()+n <= s.opt.SegmentBytes {
		return nil
	}
	w.active = nil
	if !s.hasRoom() {
		return errNoRoom
	}
	seg, err := s.create(w.last + 1)
	if err != nil {
		return err
	}
	w.last++
	w.active = seg
	s.segments.add(seg)
	return nil
}

// create makes a segment's file and preallocates it, so that a full disk is
// noticed before a byte is written.
func (s *Store) create(id uint64) (*segment, error) {
	path := s.fs.PathJoin(s.segmentDir(), segmentName(id))
	file, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	err = file.Preallocate(0, s.opt.SegmentBytes)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EOPNOTSUPP) {
		return nil, errors.Join(fmt.Errorf("preallocate segment: %w", err), file.Close(), s.fs.Remove(path))
	}
	return s.newSegment(id, path, file, s.opt.SegmentBytes), nil
}

// newSegment counts a file that is on the disk.
func (s *Store) newSegment(id uint64, path string, file vfs.File, bytes int64) *segment {
	s.segments.held.Add(bytes)
	return newSegment(id, path, file, bytes, func(n int64) { s.segments.held.Add(-n) })
}

func (s *Store) buffer() *[bufferBytes]byte { return s.buffers.Get().(*[bufferBytes]byte) }
