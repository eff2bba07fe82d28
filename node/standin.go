package node

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/groupcache/lru"

	"rookery/object"
)

const (
	// standInFor is how long after an owner was passed over it is told so, and how
	// long after it was told it asks its successors before S3.
	standInFor = time.Hour
	// maxPassedOver bounds how many nodes are remembered that were passed over;
	// about 100 bytes each.
	maxPassedOver = 1024
)

// standIns remembers who was passed over lately. Others have then fetched and
// stored what is the passed over node's own, and the ring, which never changed,
// tells nobody. So whoever passed a node over says so with what it asks it next,
// and the node asks its successors before S3. Safe for concurrent use.
type standIns struct {
	now func() time.Time

	mu     sync.Mutex
	passed *lru.Cache // name → when it was passed over last

	// missed is when this node learned last that it may have been passed over; in
	// nanoseconds, 0 for never.
	missed atomic.Int64
}

func newStandIns(now func() time.Time) *standIns {
	return &standIns{now: now, passed: lru.New(maxPassedOver)}
}

// passOver notes that name gave no answer and another node does its work. It may
// be this node that nobody hears: then it was passed over as well.
func (s *standIns) passOver(name string) {
	s.wasPassedOver()
	s.standFor(name)
}

// standFor notes that somebody passed name over, or the ring did.
func (s *standIns) standFor(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed.Add(name, s.now())
}

// tell returns the ask as it goes to name: with the news, if name was passed over
// lately. It says so in each, not in the first alone: that may be lost, or name
// may start again and have forgotten.
func (s *standIns) tell(name string, ask *object.Ask) *object.Ask {
	s.mu.Lock()
	at, ok := s.passed.Get(name)
	s.mu.Unlock()
	if !ok || s.now().Sub(at.(time.Time)) >= standInFor {
		return ask
	}
	told := *ask
	told.PassedOver = true
	return &told
}

// wasPassedOver notes that others may have stood in for this node.
func (s *standIns) wasPassedOver() { s.missed.Store(s.now().UnixNano()) }

// lately reports whether others may have stood in for this node not long ago.
func (s *standIns) lately() bool {
	missed := s.missed.Load()
	return missed != 0 && s.now().Sub(time.Unix(0, missed)) < standInFor
}
