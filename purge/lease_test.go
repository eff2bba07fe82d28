package purge

import (
	"testing"
	"time"
	"unsafe"
)

// wallMoved returns t as it would be had somebody set the time meanwhile: the
// monotonic reading stays. The time package has no way to say that, so the test
// writes into the 33 bits of seconds (package time, type Time).
func wallMoved(test *testing.T, t time.Time, seconds int64) time.Time {
	test.Helper()
	moved := t
	*(*uint64)(unsafe.Pointer(&moved)) += uint64(seconds) << 30
	if moved.Sub(t) != 0 || moved.UnixNano()-t.UnixNano() != seconds*int64(time.Second) {
		test.Fatal("package time keeps its readings another way than this test believes")
	}
	return moved
}

func TestALeaseEndsByEitherClock(t *testing.T) {
	const length = 5 * time.Second
	sent := time.Now()
	for name, c := range map[string]struct {
		now  time.Time
		want bool
	}{
		"at once":                     {sent, true},
		"shortly before its end":      {sent.Add(length - 1), true},
		"at its end":                  {sent.Add(length), false},
		"long after":                  {sent.Add(time.Hour), false},
		"the machine slept":           {wallMoved(t, sent, 6), false}, // its monotonic clock stood still
		"the time was set forward":    {wallMoved(t, sent.Add(time.Second), 4), false},
		"it was set a little forward": {wallMoved(t, sent.Add(time.Second), 3), true},
		"it was set back, too late":   {wallMoved(t, sent.Add(length), -3600), false},
		"it was set back, within":     {wallMoved(t, sent.Add(length-1), -3600), true},
		"a clock without monotonic":   {sent.Round(0).Add(length - 1), true},
		"and its end":                 {sent.Round(0).Add(length), false},
	} {
		s := joined()
		s.Grant(ours, sent, length)
		if got := s.Leased(c.now); got != c.want {
			t.Errorf("%s: leased %v", name, got)
		}
	}
}

// A lease is counted from the request, whatever the time was set to since.
func TestALeaseGrantedAfterTheTimeWasSet(t *testing.T) {
	s, sent := joined(), time.Now()
	s.Grant(ours, sent, 5*time.Second)
	later := wallMoved(t, sent.Add(time.Second), -100)
	s.Grant(ours, later, 5*time.Second)
	if now := wallMoved(t, sent.Add(5500*time.Millisecond), -100); !s.Leased(now) {
		t.Error("the later grant does not count")
	}
	if s.Leased(wallMoved(t, sent.Add(6*time.Second), -100)) {
		t.Error("leased beyond the later grant")
	}
}

func TestWhatEndsALease(t *testing.T) {
	sent := time.Now()
	granted := func() *State {
		s := joined()
		s.Grant(ours, sent, 5*time.Second)
		if !s.Leased(sent) || !s.LeaseEnd().Equal(sent.Add(5*time.Second)) {
			t.Fatalf("no lease, or until %v", s.LeaseEnd())
		}
		return s
	}
	s := granted()
	s.Revoke()
	if s.Leased(sent) || !s.LeaseEnd().IsZero() {
		t.Error("leased after it was revoked")
	}
	s.Grant(ours, sent.Add(time.Second), 5*time.Second)
	if !s.Leased(sent.Add(5 * time.Second)) {
		t.Error("what was revoked is never granted again")
	}
	s = granted()
	s.Join(theirs)
	if s.Leased(sent) {
		t.Error("leased by the council that it left")
	}
	s = granted()
	s.Join(ours)
	if !s.Leased(sent) {
		t.Error("joining its own council ended the lease")
	}
	s.Apply(7, order(false, Scope{Kind: All}))
	if !s.Leased(sent) {
		t.Error("a purge ended the lease")
	}
}

func TestGrantsThatAreNone(t *testing.T) {
	sent := time.Now()
	s := joined()
	s.Grant(theirs, sent, time.Hour)
	if s.Leased(sent) {
		t.Error("leased by another council")
	}
	s.Grant(ours, sent, 5*time.Second)
	s.Grant(ours, sent.Add(-time.Second), 5*time.Second) // an answer that was late
	s.Grant(ours, sent, 0)
	if !s.Leased(sent.Add(5*time.Second - 1)) {
		t.Error("an older grant shortened the lease")
	}
	none := NewState()
	none.Grant([16]byte{}, sent, time.Hour)
	if none.Leased(sent) {
		t.Error("leased without a council")
	}
}
