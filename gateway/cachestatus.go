package gateway

import (
	"errors"
	"net/http"

	"rookery/object"
)

// cacheStatus writes a member of the Cache-Status list (RFC 9211 §2) for an answer of
// that status: a hit, or why S3 was asked and what it said.
func (t *fieldText) cacheStatus(found *object.Answer, status int) {
	t.WriteString("rookery; ")
	why := "stale"
	if found.Requested {
		why = "request"
	}
	failed := found.Outcome == object.Stale && found.ForwardStatus != 0
	switch {
	case found.Outcome == object.Hit, found.Outcome == object.Stale && !failed && found.Source != object.SourceOrigin:
		t.WriteString("hit") // stale is a hit whose ttl is negative (RFC 9211 §2.4)
		t.lifeOf(found)
		return
	case found.Outcome == object.Stale && !failed: // the info was stale, the bytes are new
		t.forwarded("miss", 0, status)
	case failed:
		t.forwarded(why, found.ForwardStatus, status)
		t.lifeOf(found)
	case found.Outcome == object.Revalidated && found.ForwardStatus == http.StatusOK:
		t.forwarded(why, http.StatusOK, 0) // a HEAD, which said the same as before
	case found.Outcome == object.Revalidated:
		t.forwarded(why, http.StatusNotModified, 0)
	case found.Outcome == object.Bypass:
		t.forwarded("bypass", 0, status)
	case found.Changed:
		t.forwarded(why, http.StatusOK, 0)
	default:
		t.forwarded("miss", found.ForwardStatus, status)
	}
	if found.Stored {
		t.WriteString("; stored")
	}
	if found.Collapsed {
		t.WriteString("; collapsed")
	}
}

// forwarded writes why S3 was asked, and its status where that is known and not what
// any reader takes it for: the answer's own (RFC 9211 §2.3), or 206 for a 200.
func (t *fieldText) forwarded(why string, forward, status int) {
	t.WriteString("fwd=")
	t.WriteString(why)
	if forward != 0 && forward != status && !(forward == http.StatusOK && status == http.StatusPartialContent) {
		t.WriteString("; fwd-status=")
		t.number(int64(forward))
	}
}

// lifeOf writes for how much longer the answer is fresh, and where it came from.
func (t *fieldText) lifeOf(found *object.Answer) {
	t.WriteString("; ttl=")
	t.number(int64(found.TTL.Seconds()))
	if found.Source != object.SourceNone {
		t.WriteString("; detail=")
		t.WriteString(found.Source.String())
	}
}

// errorStatus writes a member for an error of the node, and returns the outcome that
// X-Cache names: a 404 or 403 that is remembered is a hit, and what never got as far
// as S3 was not forwarded.
func (t *fieldText) errorStatus(err error, status int) object.Outcome {
	t.WriteString("rookery; ")
	origin, ok := errors.AsType[*object.OriginError](err)
	switch {
	case ok && origin.Remembered > 0:
		t.WriteString("hit; ttl=")
		t.number(int64(origin.Remembered.Seconds()))
		return object.Hit
	case ok && !origin.Unsent:
		t.forwarded("miss", origin.Status, status)
	case ok:
		t.WriteString("detail=origin-spared")
	case errors.Is(err, object.ErrNotHeld):
		t.WriteString("detail=not-held")
	case errors.Is(err, object.ErrBusy):
		t.WriteString("detail=busy")
	case errors.Is(err, object.ErrUnreachable), errors.Is(err, object.ErrUnknownBucket):
		t.WriteString("detail=unavailable")
	default:
		t.forwarded("miss", 0, status)
	}
	return object.Miss
}
