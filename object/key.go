package object

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/zeebo/xxh3"
)

// MaxNameBytes is the longest object name that S3 accepts
// (docs.aws.amazon.com, "Creating object key names": 1,024 bytes of UTF-8).
const MaxNameBytes = 1024

// maxKeyPart bounds each part of a canonical key, so that a length from the
// disk or the wire can never ask for more memory than a key may have.
const maxKeyPart = 4096

// Key is the identity of an object: the configured bucket (a route, not the
// origin's bucket), the object's name exactly as S3 knows it, and the version
// id a client asked for ("" is the current version).
type Key struct {
	Bucket  string
	Name    string
	Version string
	// Part, if not 0, is one part of a multipart upload: the key is then that of
	// the part's own info (its size, and its place in the object). Its bytes are the
	// object's, under the key without it.
	Part int
	// Place tells apart what the bucket has shown at different times: it is of the S3
	// bucket that the configured one stands for. What was stored for one place is
	// never found for another. 0 where nothing is to be told apart.
	Place uint64
}

// MaxPart is the highest part number of S3 (API reference, "UploadPart").
const MaxPart = 10_000

// Hash names a key by 128 bits of xxh3 over its canonical bytes. Whoever finds
// an entry by its Hash compares the whole key before believing it.
type Hash [16]byte

// AppendCanonical appends the key's canonical bytes to dst: each text behind its
// length, then the number of a part and the place, so two different keys never have
// the same bytes.
func (k Key) AppendCanonical(dst []byte) []byte {
	for _, part := range [...]string{k.Bucket, k.Name, k.Version} {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	if k.Part != 0 || k.Place != 0 {
		dst = binary.AppendUvarint(dst, uint64(k.Part))
	}
	if k.Place != 0 {
		dst = binary.BigEndian.AppendUint64(dst, k.Place)
	}
	return dst
}

// Hash returns the key's hash. It does not allocate for keys of usual length.
func (k Key) Hash() Hash {
	var scratch [512]byte
	return Hash(xxh3.Hash128(k.AppendCanonical(scratch[:0])).Bytes())
}

// ExtentHash places one extent of the key on the ring. Extent 0 belongs to the
// key's owner. Its place does not matter: who owns an object does not change with it.
func (k Key) ExtentHash(extent int64) uint64 {
	k.Place = 0
	var scratch [512]byte
	return xxh3.Hash(binary.BigEndian.AppendUint64(k.AppendCanonical(scratch[:0]), uint64(extent)))
}

// String is for logs and errors; it is not reversible.
func (k Key) String() string {
	s := k.Bucket + ":" + k.Name
	if k.Version != "" {
		s += "?versionId=" + k.Version
	}
	if k.Part != 0 {
		s += "?partNumber=" + strconv.Itoa(k.Part)
	}
	return s
}

var errKey = errors.New("malformed key")

// ParseKey reads a key that AppendCanonical wrote. All of b must be the key.
func ParseKey(b []byte) (Key, error) {
	var parts [3]string
	for i := range parts {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > maxKeyPart || uint64(len(b)-w) < n {
			return Key{}, errKey
		}
		parts[i] = string(b[w : w+int(n)])
		b = b[w+int(n):]
	}
	k := Key{Bucket: parts[0], Name: parts[1], Version: parts[2]}
	if len(b) == 0 {
		return k, nil
	}
	n, w := binary.Uvarint(b)
	if w <= 0 || n > MaxPart {
		return Key{}, errKey
	}
	k.Part = int(n)
	switch b = b[w:]; {
	case len(b) == 0 && k.Part != 0:
		return k, nil
	case len(b) != 8:
		return Key{}, errKey
	}
	if k.Place = binary.BigEndian.Uint64(b); k.Place == 0 {
		return Key{}, errKey
	}
	return k, nil
}
