package limit

import "time"

// slots are the parts of a sliding window. Who is refused by it is refused for up to
// one part longer than an exact log of every request would say, and never let in
// sooner.
const slots = 10

// meter counts one client's requests and bytes. Times are since its limiter's start.
//
// A bucket of tokens is kept as the one time at which it will be full again (the
// generic cell rate algorithm, ITU-T I.371): it needs no timer, can be overdrawn, and
// is eight bytes.
type meter struct {
	requestsFull time.Duration
	bytesFull    time.Duration
	window       *window // nil without a sliding window, and before the first request
}

// window counts the requests of the slot that now is in and of the ten before it,
// which together cover more than the window at any time.
type window struct {
	slot   int64 // the number of the latest slot
	counts [slots + 1]uint32
}

// take counts a request, or returns what is at its limit and how long it takes until a
// request can be counted again.
func (m *meter) take(p *plan, now time.Duration) (what Kind, wait time.Duration) {
	if p.bytes > 0 {
		// Some of it must be free: an empty body costs nothing.
		if wait = m.bytesFull - now - p.byteBurst; wait >= 0 {
			return Bytes, wait + 1
		}
	}
	switch {
	case p.window > 0:
		if wait = m.count(p, now); wait > 0 {
			return Requests, wait
		}
	case p.request > 0:
		full := max(m.requestsFull, now) + p.request
		if wait = full - now - p.burst; wait > 0 {
			return Requests, wait
		}
		m.requestsFull = full
	}
	return 0, 0
}

// count takes a place in the sliding window, or returns when there may be one.
func (m *meter) count(p *plan, now time.Duration) time.Duration {
	if m.window == nil {
		m.window = new(window)
	}
	w, length := m.window, p.slot
	slot := int64(now / length)
	for ; w.slot < slot; w.slot++ {
		if slot-w.slot > slots {
			w.slot, w.counts = slot-1, [slots + 1]uint32{}
		}
		w.counts[(w.slot+1)%(slots+1)] = 0
	}
	var sum uint32
	for _, n := range w.counts {
		sum += n
	}
	if sum < p.most {
		w.counts[w.slot%(slots+1)]++
		return 0
	}
	for back := int64(slots); back >= 0; back-- {
		if oldest := w.slot - back; oldest >= 0 && w.counts[oldest%(slots+1)] > 0 {
			return time.Duration(oldest+slots+1)*length - now
		}
	}
	return length
}

// charge counts bytes; negative ones are given back.
func (m *meter) charge(p *plan, now time.Duration, bytes int64) {
	if p.bytes > 0 {
		owed := time.Duration(max(-float64(longest), min(float64(bytes)*p.bytes, float64(longest))))
		m.bytesFull = min(max(m.bytesFull, now)+owed, now+longest)
	}
}

// longest keeps times from running over.
const longest = 100 * 365 * 24 * time.Hour

// idle reports whether the meter says no more than a new one would.
func (m *meter) idle(p *plan, now time.Duration) bool {
	if m.requestsFull > now || m.bytesFull > now {
		return false
	}
	return m.window == nil || int64(now/p.slot)-m.window.slot > slots
}
