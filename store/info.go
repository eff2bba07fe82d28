package store

import (
	"errors"
	"fmt"
	"time"

	"rookery/object"
)

// Info returns what is promised about the key's current version, verified, and
// with Validated and Note as the last Renew left them. Whatever is wrong is a miss.
func (s *Store) Info(key object.Key) (object.Info, bool) {
	buf := s.buffer()
	defer s.buffers.Put(buf)
	var keys [512]byte
	canonical, hash := appendKey(keys[:0], key)
	var scratch [maxEntryKey]byte
	entryKey := infoKey(scratch[:0], hash)
	f, err := s.lookup(entryKey, canonical, buf[:maxHeaderBytes])
	if err != nil {
		return object.Info{}, false
	}
	defer s.release(f.seg)
	info, err := readInfo(&f, buf[maxHeaderBytes:])
	if err != nil {
		_ = s.wrong(&f, entryKey, err) // counted and dropped; that it is a miss is all the caller learns
		return object.Info{}, false
	}
	return info, true
}

// readInfo reads the info of a record that was looked up, using buf.
func readInfo(f *found, buf []byte) (object.Info, error) {
	entry, err := parseInfoEntry(f.value[:])
	if err != nil || f.h.kind != kindInfo || f.h.version != entry.version {
		return object.Info{}, errNoRecord
	}
	payload := buf[:f.h.payload]
	if err := readRecordPayload(f.seg, f.at, &f.h, payload); err != nil {
		return object.Info{}, err
	}
	info, err := object.DecodeInfo(payload)
	if err != nil || info.Version != entry.version {
		return object.Info{}, errNoRecord
	}
	info.Validated, info.Note = entry.validated, entry.note
	return info, nil
}

// PutInfo stores the key's info in place of the one before. The error is
// ErrFull, or object.ErrInfoTooLarge.
func (s *Store) PutInfo(key object.Key, info *object.Info) error {
	payload, err := info.Append(nil)
	if err != nil {
		return fmt.Errorf("store: info of %v: %w", key, err)
	}
	canonical, hash := appendKey(nil, key)
	h := header{
		kind: kindInfo, version: info.Version, size: info.Size, note: info.Note,
		payload: uint32(len(payload)), written: s.now(), key: canonical, sums: appendSums(nil, payload),
	}
	e := infoEntry{version: info.Version, validated: info.Validated, note: info.Note}
	return s.put(infoKey(nil, hash), &h, payload, func(dst []byte, at location) []byte {
		e.location = at
		return e.append(dst)
	})
}

// Renew sets when the info of exactly this version was last confirmed, and the
// purge note that was taken before S3 was asked for it, unless the info's own is a
// newer one of the same council. It writes the index entry alone. The error is
// ErrMiss if the stored info is not, or no longer, that version's.
func (s *Store) Renew(key object.Key, v object.Version, validated time.Time, note object.Note) error {
	return s.changeInfo(key, v, func(ix *index, entryKey []byte, e infoEntry) error {
		e.confirm(validated, note)
		var scratch [maxEntryBytes]byte
		return ix.update(entryKey, e.append(scratch[:0]))
	})
}

// DropInfo forgets the key's info if it is that version's, and does nothing
// otherwise. The version's chunks are then no longer asked for, and leave with
// their segments.
func (s *Store) DropInfo(key object.Key, v object.Version) error {
	err := s.changeInfo(key, v, func(ix *index, entryKey []byte, _ infoEntry) error { return ix.delete(entryKey) })
	if errors.Is(err, ErrMiss) {
		return nil
	}
	return err
}

// changeInfo calls change for the key's entry, under its stripe, if it is that
// version's. Otherwise it is ErrMiss; without an index, or when that fails, it
// is ErrFull.
func (s *Store) changeInfo(key object.Key, v object.Version, change func(*index, []byte, infoEntry) error) error {
	ix := s.usable()
	if ix == nil {
		return fmt.Errorf("%w: %w", ErrFull, errIndexClosed)
	}
	var scratch [maxEntryKey]byte
	entryKey := infoKey(scratch[:0], key.Hash())
	mu := s.stripe(entryKey)
	mu.Lock()
	defer mu.Unlock()
	var values [maxEntryBytes]byte
	value, err := ix.get(values[:0], entryKey)
	if errors.Is(err, errAbsent) {
		return ErrMiss
	}
	if err != nil {
		s.counts.readErrors.Inc()
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	e, err := parseInfoEntry(value)
	if err != nil || e.version != v {
		return ErrMiss
	}
	if err := change(ix, entryKey, e); err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}
