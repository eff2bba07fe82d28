package object

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
)

// Version names the bytes of one version of an object. Equal versions have
// equal bytes, so chunks of one Version may be put together.
type Version [16]byte

// VersionOf returns the version that a strong ETag and a size name.
func VersionOf(etag string, size int64) Version {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 64), uint64(size))
	return Version(xxh3.Hash128(append(b, etag...)).Bytes())
}

// OnlyVersion returns a version that nothing else has: for bytes that came
// without a strong ETag and can be put together with no others.
func OnlyVersion() Version {
	var v Version
	rand.Read(v[:])
	return v
}

// Field is one response header, its name in canonical form.
type Field struct{ Name, Value string }

// Info is what is promised about one version of an object. It comes from a 200
// or a HEAD of the origin, never from a 206. Treat it as immutable once shared.
type Info struct {
	Version      Version
	Size         int64     // bytes
	ETag         string    // as the origin wrote it, with its quotes; "" if it gave none
	LastModified time.Time // in seconds, UTC; zero if the origin gave none
	// Header is every other header the origin gave that a client may see, in the
	// origin's order. Content-Length, ETag, Last-Modified, Accept-Ranges, Date
	// and hop-by-hop fields are not among them. An Age is there when another cache
	// gave the answer: it says so, and what it counts is in Validated already.
	Header []Field
	// Validated is when the request was sent whose answer last confirmed this
	// info, less the answer's Age; freshness counts from it (RFC 9111 §4.2.3).
	Validated time.Time
	// Note is the purge note taken before the origin was asked.
	Note Note
	// Replica: it came from a replica that is not the origin's first, and may be
	// behind.
	Replica bool
}

// Strong reports whether the version has a strong validator (RFC 9110 §8.8.3).
// Without one its bytes come from a single GET, never resumed nor split.
func (i *Info) Strong() bool { return StrongETag(i.ETag) }

// StrongETag reports whether etag is a well-formed strong entity tag.
func StrongETag(etag string) bool {
	return len(etag) > 2 && etag[0] == '"' && etag[len(etag)-1] == '"' &&
		!strings.Contains(etag[1:len(etag)-1], `"`)
}

// Get returns the first value of the named header field, whose name must be in
// canonical form, or "".
func (i *Info) Get(name string) string {
	for _, f := range i.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Pin is as much of an Info as another node needs to read bytes of exactly
// this version from S3 or from its own store.
func (i *Info) Pin() Pin { return Pin{Version: i.Version, Size: i.Size, ETag: i.ETag, Note: i.Note} }

// Pin names one version of an object in a request between nodes.
type Pin struct {
	Version Version
	Size    int64
	ETag    string
	Note    Note
}

// Strong is Info.Strong for a pin.
func (p *Pin) Strong() bool { return StrongETag(p.ETag) }

// MaxInfoBytes bounds an encoded Info, on disk and on the wire. S3 allows 8 KiB
// of request headers for user metadata and system headers together.
const MaxInfoBytes = 64 << 10

const (
	infoFormat = 1
	// replicaFormat is that of an info with Replica set; else it is the same, so
	// that only such infos are unknown to a node that has not heard of them.
	replicaFormat = 2
	maxInfoFields = 512
)

var errInfo = errors.New("malformed info")

// ErrInfoTooLarge says that an origin's headers are more than an Info may hold.
var ErrInfoTooLarge = fmt.Errorf("response headers larger than %d bytes", MaxInfoBytes)

// Append appends the encoded info to dst; it is ErrInfoTooLarge if that would
// take more than MaxInfoBytes.
func (i *Info) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	format := byte(infoFormat)
	if i.Replica {
		format = replicaFormat
	}
	dst = append(dst, format)
	dst = append(dst, i.Version[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(i.Size))
	dst = appendTime(dst, i.LastModified)
	dst = appendTime(dst, i.Validated)
	dst = i.Note.Append(dst)
	dst = appendString(dst, i.ETag)
	dst = binary.AppendUvarint(dst, uint64(len(i.Header)))
	for _, f := range i.Header {
		dst = appendString(appendString(dst, f.Name), f.Value)
	}
	if len(dst)-start > MaxInfoBytes || len(i.Header) > maxInfoFields {
		return dst[:start], ErrInfoTooLarge
	}
	return dst, nil
}

const infoFixedBytes = 1 + 16 + 8 + 8 + 8 + NoteBytes

// DecodeInfo reads an info that Append wrote. All of b must be the info; the
// result shares no memory with b.
func DecodeInfo(b []byte) (Info, error) {
	if len(b) < infoFixedBytes || len(b) > MaxInfoBytes || b[0] != infoFormat && b[0] != replicaFormat {
		return Info{}, errInfo
	}
	var i Info
	i.Replica = b[0] == replicaFormat
	i.Version = Version(b[1:17])
	i.Size = int64(binary.LittleEndian.Uint64(b[17:]))
	i.LastModified = decodeTime(b[25:])
	i.Validated = decodeTime(b[33:])
	i.Note = DecodeNote(b[41:])
	r := fieldReader{b: b[infoFixedBytes:]}
	i.ETag = r.str()
	n := r.uvarint()
	if r.bad || n > maxInfoFields || i.Size < 0 {
		return Info{}, errInfo
	}
	i.Header = make([]Field, n)
	for f := range i.Header {
		i.Header[f] = Field{Name: r.str(), Value: r.str()}
	}
	if r.bad || len(r.b) != 0 {
		return Info{}, errInfo
	}
	return i, nil
}

// appendTime writes t as nanoseconds since 1970, and the zero time as 0.
func appendTime(dst []byte, t time.Time) []byte {
	var ns int64
	if !t.IsZero() {
		ns = t.UnixNano()
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(ns))
}

func decodeTime(b []byte) time.Time {
	ns := int64(binary.LittleEndian.Uint64(b))
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// fieldReader reads length-prefixed fields and remembers whether one was bad.
type fieldReader struct {
	b   []byte
	bad bool
}

func (r *fieldReader) uvarint() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *fieldReader) str() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
