package peer

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"rookery/object"
)

const (
	maxRequestIDBytes = 128
	maxETagBytes      = 2 << 10
	// maxKeyBytes holds a canonical key of the longest parts that
	// object.ParseKey accepts.
	maxKeyBytes = 3*(4096+2) + 2 + 8
)

// The flags of an ask.
const (
	askHeadOnly   = 1 << 0
	askOnlyIfHave = 1 << 1
	askPinned     = 1 << 2
	askPassedOver = 1 << 3
	askWish       = 1 << 4 // a node that knows no wishes refuses the ask, and is passed over
)

// appendAsk writes an ask and how long the asker will wait for the whole
// answer; budget 0 means that no time is set.
func appendAsk(dst []byte, ask *object.Ask, budget time.Duration) ([]byte, error) {
	var flags byte
	if ask.HeadOnly {
		flags |= askHeadOnly
	}
	if ask.OnlyIfHave {
		flags |= askOnlyIfHave
	}
	if ask.Pin != nil {
		flags |= askPinned
	}
	if ask.PassedOver {
		flags |= askPassedOver
	}
	if ask.Wish != nil {
		flags |= askWish
	}
	dst = append(dst, flags, byte(ask.Range.Kind))
	dst = binary.LittleEndian.AppendUint32(dst, milliseconds(budget))
	dst = appendInt(appendInt(dst, ask.Range.First), ask.Range.Last)
	dst = append(dst, ask.Suspect[:]...)
	dst = ask.Floor.Append(dst)
	dst = appendBytes(dst, cut(ask.RequestID, maxRequestIDBytes))

	var scratch [512]byte
	key := ask.Key.AppendCanonical(scratch[:0])
	if len(key) > maxKeyBytes || ask.Pin != nil && len(ask.Pin.ETag) > maxETagBytes {
		return nil, fmt.Errorf("%w: ask too large", errFrame)
	}
	dst = appendBytes(dst, key)
	if ask.Wish != nil {
		dst = appendWish(dst, ask.Wish)
	}
	if ask.Pin == nil {
		return dst, nil
	}
	dst = append(dst, ask.Pin.Version[:]...)
	dst = ask.Pin.Note.Append(appendInt(dst, ask.Pin.Size))
	return appendBytes(dst, ask.Pin.ETag), nil
}

// decodeAsk reads what appendAsk wrote. The result shares no memory with b.
func decodeAsk(b []byte) (*object.Ask, time.Duration, error) {
	f := fields{b: b}
	flags, kind := f.u8(), object.RangeKind(f.u8())
	budget := time.Duration(f.u32()) * time.Millisecond
	ask := &object.Ask{
		HeadOnly:   flags&askHeadOnly != 0,
		OnlyIfHave: flags&askOnlyIfHave != 0,
		PassedOver: flags&askPassedOver != 0,
		Range:      object.Range{Kind: kind, First: f.size(), Last: f.size()},
		Suspect:    f.id(),
		Floor:      f.note(),
		RequestID:  f.str(maxRequestIDBytes),
	}
	key, err := object.ParseKey(f.bytes(maxKeyBytes))
	if flags&askWish != 0 {
		ask.Wish = f.wish()
	}
	if flags&askPinned != 0 {
		ask.Pin = &object.Pin{Version: f.id(), Size: f.size(), Note: f.note(), ETag: f.str(maxETagBytes)}
	}
	if err != nil || f.bad || len(f.b) != 0 || kind > object.Suffix {
		return nil, 0, fmt.Errorf("%w: ask", errFrame)
	}
	ask.Key = key
	return ask, budget, nil
}

// milliseconds rounds up, so that a budget never becomes "no budget".
func milliseconds(d time.Duration) uint32 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return uint32(min(max(0, ms), math.MaxUint32))
}
