package admin

import (
	"encoding/binary"
	"testing"
)

func markOf(n int) (m eventMark) {
	binary.BigEndian.PutUint64(m[:], uint64(n))
	return m
}

// The last events are remembered, and no more of them than there is room for.
func TestTheOldestEventIsForgotten(t *testing.T) {
	var s seen
	for n := range maxSeen {
		s.add([]eventMark{markOf(n)})
	}
	s.add([]eventMark{markOf(5), markOf(5)}) // known: they take no room
	if !s.has(markOf(0)) || !s.has(markOf(maxSeen-1)) {
		t.Error("an event is forgotten while there is room")
	}
	for n := range 3 * maxSeen {
		s.add([]eventMark{markOf(maxSeen + n)})
		if s.has(markOf(n)) || !s.has(markOf(n+1)) {
			t.Fatalf("after %d more: the oldest is kept, or the next one is not", n+1)
		}
	}
	if len(s.marks) != maxSeen || len(s.ring) != maxSeen {
		t.Errorf("%d marks, %d in the ring", len(s.marks), len(s.ring))
	}
}
