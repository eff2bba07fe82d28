package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"

	"rookery/object"
)

// A tick's share of the scrub: 4 MiB a second, so 50 GiB take three and a half
// hours, and no more entries than a few milliseconds allow.
const (
	scrubBytesPerTick   = 4 << 20
	scrubEntriesPerTick = 1024
)

// scrubber remembers where the scrub is. Only the keeper uses it.
type scrubber struct {
	next []byte // the index key to begin with; nil is the first
}

// indexEntry is one index entry, copied out of the iterator.
type indexEntry struct{ key, value []byte }

// scrubSome verifies the records of the next index entries, from their header
// to their last block, and drops the entries of those that are bad or gone. At
// the end of the index it begins again.
func (s *Store) scrubSome(ix *index) {
	entries, err := s.scrubBatch(ix)
	if err != nil {
		s.log.Warn("scrub cannot read the index", "error", err)
		return
	}
	if len(entries) == 0 {
		s.scrub.next = nil
		return
	}
	var done int64
	for _, e := range entries {
		if done >= scrubBytesPerTick {
			s.scrub.next = e.key
			return
		}
		done += s.scrubOne(ix, e)
	}
	s.scrub.next = slices.Concat(entries[len(entries)-1].key, []byte{0}) // the key right behind it
}

// scrubBatch copies the next entries, so that no iterator outlives a tick.
func (s *Store) scrubBatch(ix *index) ([]indexEntry, error) {
	var entries []indexEntry
	from := s.scrub.next
	if from == nil {
		from = []byte{chunkPrefix}
	}
	err := ix.use(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{infoPrefix + 1}})
		if err != nil {
			return err
		}
		for ok := it.First(); ok && len(entries) < scrubEntriesPerTick; ok = it.Next() {
			entries = append(entries, indexEntry{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
		}
		return it.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("iterate: %w", err)
	}
	return entries, nil
}

// scrubOne verifies one entry's record and returns how many bytes it read.
func (s *Store) scrubOne(ix *index, e indexEntry) int64 {
	at, err := parseLocation(e.value)
	if err != nil {
		s.forget(ix, e.key, at)
		return 0
	}
	seg := s.segments.acquire(at.segment)
	if seg == nil {
		s.forget(ix, e.key, at)
		return 0
	}
	defer s.release(seg)
	err = s.scrubRecord(seg, at, e.key)
	if err != nil {
		_ = s.wrong(&found{ix: ix, seg: seg, at: at}, e.key, err) // counted, and dropped if it is bad
	}
	return int64(at.payload)
}

// scrubRecord verifies that the record at a place is whole, and is the one that
// the entry's key asks for.
func (s *Store) scrubRecord(seg *segment, at location, entryKey []byte) error {
	buf := s.buffer()
	defer s.buffers.Put(buf)
	h, err := readHeader(seg, buf[:maxHeaderBytes], int64(at.offset), seg.size.Load())
	if err != nil {
		return err
	}
	var scratch [maxEntryKey]byte
	want := h.entryKey(scratch[:0], object.Hash(xxh3.Hash128(h.key).Bytes()))
	if h.segment != seg.id || h.payload != at.payload || !bytes.Equal(want, entryKey) {
		return errNoRecord
	}
	return readRecordPayload(seg, at, &h, make([]byte, h.payload))
}

// forget drops an entry that points nowhere.
func (s *Store) forget(ix *index, key []byte, at location) {
	if _, err := s.dropIf(ix, key, at); err != nil && !errors.Is(err, errIndexClosed) {
		s.log.Warn("dangling entry stays", "error", err)
	}
}
