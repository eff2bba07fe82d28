package purge

import (
	"errors"
	"sync/atomic"
	"time"
)

// ErrOtherCouncil says that a number is one of another council.
var ErrOtherCouncil = errors.New("a number of another council")

// lease is until when the node may serve what it holds without asking S3. Two
// clocks measure it, and either ends it: the monotonic one is not moved by whoever
// sets the time, and the wall goes on while the machine sleeps.
type lease struct{ end atomic.Pointer[leaseEnd] }

type leaseEnd struct {
	mono time.Time // with its monotonic reading
	wall int64     // nanoseconds since 1970
}

func (l *lease) revoke() { l.end.Store(nil) }

// Grant lets the lease run until length after sent, which is when the node sent
// the request that was granted, by its own clock (with the monotonic reading). A
// grant of another council than the state's is none, and a shorter lease than the
// present one changes nothing.
func (s *State) Grant(council [16]byte, sent time.Time, length time.Duration) {
	s.mu.RLock() // the council cannot change meanwhile
	defer s.mu.RUnlock()
	if council != s.council || council == ([16]byte{}) {
		return
	}
	end := sent.Add(length)
	now := &leaseEnd{mono: end, wall: end.UnixNano()}
	for {
		old := s.lease.end.Load()
		if old != nil && !end.After(old.mono) {
			return
		}
		if s.lease.end.CompareAndSwap(old, now) {
			return
		}
	}
}

// Revoke ends the lease: the node can no longer keep what it learns.
func (s *State) Revoke() { s.lease.revoke() }

// Leased reports whether the node holds a lease at now, a clock reading taken
// after what it is asked for arrived.
func (s *State) Leased(now time.Time) bool {
	end := s.lease.end.Load()
	return end != nil && now.Before(end.mono) && now.UnixNano() < end.wall
}

// LeaseEnd returns when the lease ends or has ended; zero if there is none.
func (s *State) LeaseEnd() time.Time {
	if end := s.lease.end.Load(); end != nil {
		return end.mono
	}
	return time.Time{}
}
