package store

import (
	"encoding/binary"
	"errors"
	"time"

	"rookery/object"
)

// The index maps a key's hash to the place of a record. Its keys:
//
//	i hash           the info of a key
//	c hash ver chunk one chunk of one version of a key (chunk big-endian)
//	m tail           how far the segments are indexed
//	m disk           the random name of the database (16 bytes, no format byte)
//	r NAME 0 key     what a Durable keeps: its own values
//
// Values of the first three begin with a format byte. Whoever follows an entry compares the whole
// key with the record's before believing it.
const (
	entryFormat     = 1
	infoFormat      = 2 // of an info's entry; those of format 1 have no note
	infoKeyBytes    = 1 + 16
	chunkKeyBytes   = 1 + 16 + 16 + 4
	locationBytes   = 1 + 8 + 4 + 4
	unnotedBytes    = locationBytes + 16 + 8
	infoEntryBytes  = unnotedBytes + object.NoteBytes
	maxEntryKey     = chunkKeyBytes
	maxEntryBytes   = infoEntryBytes
	infoPrefix      = 'i'
	chunkPrefix     = 'c'
	durablePrefix   = 'r'
	tailKey         = "m tail"
	diskKey         = "m disk"
	maxChunksStored = 1 << 32
)

var errEntry = errors.New("malformed index entry")

// location is where a record lies.
type location struct {
	segment uint64
	offset  uint32 // of the record's header
	payload uint32 // bytes
}

// same reports whether two entries point at the same record.
func (l location) same(o location) bool { return l.segment == o.segment && l.offset == o.offset }

// infoEntry is the index entry of an info. Validated and the note live here and not
// only in the record, so that a revalidation rewrites 65 bytes and no segment.
type infoEntry struct {
	location
	version   object.Version
	validated time.Time
	note      object.Note
}

// confirm notes that the info was confirmed. Of two notes of one council the newer
// one stays, whichever confirmation is told of last.
func (e *infoEntry) confirm(validated time.Time, note object.Note) {
	e.validated = validated
	if note.Council != e.note.Council || note.Applied > e.note.Applied {
		e.note = note
	}
}

func infoKey(dst []byte, hash object.Hash) []byte {
	return append(append(dst, infoPrefix), hash[:]...)
}

func chunkKey(dst []byte, hash object.Hash, v object.Version, chunk uint32) []byte {
	dst = append(append(dst, chunkPrefix), hash[:]...)
	return binary.BigEndian.AppendUint32(append(dst, v[:]...), chunk)
}

// entryKey is the index key of the record that h begins.
func (h *header) entryKey(dst []byte, hash object.Hash) []byte {
	if h.kind == kindInfo {
		return infoKey(dst, hash)
	}
	return chunkKey(dst, hash, h.version, h.chunk)
}

func (l location) append(dst []byte) []byte {
	dst = append(dst, entryFormat)
	dst = binary.LittleEndian.AppendUint64(dst, l.segment)
	dst = binary.LittleEndian.AppendUint32(dst, l.offset)
	return binary.LittleEndian.AppendUint32(dst, l.payload)
}

// parseLocation reads the place from an entry of either kind.
func parseLocation(b []byte) (location, error) {
	if len(b) < locationBytes || b[0] != entryFormat && b[0] != infoFormat {
		return location{}, errEntry
	}
	le := binary.LittleEndian
	return location{segment: le.Uint64(b[1:]), offset: le.Uint32(b[9:]), payload: le.Uint32(b[13:])}, nil
}

func (e *infoEntry) append(dst []byte) []byte {
	start := len(dst)
	dst = append(e.location.append(dst), e.version[:]...)
	dst[start] = infoFormat
	var ns int64
	if !e.validated.IsZero() {
		ns = e.validated.UnixNano()
	}
	return e.note.Append(binary.LittleEndian.AppendUint64(dst, uint64(ns)))
}

func parseInfoEntry(b []byte) (infoEntry, error) {
	loc, err := parseLocation(b)
	noted := err == nil && b[0] == infoFormat
	if err != nil || len(b) < infoEntryBytes && (noted || len(b) < unnotedBytes) {
		return infoEntry{}, errEntry
	}
	e := infoEntry{location: loc, version: object.Version(b[locationBytes : locationBytes+16])}
	if ns := int64(binary.LittleEndian.Uint64(b[locationBytes+16:])); ns != 0 {
		e.validated = time.Unix(0, ns).UTC()
	}
	if noted {
		e.note = object.DecodeNote(b[unnotedBytes:])
	}
	return e, nil
}

// relocate returns the entry b, of either kind, pointing elsewhere.
func relocate(dst, b []byte, to location) []byte {
	start := len(dst)
	dst = append(to.append(dst), b[locationBytes:]...)
	dst[start] = b[0]
	return dst
}

// tail says that every record before this place has been offered to the index.
// It is written with each entry, so what the index lost with the end of its log
// (a kill loses what Pebble had buffered) is found again by walking the
// segments from here. It also remembers the highest segment ever used.
type tail struct {
	segment uint64
	end     uint32
}

func (t tail) append(dst []byte) []byte {
	return location{segment: t.segment, offset: t.end}.append(dst)
}

func parseTail(b []byte) (tail, error) {
	l, err := parseLocation(b)
	return tail{segment: l.segment, end: l.offset}, err
}
