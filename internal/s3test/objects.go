package s3test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/zeebo/xxh3"

	"rookery/internal/pattern"
)

// Meta is what the server says about an object beside its bytes. The zero Meta
// gives a strong ETag that follows from the object, and LastModified.
type Meta struct {
	ETag   string // sent as it is, with its quotes or W/; "" for the default
	NoETag bool
	// LastModified is sent in seconds; the zero time means LastModified below.
	LastModified   time.Time
	NoLastModified bool
	// VersionID keeps the version reachable by versionId after a later Put, and
	// is sent as x-amz-version-id; "" for an unversioned bucket.
	VersionID string
	Tags      [][2]string // name and value, as tagging tells them
	// Parts are the sizes of the parts that it was uploaded in; nil if it was
	// uploaded as one.
	Parts []int64
	// Header is sent on 200, 206 and HEAD. X-Amz-Checksum-* go out only on whole
	// answers to requests with x-amz-checksum-mode: ENABLED, as at S3.
	Header http.Header
}

// LastModified is when objects were written, unless their Meta says otherwise.
var LastModified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// version is one Put. It never changes, so an answer that has begun goes on with
// the bytes it began with.
type version struct {
	object pattern.Object
	meta   Meta
}

// ETag returns the strong entity tag that the server gives o by default.
func ETag(o pattern.Object) string {
	h := xxh3.HashString128(fmt.Sprintf("%q %q %q %d", o.Bucket, o.Key, o.Version, o.Size)).Bytes()
	return fmt.Sprintf(`"%x"`, h)
}

// Put makes o the current version of its bucket and key. Another Put is an
// overwrite: give it another o.Version, and its bytes and ETag differ.
func (s *Server) Put(o pattern.Object, m Meta) {
	if m.ETag == "" && !m.NoETag {
		m.ETag = ETag(o)
	}
	if m.LastModified.IsZero() && !m.NoLastModified {
		m.LastModified = LastModified
	}
	m.Header = m.Header.Clone()
	n := name{o.Bucket, o.Key}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[n] = append(s.objects[n], &version{object: o, meta: m})
}

// Delete removes every version of an object.
func (s *Server) Delete(bucket, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name{bucket, key})
}

// find returns the version asked for; "" is the newest. nil if there is none.
func (s *Server) find(n name, versionID string) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.objects[n]
	if versionID == "" && len(versions) > 0 {
		return versions[len(versions)-1]
	}
	for _, v := range versions {
		if versionID != "" && v.meta.VersionID == versionID {
			return v
		}
	}
	return nil
}

func (s *Server) hasBucket(bucket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.objects {
		if n.bucket == bucket {
			return true
		}
	}
	return false
}
