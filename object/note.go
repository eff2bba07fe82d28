package object

import "encoding/binary"

// Note is what a fill writes down before it asks the origin: which council's
// purges the node had applied, and up to which number. A purge kills every
// entry in its scope that was noted below the purge's number. The zero Note
// means that no council had been heard from.
type Note struct {
	Council [16]byte
	Applied uint64
}

// NoteBytes is the encoded size of a Note.
const NoteBytes = 24

// Append appends the note's NoteBytes bytes to dst.
func (n Note) Append(dst []byte) []byte {
	dst = append(dst, n.Council[:]...)
	return binary.LittleEndian.AppendUint64(dst, n.Applied)
}

// DecodeNote reads a note from the first NoteBytes of b, which must be there.
func DecodeNote(b []byte) Note {
	return Note{Council: [16]byte(b[:16]), Applied: binary.LittleEndian.Uint64(b[16:24])}
}
