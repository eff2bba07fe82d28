package limit

import "time"

// Rate is what may be asked for in a time; the zero Rate is no limit.
type Rate struct {
	Requests int // a second
	// Burst is how many requests may come at once after a pause; 0 is as many as
	// Requests. Not with a Window.
	Burst int
	// Window makes it a sliding window: no more than Requests times it, in seconds,
	// in any time so long, with no regard to when in it.
	Window time.Duration
	// Bytes are those sent in a second. A body that has begun is sent whole; while
	// more is owed than a second's bytes (a Window's, where there is one), no
	// request is taken.
	Bytes int64
}

// Limited reports whether there is a limit at all.
func (r Rate) Limited() bool { return r.Requests > 0 || r.Bytes > 0 }

// Rates are the limits of a node or of one bucket.
type Rates struct {
	Total      Rate // of everybody together
	PerAddress Rate // of each IPv4 address and each /64 of IPv6
	PerSubject Rate // of each that has proved who it is
}

// Limited reports whether there is a limit at all.
func (r Rates) Limited() bool {
	return r.Total.Limited() || r.PerAddress.Limited() || r.PerSubject.Limited()
}

// plan is a Rate in the units of its counters. Immutable.
type plan struct {
	request time.Duration // that one request takes up
	burst   time.Duration // that may be taken up at once
	window  time.Duration // of a sliding window; 0 for none
	slot    time.Duration // a part of it, rounded up
	most    uint32        // requests in a window

	bytes     float64       // nanoseconds that one byte takes up; 0 for no limit
	byteBurst time.Duration // that may be taken up at once
}

func newPlan(r Rate) plan {
	var p plan
	switch {
	case r.Requests > 0 && r.Window > 0:
		p.window, p.slot = r.Window, (r.Window+slots-1)/slots
		p.most = uint32(max(1, min(int64(float64(r.Requests)*r.Window.Seconds()), 1<<31)))
	case r.Requests > 0:
		p.request = time.Second / time.Duration(r.Requests)
		p.burst = p.request * time.Duration(max(r.Burst, 1))
		if r.Burst == 0 {
			p.burst = time.Second
		}
	}
	if r.Bytes > 0 {
		p.bytes = float64(time.Second) / float64(r.Bytes)
		p.byteBurst = max(time.Second, r.Window)
	}
	return p
}
