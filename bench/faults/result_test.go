package faults

import (
	"fmt"
	"slices"
	"time"
)

const (
	early  = 5 * time.Second        // after a fault, in which few errors are allowed
	window = 500 * time.Millisecond // in which a p99 is taken
	slow   = 500 * time.Millisecond // a p99 above this is not recovered
)

// span is one fault: when it struck and when it was over, on the load's clock,
// and the node that it struck (-1: all).
type span struct {
	struck, healed time.Duration
	node           int
}

// result is what the clients of one scenario saw, and S3.
type result struct {
	name      string
	spans     []span
	samples   []sample // of the load
	ran       time.Duration
	origin    int64 // bytes that S3 sent
	distinct  int64 // bytes that it had to
	owned     int64 // of those, the struck nodes', once for each fault
	refetched int64 // bytes that it sent for a last look at everything
	notes     []string
	broken    []string // bars
}

func (r *result) fail(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

func (r *result) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *result) count(is func(sample) bool) int {
	n := 0
	for _, s := range r.samples {
		if is(s) {
			n++
		}
	}
	return n
}

func failed(s sample) bool { return s.class != whole }

// early reports whether a request was under way in the first seconds of a fault.
func (f span) early(s sample) bool { return s.at+s.took >= f.struck && s.at < f.struck+early }

// during reports whether a request began while a fault lasted, at a node that was
// not struck.
func (r *result) during(s sample) bool {
	return !r.struck(s) && slices.ContainsFunc(r.spans, func(f span) bool { return s.at >= f.struck && s.at < f.healed })
}

// struck reports whether a request was sent to the node that had its fault then.
func (r *result) struck(s sample) bool {
	return slices.ContainsFunc(r.spans, func(f span) bool {
		return s.node == f.node && s.at+s.took >= f.struck && s.at < f.healed
	})
}

// recovery is the longest time from a fault, and from its end, until the last
// window with an error or a slow p99.
func (r *result) recovery() (fault, end recoveryTime) {
	for i, f := range r.spans {
		until := r.ran
		if i+1 < len(r.spans) {
			until = r.spans[i+1].struck
		}
		fault = max(fault, r.recovered(f.struck, f.healed))
		end = max(end, r.recovered(f.healed, until))
	}
	return fault, end
}

// recoveryTime is rounded up to whole windows.
type recoveryTime time.Duration

const never = recoveryTime(1<<63 - 1)

func (t recoveryTime) String() string {
	switch t {
	case never:
		return "not"
	case 0:
		return "at once"
	}
	return fmt.Sprintf("%.1f s", time.Duration(t).Seconds())
}

func (r *result) recovered(from, to time.Duration) recoveryTime {
	last := recoveryTime(0)
	for at := from; at+window <= to; at += window {
		var took []time.Duration
		bad := false
		for _, s := range r.samples {
			if s.at >= at && s.at < at+window {
				took, bad = append(took, s.took), bad || failed(s)
			}
		}
		if bad || quantile(took, 0.99) > slow {
			last = recoveryTime(at + window - from)
			if at+2*window > to {
				return never
			}
		}
	}
	return last
}

// quantile returns 0 for nothing.
func quantile(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[int(q*float64(len(of)-1))]
}

// latency are the quantiles of the samples that is picks.
func (r *result) latency(q float64, is func(sample) bool) time.Duration {
	var took []time.Duration
	for _, s := range r.samples {
		if is(s) {
			took = append(took, s.took)
		}
	}
	return quantile(took, q)
}

// before reports whether a sample is of the time before the first fault.
func (r *result) before(s sample) bool { return len(r.spans) == 0 || s.at+slow < r.spans[0].struck }
