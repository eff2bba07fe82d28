package store

import (
	"sync"
	"time"
)

// fullness remembers that the disk takes nothing, and until when it is left
// alone.
type fullness struct {
	mu     sync.Mutex
	reason error
	until  time.Time
	gaveUp bool
}

// note records a failed write; it reports whether that is news.
func (f *fullness) note(now time.Time, reason error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.reason == nil
	f.reason, f.until = reason, now.Add(retryAfter)
	return news
}

// is reports whether the disk is to be left alone at this time.
func (f *fullness) is(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason != nil && now.Before(f.until)
}

// err returns why the disk took nothing when it was last tried, or nil.
func (f *fullness) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason
}

// mayGiveUpSegment allows to trade the oldest segment for space on a full disk:
// once, until space was had. So a capacity larger than the disk still makes a
// working cache, and a disk that others fill does not cost all that is cached.
func (f *fullness) mayGiveUpSegment() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	may := !f.gaveUp
	f.gaveUp = true
	return may
}

func (f *fullness) clear() {
	f.mu.Lock()
	f.reason, f.gaveUp = nil, false
	f.mu.Unlock()
}
