package peer

import (
	"fmt"
	"time"

	"rookery/object"
)

// head is what the owner says before the bytes: an error, or all of an
// object.Answer but its body.
type head struct {
	err       error // if set, the rest is not
	source    object.Source
	outcome   object.Outcome
	collapsed bool
	stored    bool
	changed   bool
	requested bool
	forward   int // as Answer.ForwardStatus
	ttl       time.Duration
	offset    int64
	length    int64
	// info has only Version and Note in an answer to a pinned ask: the asker
	// knows the rest, and so a chunk costs no headers.
	info object.Info
	full bool // info is whole
}

// The flags of a head.
const (
	headCollapsed = 1 << 0
	headStored    = 1 << 1
	headFullInfo  = 1 << 2
	headChanged   = 1 << 3
	headRequested = 1 << 4
	// The three highest bits are a place in forwardStatuses.
	headForward = 5
)

// forwardStatuses are what S3 may have answered to the request behind an answer; any
// other is told as 500.
var forwardStatuses = [...]int{0, 200, 304, 500, 502, 503, 504, 429}

func forwardFlags(status int) byte {
	for i, s := range forwardStatuses {
		if s == status {
			return byte(i) << headForward
		}
	}
	return 3 << headForward
}

// appendHead writes a successful head for an answer; with full the whole info.
func appendHead(dst []byte, a *object.Answer, full bool) ([]byte, error) {
	var flags byte
	if a.Collapsed {
		flags |= headCollapsed
	}
	if a.Stored {
		flags |= headStored
	}
	if full {
		flags |= headFullInfo
	}
	if a.Changed {
		flags |= headChanged
	}
	if a.Requested {
		flags |= headRequested
	}
	flags |= forwardFlags(a.ForwardStatus)
	dst = append(appendFailure(dst, nil), flags, byte(a.Source), byte(a.Outcome))
	dst = appendInt(dst, int64(a.TTL))
	dst = appendInt(appendInt(dst, a.Offset), a.Length)
	if full {
		return a.Info.Append(dst)
	}
	return a.Info.Note.Append(append(dst, a.Info.Version[:]...)), nil
}

// decodeHead reads a head of either kind. The result shares no memory with b.
func decodeHead(b []byte) (head, error) {
	f := fields{b: b}
	if err := f.failure(); err != nil {
		if f.bad || len(f.b) != 0 {
			return head{}, fmt.Errorf("%w: head", errFrame)
		}
		return head{err: err}, nil
	}
	flags := f.u8()
	h := head{
		source:    object.Source(f.u8()),
		outcome:   object.Outcome(f.u8()),
		ttl:       time.Duration(f.i64()),
		offset:    f.size(),
		length:    f.size(),
		collapsed: flags&headCollapsed != 0,
		stored:    flags&headStored != 0,
		full:      flags&headFullInfo != 0,
		changed:   flags&headChanged != 0,
		requested: flags&headRequested != 0,
		forward:   forwardStatuses[flags>>headForward],
	}
	var err error
	if h.full {
		h.info, err = object.DecodeInfo(f.take(len(f.b)))
	} else {
		h.info = object.Info{Version: f.id(), Note: f.note()}
	}
	if err != nil || f.bad || len(f.b) != 0 || h.source > object.SourceOrigin || h.outcome > object.Bypass {
		return head{}, fmt.Errorf("%w: head", errFrame)
	}
	return h, nil
}

// fits reports whether the head answers the ask: the version that was pinned,
// and bytes from the first one wanted on, none too many. There must be at least
// one, but where the key's owner only says what the object is, because the first
// byte is in an extent of another node.
func (h *head) fits(ask *object.Ask) bool {
	size := h.info.Size
	if ask.Pin != nil {
		if h.info.Version != ask.Pin.Version {
			return false
		}
		size = ask.Pin.Size
	} else if !h.full {
		return false
	}
	if ask.HeadOnly {
		return h.length == 0
	}
	from, to, err := ask.Range.Resolve(size)
	mayBeNone := from == to || ask.Pin == nil && object.ExtentOf(from) != 0
	return err == nil && h.offset == from && h.length <= to-from && (h.length > 0 || mayBeNone)
}

// answer is the object.Answer for the head, still without its body.
func (h *head) answer(ask *object.Ask) *object.Answer {
	info := h.info
	if ask.Pin != nil {
		info.Size, info.ETag = ask.Pin.Size, ask.Pin.ETag
	}
	return &object.Answer{
		Info: info, Offset: h.offset, Length: h.length,
		Source: object.SourcePeer, OwnerSource: h.source,
		Outcome: h.outcome, Collapsed: h.collapsed, Stored: h.stored, TTL: h.ttl,
		Changed: h.changed, Requested: h.requested, ForwardStatus: h.forward,
	}
}
