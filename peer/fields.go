package peer

import (
	"encoding/binary"
	"unicode/utf8"

	"rookery/object"
)

// fields reads a payload from its front and remembers whether anything was
// missing or too long. It copies what it returns, and nothing that is not there.
type fields struct {
	b   []byte
	bad bool
}

// take returns the next n bytes of the payload itself, or nil.
func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.bad, f.b = true, nil
		return nil
	}
	p := f.b[:n]
	f.b = f.b[n:]
	return p
}

func (f *fields) u8() uint8 {
	if p := f.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if p := f.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if p := f.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (f *fields) i64() int64 {
	if p := f.take(8); p != nil {
		return int64(binary.LittleEndian.Uint64(p))
	}
	return 0
}

// size reads a number of bytes or a place in a body: never negative.
func (f *fields) size() int64 {
	n := f.i64()
	f.bad = f.bad || n < 0
	return n
}

func (f *fields) id() (id [16]byte) {
	copy(id[:], f.take(len(id)))
	return id
}

func (f *fields) note() object.Note {
	if p := f.take(object.NoteBytes); p != nil {
		return object.DecodeNote(p)
	}
	return object.Note{}
}

// bytes reads a field behind its length; it is bad if longer than limit.
func (f *fields) bytes(limit int) []byte {
	n := int(f.u16())
	if n > limit {
		f.bad, f.b = true, nil
		return nil
	}
	return f.take(n)
}

func (f *fields) str(limit int) string { return string(f.bytes(limit)) }

// appendBytes writes what fields.bytes reads. The caller has made sure that the
// field is within its limit, which is never above 65,535.
func appendBytes[T string | []byte](dst []byte, field T) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(field)))
	return append(dst, field...)
}

func appendInt(dst []byte, n int64) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(n))
}

// cut shortens a text for people to at most limit bytes of whole characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
