package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"rookery/object"
)

// verdict is what a question comes to for one info: a status, and for a 200 or
// 206 the bytes [from, to).
type verdict struct {
	status   int
	rng      object.Range
	from, to int64
}

func (v *verdict) hasBody() bool {
	return v.status == http.StatusOK || v.status == http.StatusPartialContent
}

// judge applies the conditions, then If-Range, then the range to an info
// (RFC 9110 §13.2.2).
func (q *question) judge(info *object.Info) verdict {
	if status := q.conditions.precondition(info); status != http.StatusOK {
		return verdict{status: status}
	}
	v := verdict{status: http.StatusOK}
	if q.rng.Kind != object.Whole && q.conditions.rangeHolds(info) {
		v.status, v.rng = http.StatusPartialContent, q.rng
	}
	from, to, err := v.rng.Resolve(info.Size)
	if err != nil {
		return verdict{status: http.StatusRequestedRangeNotSatisfiable}
	}
	v.from, v.to = from, to
	return v
}

// maxOpens bounds how often a body is asked for while its version keeps changing
// between the look at its info and the bytes.
const maxOpens = 3

// read finds the answer to a question. Without conditions that is one Open.
// With them the info is looked at first, so that a 304 or 412 moves no bytes. The
// verdict always holds for the info of the answer that it comes with; an answer
// whose verdict has no body has none.
func (c *Core) read(ctx context.Context, q *question) (*object.Answer, verdict, error) {
	look := q.headOnly || q.conditions.present()
	for opens := 1; ; opens++ {
		rng := q.rng
		if look {
			head, err := q.reader.Open(ctx, q.ask(true, object.Range{}))
			if err != nil {
				return nil, verdict{}, err
			}
			drop(head)
			v := q.judge(&head.Info)
			if q.headOnly || !v.hasBody() {
				return head, v, nil
			}
			rng = v.rng
		}
		last := opens == maxOpens
		if last {
			rng = object.Range{} // the whole body is a right answer to any range (RFC 9110 §14.2)
		}
		found, err := q.reader.Open(ctx, q.ask(false, rng))
		switch {
		case err == nil:
		case errors.Is(err, object.ErrUnsatisfiableRange) && !last:
			look = true // for the size that the range missed
			continue
		default:
			return nil, verdict{}, err
		}
		v, fits := q.fit(found)
		if fits {
			return found, v, nil
		}
		drop(found)
		if last {
			return nil, verdict{}, fmt.Errorf("body at %d does not fit %q of %d bytes: %w", found.Offset, q.rangeHeader, found.Info.Size, object.ErrBroken)
		}
		look = true
	}
}

// fit judges the question anew for the info that came with a body, which may be
// another version than the one looked at, and reports whether the body is the
// one that the verdict wants. A verdict without a body lets go of it.
func (q *question) fit(found *object.Answer) (verdict, bool) {
	v := q.judge(&found.Info)
	switch {
	case !v.hasBody():
		drop(found)
		return v, true
	case found.Offset == v.from && found.Length == v.to-v.from:
		return v, true
	case found.Offset == 0 && found.Length == found.Info.Size:
		return verdict{status: http.StatusOK, to: found.Info.Size}, true
	}
	return v, false
}

// drop closes the body of an answer that goes out without one.
func drop(found *object.Answer) {
	if found.Body != nil {
		_ = found.Body.Close() // nothing that it could say matters any more
		found.Body, found.Length = nil, 0
	}
}
