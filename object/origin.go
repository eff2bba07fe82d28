package object

import (
	"errors"
	"io"
	"time"
)

// ErrNotModified is the origin's 304: what IfNoneMatch named is still current.
// The error itself is a *NotModified.
var ErrNotModified = errors.New("not modified")

// NotModified is ErrNotModified with the validators that the 304 named, for
// those who renew an entry only when both are equal to their own.
type NotModified struct {
	ETag         string    // "" if the 304 named none
	LastModified time.Time // zero if the 304 named none
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
