package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"rookery/object"
)

// A record is what a segment is made of: a header, the canonical key, a CRC32C
// for each block of the payload, and the payload. Numbers are little-endian.
//
//	 0  4  magic
//	 4  1  format
//	 5  1  kind
//	 6  2  bytes of canonical key
//	 8  8  segment the record was written to
//	16 16  version of the object
//	32  4  chunk number (0 for an info)
//	36  4  bytes of payload
//	40  8  bytes of the object
//	48 24  purge note
//	72  8  time of writing, nanoseconds since 1970
//	80  4  CRC32C of all of the header but these four bytes
//	84     canonical key, then the blocks' CRC32Cs, then the payload
//
// The segment's number is in it so that a disk that shows an old file's bytes
// in a new file after a power cut cannot pass them for a record.
const (
	recordMagic  = 0x31524b52 // "RKR1"
	recordFormat = 1
	fixedBytes   = 84
	crcAt        = 80
	// maxKeyBytes bounds a canonical key: three texts of at most 4,096
	// bytes, a part's number and a place.
	maxKeyBytes = 3*(4096+2) + 2 + 8
	// maxHeaderBytes is the longest header, with its key and its CRCs.
	maxHeaderBytes = fixedBytes + maxKeyBytes + 4*object.ChunkBytes/object.BlockBytes
)

type kind uint8

const (
	kindInfo  kind = 1
	kindChunk kind = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Why bytes are not a record.
var (
	errNoRecord    = errors.New("no record here")
	errShortRecord = errors.New("record header is cut off")
)

// header is a record's header. Key and sums alias the bytes it was parsed from.
type header struct {
	kind    kind
	segment uint64
	version object.Version
	chunk   uint32
	payload uint32 // bytes
	size    int64  // bytes of the whole object
	note    object.Note
	written time.Time
	key     []byte // canonical
	sums    []byte // 4 bytes for each block of the payload
}

// blocks returns how many blocks a payload of n bytes has.
func blocks(n uint32) int { return (int(n) + object.BlockBytes - 1) / object.BlockBytes }

// headerBytes returns the length of a header with a key of keyBytes and a
// payload of n bytes.
func headerBytes(keyBytes int, n uint32) int { return fixedBytes + keyBytes + 4*blocks(n) }

func (h *header) bytes() int { return headerBytes(len(h.key), h.payload) }

// recordBytes returns the length of the whole record.
func (h *header) recordBytes() int64 { return int64(h.bytes()) + int64(h.payload) }

// sum returns the CRC32C that block n of the payload must have.
func (h *header) sum(n int) uint32 { return binary.LittleEndian.Uint32(h.sums[4*n:]) }

// append appends the encoded header to dst.
func (h *header) append(dst []byte) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, recordMagic)
	dst = append(dst, recordFormat, byte(h.kind))
	dst = le.AppendUint16(dst, uint16(len(h.key)))
	dst = le.AppendUint64(dst, h.segment)
	dst = append(dst, h.version[:]...)
	dst = le.AppendUint32(dst, h.chunk)
	dst = le.AppendUint32(dst, h.payload)
	dst = le.AppendUint64(dst, uint64(h.size))
	dst = h.note.Append(dst)
	dst = le.AppendUint64(dst, uint64(h.written.UnixNano()))
	dst = le.AppendUint32(dst, 0)
	dst = append(dst, h.key...)
	dst = append(dst, h.sums...)
	putSum(dst[start:])
	return dst
}

// putSum writes a whole header's CRC32C into its place.
func putSum(b []byte) { binary.LittleEndian.PutUint32(b[crcAt:], headerSum(b)) }

// headerSum is the CRC32C of a whole header, leaving out its own place.
func headerSum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:crcAt])
	return crc32.Update(sum, castagnoli, b[fixedBytes:])
}

// parseFixed reads the lengths that the first fixedBytes of a header promise,
// without believing anything else: the CRC has not been checked yet.
func parseFixed(b []byte) (keyBytes int, payload uint32, err error) {
	if len(b) < fixedBytes {
		return 0, 0, errShortRecord
	}
	le := binary.LittleEndian
	keyBytes, payload = int(le.Uint16(b[6:])), le.Uint32(b[36:])
	if le.Uint32(b) != recordMagic || b[4] != recordFormat || keyBytes > maxKeyBytes {
		return 0, 0, errNoRecord
	}
	k := kind(b[5])
	if (k != kindInfo || payload > object.MaxInfoBytes) && (k != kindChunk || payload > object.ChunkBytes) {
		return 0, 0, errNoRecord
	}
	return keyBytes, payload, nil
}

// parseHeader reads the header at the start of b, which may go on behind it. It
// is errShortRecord if b ends before the header does, errNoRecord if b does not
// begin with a sound header.
func parseHeader(b []byte) (header, error) {
	keyBytes, payload, err := parseFixed(b)
	if err != nil {
		return header{}, err
	}
	n := headerBytes(keyBytes, payload)
	if len(b) < n {
		return header{}, errShortRecord
	}
	le := binary.LittleEndian
	if le.Uint32(b[crcAt:]) != headerSum(b[:n]) {
		return header{}, errNoRecord
	}
	h := header{
		kind:    kind(b[5]),
		segment: le.Uint64(b[8:]),
		version: object.Version(b[16:32]),
		chunk:   le.Uint32(b[32:]),
		payload: payload,
		size:    int64(le.Uint64(b[40:])),
		note:    object.DecodeNote(b[48:]),
		written: time.Unix(0, int64(le.Uint64(b[72:]))),
		key:     b[fixedBytes : fixedBytes+keyBytes : fixedBytes+keyBytes],
		sums:    b[fixedBytes+keyBytes : n : n],
	}
	if h.size < 0 {
		return header{}, errNoRecord
	}
	return h, nil
}

// appendSums appends the CRC32C of each block of payload to dst.
func appendSums(dst, payload []byte) []byte {
	for len(payload) > 0 {
		n := min(len(payload), object.BlockBytes)
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(payload[:n], castagnoli))
		payload = payload[n:]
	}
	return dst
}
