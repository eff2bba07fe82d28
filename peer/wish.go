package peer

import (
	"encoding/binary"
	"time"

	"rookery/object"
)

// The flags of a wish.
const (
	wishNoCache      = 1 << 0
	wishNoStore      = 1 << 1
	wishOnlyIfCached = 1 << 2
	wishMaxAge       = 1 << 3
	wishMaxStale     = 1 << 4
)

// appendWish writes what a client asks of the cache, its limits in seconds.
func appendWish(dst []byte, w *object.Wish) []byte {
	var flags byte
	for _, f := range [...]struct {
		set bool
		is  byte
	}{
		{w.NoCache, wishNoCache},
		{w.NoStore, wishNoStore},
		{w.OnlyIfCached, wishOnlyIfCached},
		{w.MaxAge != object.NoLimit, wishMaxAge},
		{w.MaxStale != object.NoLimit, wishMaxStale},
	} {
		if f.set {
			flags |= f.is
		}
	}
	dst = append(dst, flags)
	for _, limit := range [...]time.Duration{w.MaxAge, w.MaxStale, w.MinFresh} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(max(0, limit)/time.Second))
	}
	return dst
}

// wish reads what appendWish wrote.
func (f *fields) wish() *object.Wish {
	flags := f.u8()
	seconds := func() time.Duration { return time.Duration(f.u32()) * time.Second }
	w := &object.Wish{
		NoCache: flags&wishNoCache != 0, NoStore: flags&wishNoStore != 0, OnlyIfCached: flags&wishOnlyIfCached != 0,
		MaxAge: seconds(), MaxStale: seconds(), MinFresh: seconds(),
	}
	if flags&wishMaxAge == 0 {
		w.MaxAge = object.NoLimit
	}
	if flags&wishMaxStale == 0 {
		w.MaxStale = object.NoLimit
	}
	return w
}
