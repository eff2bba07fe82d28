package object

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// ErrNotModified is the origin's 304: what IfNoneMatch named is still current.
// The error itself is a *NotModified.
var ErrNotModified = errors.New("not modified")

// NotModified is ErrNotModified with what the 304 said, for those who renew an
// entry only when both validators are equal to their own.
type NotModified struct {
	ETag         string    // "" if the 304 named none
	LastModified time.Time // zero if the 304 named none
	// Header are those fields of the 304 that speak of freshness; they take the
	// place of the entry's (RFC 9111 §3.2).
	Header    []Field
	Validated time.Time // as an Info's
	Replica   bool      // as an Info's
}

// Renew returns the info that a 304 to a request for it promises, and whether it
// confirms it: an equal strong ETag and an equal Last-Modified. Its Note is the
// caller's to set.
func (e *NotModified) Renew(i *Info) (Info, bool) {
	if !i.Strong() || e.ETag != i.ETag || !e.LastModified.Equal(i.LastModified) {
		return Info{}, false
	}
	renewed := *i
	renewed.Validated, renewed.Replica = e.Validated, e.Replica
	renewed.Header = make([]Field, 0, len(i.Header)+len(e.Header))
	for _, f := range i.Header {
		if f.Name != "Age" && !slices.ContainsFunc(e.Header, func(new Field) bool { return new.Name == f.Name }) {
			renewed.Header = append(renewed.Header, f)
		}
	}
	renewed.Header = append(renewed.Header, e.Header...)
	slices.SortStableFunc(renewed.Header, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return renewed, true
}

func (e *NotModified) Error() string { return ErrNotModified.Error() }

// Is makes errors.Is(err, ErrNotModified) true.
func (e *NotModified) Is(target error) bool { return target == ErrNotModified }

// Fetch is one GET of the origin.
type Fetch struct {
	Key Key
	// From and To are the half-open byte interval that is wanted. To of 0 means
	// the whole object: no Range header is sent and From is 0.
	From, To int64
	// IfMatch pins the version by its ETag, as S3 wrote it (with the quotes);
	// "" for none. Every fetch of a known version carries it.
	IfMatch string
	// IfNoneMatch asks for a body only if the ETag is another one now; "" for
	// none. The answer to an equal one is ErrNotModified.
	IfNoneMatch string
}

// Fetched is the origin's answer to a Fetch. The caller closes Body.
type Fetched struct {
	// Info is what a whole answer (a 200) promises; nil for a range, whose
	// headers speak of the part alone. Its Note is left to the caller.
	Info *Info
	// ETag is the answer's own; "" if it named none.
	ETag string
	// Offset and Length place Body in the object, and Size is the object's, all
	// in bytes. They are what was asked for: anything else is ErrBroken.
	Offset, Length, Size int64
	// Body gives exactly Length bytes and then io.EOF. When it ends early for any
	// reason but its context, the error wraps io.ErrUnexpectedEOF; what came until
	// then is right, and the rest may be fetched anew under IfMatch. Never nil.
	Body io.ReadCloser
}
