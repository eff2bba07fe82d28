package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"rookery/object"
)

// failure numbers an error on the wire. Zero is success.
type failure uint8

const (
	failedNot      failure = 0
	failedInternal failure = 1 // anything that has no number: its text stays in the owner's log
	failedOrigin   failure = 2 // *object.OriginError, which follows
	failedGone     failure = 3
	failedNotHeld  failure = 4
	failedBusy     failure = 5
	failedBroken   failure = 6
	failedBucket   failure = 7
	failedRange    failure = 8
	failedTime     failure = 9
	// failedBefore is failedOrigin, of an answer that the owner remembers, and for
	// how much longer.
	failedBefore failure = 10
)

// errTimeUp says that the owner had no answer when the asker's time, which its
// ask names, was over. The asker may read it just before its own clock tells.
var errTimeUp = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// travellers are the errors that are the same on both sides of the wire.
var travellers = [...]struct {
	number failure
	err    error
	kind   string // the metrics' label
}{
	{failedGone, object.ErrGone, "gone"},
	{failedNotHeld, object.ErrNotHeld, "not_held"},
	{failedBusy, object.ErrBusy, "busy"},
	{failedBroken, object.ErrBroken, "broken"},
	{failedBucket, object.ErrUnknownBucket, "unknown_bucket"},
	{failedRange, object.ErrUnsatisfiableRange, "range"},
	{failedTime, errTimeUp, "canceled"},
}

const (
	maxCodeBytes    = 128
	maxMessageBytes = 1 << 10
	maxStatus       = 999
	maxRetrySeconds = 24 * 60 * 60
)

// appendFailure writes an error, or success if err is nil.
func appendFailure(dst []byte, err error) []byte {
	if err == nil {
		return append(dst, byte(failedNot))
	}
	if origin, ok := errors.AsType[*object.OriginError](err); ok {
		if origin.Remembered > 0 {
			dst = append(dst, byte(failedBefore))
			dst = binary.LittleEndian.AppendUint32(dst, milliseconds(origin.Remembered))
		} else {
			dst = append(dst, byte(failedOrigin))
		}
		dst = binary.LittleEndian.AppendUint16(dst, uint16(origin.Status))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(max(0, origin.RetryAfter)))
		dst = appendBytes(dst, cut(origin.Code, maxCodeBytes))
		return appendBytes(dst, cut(origin.Message, maxMessageBytes))
	}
	for _, t := range travellers {
		if errors.Is(err, t.err) {
			return append(dst, byte(t.number))
		}
	}
	return append(dst, byte(failedInternal))
}

// failure reads what appendFailure wrote: nil for success.
func (f *fields) failure() error {
	switch number := failure(f.u8()); {
	case f.bad:
		return errFrame
	case number == failedNot:
		return nil
	case number == failedOrigin, number == failedBefore:
		var left time.Duration
		if number == failedBefore {
			left = time.Duration(f.u32()) * time.Millisecond
		}
		status, retry := f.u16(), f.u32()
		f.bad = f.bad || status > maxStatus
		return &object.OriginError{
			Status: int(status), Remembered: left, RetryAfter: int(min(retry, maxRetrySeconds)),
			Code: f.str(maxCodeBytes), Message: f.str(maxMessageBytes),
		}
	default:
		return number.err()
	}
}

func (n failure) err() error {
	for _, t := range travellers {
		if n == t.number {
			return t.err
		}
	}
	return fmt.Errorf("%w: error %d on the other side", object.ErrUnreachable, n)
}

// kinds are all the values that kindOf gives.
func kinds() []string {
	all := []string{"unreachable", "origin"}
	for _, t := range travellers {
		all = append(all, t.kind)
	}
	return all
}

// kindOf names an error for the metrics.
func kindOf(err error) string {
	if _, ok := errors.AsType[*object.OriginError](err); ok {
		return "origin"
	}
	for _, t := range travellers {
		if errors.Is(err, t.err) {
			return t.kind
		}
	}
	silent := errors.Is(err, object.ErrUnreachable) // if it timed out, it was the node's time
	if !silent && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return "canceled"
	}
	return "unreachable"
}
