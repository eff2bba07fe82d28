package store

import (
	"errors"
	"hash/crc32"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"rookery/object"
)

// reinsertBudget bounds what reinsertion writes: each byte stored earns share
// of a byte, and a copy spends what it takes.
type reinsertBudget struct {
	share float64
	max   int64 // savings are capped, so that no reclaim copies a whole segment
	bytes atomic.Int64
}

func (b *reinsertBudget) earn(written int64) {
	if b.bytes.Add(int64(b.share*float64(written))) > b.max {
		b.bytes.Store(b.max)
	}
}

// spend takes n bytes from the budget, if they are there.
func (b *reinsertBudget) spend(n int64) bool {
	for {
		now := b.bytes.Load()
		if now < n {
			return false
		}
		if b.bytes.CompareAndSwap(now, now-n) {
			return true
		}
	}
}

// makeRoom reclaims segments until one more may be started. It reports whether
// that is now so.
func (s *Store) makeRoom() bool {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	s.reclaimUntilRoom()
	return s.hasRoom()
}

// reclaimUntilRoom is makeRoom for who holds reclaiming.
func (s *Store) reclaimUntilRoom() {
	for !s.hasRoom() {
		if !s.reclaimOne() {
			return
		}
	}
}

// reclaimOldest reclaims one segment, whatever room there is.
func (s *Store) reclaimOldest() bool {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	return s.reclaimOne()
}

// reclaimOne gives up the oldest sealed segment: what was read since it was
// written is copied forward within the budget, the other entries leave the
// index, and the file is unlinked. Readers that hold it read on, and until the
// last of them closes, its bytes count. It reports whether a segment went.
func (s *Store) reclaimOne() bool {
	seg := s.segments.oldest(s.writer.activeID())
	if seg == nil {
		return false
	}
	if ix := s.usable(); ix != nil {
		s.retireAll(ix, seg)
	}
	if err := s.fs.Remove(seg.path); err != nil {
		s.counts.writeErrors.Inc()
		s.log.Warn("segment cannot be unlinked", "segment", seg.path, "error", err)
		return false
	}
	s.counts.reclaimed.Add(int(seg.bytes))
	if err := s.segments.remove(seg); err != nil {
		s.log.Warn("segment does not close", "segment", seg.path, "error", err)
	}
	return true
}

// retireAll copies forward or forgets each record of a segment. Where that
// fails, entries stay behind that point nowhere: they are misses, and the scrub
// removes them.
func (s *Store) retireAll(ix *index, seg *segment) {
	copying := true
	err := s.walk(seg, 0, func(offset int64, h *header) error {
		at := location{segment: seg.id, offset: uint32(offset), payload: h.payload}
		key := h.entryKey(make([]byte, 0, maxEntryKey), object.Hash(xxh3.Hash128(h.key).Bytes()))
		if copying && seg.marked(at.offset) && !s.dead(ix, key, at, h) && s.budget.spend(h.recordBytes()) {
			done, err := s.copyForward(ix, seg, key, at, h)
			if done {
				return nil
			}
			copying = err == nil
		}
		dropped, err := s.dropIf(ix, key, at)
		if dropped {
			s.counts.evicted.Inc()
		}
		return err
	})
	if err != nil {
		s.log.Warn("segment was not walked to its end", "segment", seg.path, "error", err)
	}
}

// dead reports whether a purge has killed a record that the index points at: to
// copy it would keep what nobody may be given. An info is as alive as it was when
// it was last confirmed. No lock is held that a reader or the asked needs.
func (s *Store) dead(ix *index, entryKey []byte, at location, h *header) bool {
	if s.opt.Dead == nil {
		return false
	}
	var scratch [maxEntryBytes]byte
	value, err := ix.get(scratch[:0], entryKey)
	if err != nil {
		return false
	}
	if now, err := parseLocation(value); err != nil || !now.same(at) {
		return false
	}
	key, err := object.ParseKey(h.key)
	if err != nil {
		return false
	}
	note := h.note
	if e, err := parseInfoEntry(value); h.kind == kindInfo && err == nil {
		note = e.note
	}
	if !s.opt.Dead(key, h.version, note) {
		return false
	}
	s.counts.dead.Inc()
	return true
}

// copyForward writes a record again at the end of the active segment, if the
// index still points at it and its bytes are sound. It reports whether the
// record needs no more care.
func (s *Store) copyForward(ix *index, seg *segment, key []byte, at location, h *header) (bool, error) {
	payload := make([]byte, h.payload)
	if err := readRecordPayload(seg, at, h, payload); err != nil {
		return false, nil
	}
	mu := s.stripe(key)
	mu.Lock()
	defer mu.Unlock()
	var scratch [maxEntryBytes]byte
	old, err := ix.get(scratch[:0], key)
	if errors.Is(err, errAbsent) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if now, err := parseLocation(old); err != nil || !now.same(at) {
		return true, nil
	}
	moved := *h
	err = s.append(ix, key, &moved, payload, func(dst []byte, to location) []byte { return relocate(dst, old, to) })
	if err != nil {
		return false, err
	}
	s.counts.reinserted.Add(int(h.recordBytes()))
	return true, nil
}

// readRecordPayload reads and verifies the whole payload of a record.
func readRecordPayload(seg *segment, at location, h *header, p []byte) error {
	if err := readFull(seg.file, p, int64(at.offset)+int64(h.bytes())); err != nil {
		return err
	}
	for n := range blocks(h.payload) {
		block := p[n*object.BlockBytes : min((n+1)*object.BlockBytes, len(p))]
		if crc32.Checksum(block, castagnoli) != h.sum(n) {
			return errBadBlock
		}
	}
	return nil
}
