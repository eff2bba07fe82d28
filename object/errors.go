package object

import (
	"errors"
	"fmt"
	"time"
)

// Errors that travel between rooms and, by number, between nodes.
var (
	// ErrUnreachable: the node asked gave no usable answer (no connection, a
	// timeout, a broken frame, or it will not read with us). Ask the next one.
	ErrUnreachable = errors.New("node unreachable")
	// ErrGone: the pinned version cannot be had: S3 has another one now. Ask
	// the key's owner again, naming the version as Suspect.
	ErrGone = errors.New("version is gone")
	// ErrNotHeld: an OnlyIfHave ask, or a client's only-if-cached, for what is not
	// stored.
	ErrNotHeld = errors.New("not held")
	// ErrBusy: a bound on bytes or requests is reached. 503 with Retry-After.
	ErrBusy = errors.New("too busy")
	// ErrBroken: an answer broke its promise (short, long, wrong Content-Range,
	// changed ETag). Nothing of it is kept. 502 where it can still be said.
	ErrBroken = errors.New("origin broke its promise")
	// ErrUnknownBucket: no such bucket is configured on the node asked.
	ErrUnknownBucket = errors.New("unknown bucket")
)

// OriginError is an error answer of S3, or the failure to get an answer.
// Status, Code and Message are the origin's own; they stay what they are on
// their way to the client.
type OriginError struct {
	Status  int    // HTTP status; 502 or 504 when S3 gave no answer
	Code    string // S3 error code ("NoSuchKey"); "" if unknown, as after a HEAD
	Message string
	// RetryAfter is the origin's wish in seconds; 0 if it had none.
	RetryAfter int
	// Unsent: nothing was sent to S3. A limit or an open breaker of this node's own
	// refused the request, to spare S3; so it is not to be tried again at once.
	Unsent bool
	// Remembered is for how much longer this is remembered: S3 was not asked for
	// this answer. 0 if it was.
	Remembered time.Duration
	// Replica: one that is not the origin's first said so, and may be behind.
	Replica bool
}

func (e *OriginError) Error() string {
	return fmt.Sprintf("origin: %d %s: %s", e.Status, e.Code, e.Message)
}

// Temporary reports whether another attempt may fare better: S3 gave no answer,
// a 5xx, or asked to slow down.
func (e *OriginError) Temporary() bool { return e.Status >= 500 || e.Status == 429 }
