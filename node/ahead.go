package node

import (
	"sync"

	"github.com/golang/groupcache/lru"

	"rookery/object"
)

const (
	// maxAheadBytes is the most that is read ahead of one reader. A reader of more
	// at a time needs none: its own reads are long enough.
	maxAheadBytes = 8 << 20
	// maxAheads bounds how many runs read ahead at once, over the whole node.
	maxAheads = 32
	// maxSequences bounds how many readers are watched; about 150 bytes each.
	maxSequences = 4096
)

// sequences watches for readers that read a version range after range: each read
// begins at the byte where an earlier one ended. Safe for concurrent use.
type sequences struct {
	mu  sync.Mutex
	lru *lru.Cache // place → how many reads have led there
}

// place is where the next read of a sequence would begin.
type place struct {
	at  versionKey
	pos int64
}

func newSequences() *sequences { return &sequences{lru: lru.New(maxSequences)} }

// next notes a read of [from, to) and returns how many bytes behind it the reader
// will likely want next; 0 unless it has read on before. Each read that goes on
// doubles it.
func (s *sequences) next(at versionKey, from, to int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads := 1
	if before, ok := s.lru.Get(place{at, from}); ok {
		s.lru.Remove(place{at, from})
		reads += before.(int)
	}
	s.lru.Add(place{at, to}, reads)
	length := to - from
	if reads == 1 || length > maxAheadBytes {
		return 0
	}
	return min(maxAheadBytes, length<<min(reads-2, 10))
}

// readAhead fetches what the reader of a part of one version will likely want
// next and this node does not have, to the end of the extent at most: the next one
// is another node's.
func (n *Node) readAhead(b *localBody) {
	pin, from, to := b.pin, b.pos, b.end
	if to == pin.Size || !pin.Strong() || pin.Size <= object.ChunkBytes {
		return
	}
	if ahead := n.sequences.next(b.at, from, to); ahead > 0 {
		end := object.Chunks(min(to+ahead, object.ExtentEnd(to-1, pin.Size)))
		n.flights.ahead(want{of: b.of, key: b.key, pin: pin, floor: b.floor, from: object.Chunks(to), to: end})
	}
}

// ahead starts a run for the first chunks of [w.from, w.to) that are neither
// stored nor on their way. Where readers are on those already it does nothing: the
// client reads many ranges at once, and needs nobody to go before it.
func (f *flights) ahead(w want) {
	if w.from >= w.to {
		return
	}
	at, half := versionKey{w.key.Hash(), w.pin.Version}, w.from+(w.to-w.from-1)/2
	for w.from <= half {
		if f.node.has(w.key, w.pin.Version, w.from, w.floor) {
			w.from++
			continue
		}
		end, read := f.coming(at, w.floor, w.from)
		if read {
			return
		}
		if end == w.from {
			break
		}
		w.from = end
	}
	if w.from > half || !f.node.keeps() {
		return // half of it is there already: fewer and longer GETs
	}
	end := f.runEnd(w, w.to)

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.aheads == maxAheads || f.passed(at, w.floor, w.from) || f.brings(at, w.floor, w.from) != nil {
		return // enough is read ahead, or another reader was quicker
	}
	r := &run{at: at, of: w.of, key: w.key, pin: w.pin, floor: w.floor, from: w.from, next: w.from, end: f.before(at, w.floor, w.from, end), ahead: true}
	if _, err := f.start(r); err == nil {
		f.aheads++
	}
}

// coming returns the end of the run that brings chunk c, and whether anybody reads
// it; c itself if there is none.
func (f *flights) coming(at versionKey, floor object.Note, c int64) (end int64, read bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.brings(at, floor, c); r != nil {
		return r.end, r.readers > 0
	}
	return c, false
}

// brings returns the run that will bring chunk c, however late. flights.mu is held.
func (f *flights) brings(at versionKey, floor object.Note, c int64) *run {
	for _, r := range f.byVersion[at] {
		if r.next <= c && c < r.end && !r.done && !r.dead(floor) {
			return r
		}
	}
	return nil
}
