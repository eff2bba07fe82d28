package store

import (
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"rookery/object"
)

// HotMax is the size in bytes of the largest body that the hot set takes.
const HotMax = 256 << 10

// HotObject is a whole small object in memory. It is shared: nobody changes it.
type HotObject struct {
	Info object.Info
	Body []byte
	// Alive is what was known of purges when the object was last found to be covered
	// by none; whoever reads the object keeps it.
	Alive atomic.Pointer[object.Note]

	key    object.Key
	weight int64
}

// hotOverhead stands for what an entry takes beside its key, headers and body:
// the HotObject, otter's node, and their places in its tables.
const (
	hotOverhead      = 512
	hotFieldOverhead = 32
)

// hotSet keeps whole small objects: otter decides which (W-TinyLFU by weight),
// and a counter of its own sees to it that they never take more than max bytes,
// which otter overshoots by its write buffer.
type hotSet struct {
	max    int64
	used   atomic.Int64
	cache  *otter.Cache[object.Hash, *HotObject]
	counts counters
}

// newHotSet returns a hot set of at most max bytes; with 0 it holds nothing.
func newHotSet(max int64, counts counters) *hotSet {
	h := &hotSet{max: max, counts: counts}
	if max <= 0 {
		return h
	}
	h.cache = otter.Must(&otter.Options[object.Hash, *HotObject]{
		// Below the bound, so that otter evicts before the gate refuses: a set
		// that is exactly full would take nothing new.
		MaximumWeight: uint64(max - min(max/8, 4*HotMax)),
		Weigher:       func(_ object.Hash, o *HotObject) uint32 { return uint32(o.weight) },
		OnAtomicDeletion: func(e otter.DeletionEvent[object.Hash, *HotObject]) {
			h.used.Add(-e.Value.weight)
			if e.WasEvicted() {
				h.counts.hotEvicted.Inc()
			}
		},
		// Maintenance runs on the goroutine that writes: no goroutines to wait for.
		Executor: func(run func()) { run() },
	})
	return h
}

// reserve takes n bytes of the bound, if they are free.
func (h *hotSet) reserve(n int64) bool {
	for {
		used := h.used.Load()
		if used+n > h.max {
			return false
		}
		if h.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

func (h *hotSet) clear() {
	if h.cache != nil {
		h.cache.InvalidateAll()
	}
}

// Hot returns the key's object from memory. It does not allocate.
func (s *Store) Hot(key object.Key) (*HotObject, bool) {
	if s.hot.cache == nil {
		return nil, false
	}
	o, ok := s.hot.cache.GetIfPresent(key.Hash())
	if !ok || o.key != key {
		return nil, false
	}
	return o, true
}

// PutHot keeps a whole object in memory, in place of the key's last one. It
// takes over body and info's contents. Objects larger than HotMax are not kept,
// nor those for which the bound has no room just now.
func (s *Store) PutHot(key object.Key, info *object.Info, body []byte) {
	h := s.hot
	if h.cache == nil || len(body) > HotMax || int64(len(body)) != info.Size {
		return
	}
	o := &HotObject{Info: *info, Body: body, key: key, weight: hotWeight(key, info, cap(body))}
	if !h.reserve(o.weight) {
		h.cache.CleanUp() // what otter is about to evict counts until it does
		if !h.reserve(o.weight) {
			h.counts.hotRefused.Inc()
			h.cache.Invalidate(key.Hash())
			return
		}
	}
	h.cache.Set(key.Hash(), o)
}

// hotWeight is what an object takes of the bound, in bytes.
func hotWeight(key object.Key, info *object.Info, body int) int64 {
	n := hotOverhead + body + len(key.Bucket) + len(key.Name) + len(key.Version) + len(info.ETag)
	for _, f := range info.Header {
		n += hotFieldOverhead + len(f.Name) + len(f.Value)
	}
	return int64(n)
}

// HotHasRoom reports whether the hot set would take n bytes more and still have a
// quarter of its bound free.
func (s *Store) HotHasRoom(n int64) bool { return s.hot.used.Load()+n <= s.hot.max/4*3 }

// DropHot forgets the key's object in memory.
func (s *Store) DropHot(key object.Key) {
	if s.hot.cache != nil {
		s.hot.cache.Invalidate(key.Hash())
	}
}
