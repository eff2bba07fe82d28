package object

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Freshness is a bucket's policy where the origin says nothing of its own.
type Freshness struct {
	Default              time.Duration // freshness lifetime (RFC 9111 §4.2)
	StaleWhileRevalidate time.Duration // RFC 5861 §3
	StaleIfError         time.Duration // RFC 5861 §4
	Negative             time.Duration // how long a 404 or 403 of S3 is remembered
}

// ReplicaLifetime bounds how long what a replica says is believed that is not the
// origin's first, stale-while-revalidate included: it may be behind. Only where
// no replica answers at all may it be served for longer (StaleIfError).
const ReplicaLifetime = 30 * time.Second

// Lifetime is how one info may be used, counted from its Validated.
type Lifetime struct {
	// Keep is false for no-store, private and "Vary: *": a shared cache keeps
	// nothing of it (RFC 9111 §5.2.2.5, §5.2.2.7, §4.1).
	Keep                 bool
	Fresh                time.Duration
	StaleWhileRevalidate time.Duration
	StaleIfError         time.Duration
}

// Lifetime reads the origin's Cache-Control and Expires (RFC 9111 §5.2.2, §5.3;
// s-maxage goes before max-age, max-age before Expires); what they leave open
// the policy decides. no-cache is a lifetime of zero, and it and must-revalidate
// forbid any use of the stale.
func (f Freshness) Lifetime(i *Info) Lifetime {
	l := Lifetime{Keep: true, Fresh: f.Default, StaleWhileRevalidate: f.StaleWhileRevalidate, StaleIfError: f.StaleIfError}
	d := directives{maxAge: -1, sharedMaxAge: -1}
	for _, h := range i.Header {
		switch h.Name {
		case "Cache-Control":
			d.read(h.Value, &l)
		case "Expires":
			l.Fresh = 0 // an Expires that is no date has passed (RFC 9111 §5.3)
			if t, err := http.ParseTime(h.Value); err == nil {
				l.Fresh = max(0, t.Sub(i.Validated))
			}
		case "Vary":
			l.Keep = l.Keep && !strings.Contains(h.Value, "*") // matches no request (RFC 9111 §4.1)
		}
	}
	switch {
	case d.noCache:
		l.Fresh = 0
	case d.sharedMaxAge >= 0:
		l.Fresh = d.sharedMaxAge
	case d.maxAge >= 0:
		l.Fresh = d.maxAge
	}
	if d.strict {
		l.StaleWhileRevalidate, l.StaleIfError = 0, 0
	}
	if i.Replica {
		l.Fresh = min(l.Fresh, ReplicaLifetime)
		l.StaleWhileRevalidate = min(l.StaleWhileRevalidate, ReplicaLifetime-l.Fresh)
	}
	return l
}

// directives are those of all Cache-Control fields together, of which one may
// outdo another. An age that was not given is -1.
type directives struct {
	noCache, strict      bool
	maxAge, sharedMaxAge time.Duration
}

// read takes one field's directives; what nothing outdoes goes to l at once.
func (d *directives) read(control string, l *Lifetime) {
	for directive := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "private":
			l.Keep = false
		case "no-cache":
			d.noCache, d.strict = true, true
		case "must-revalidate", "proxy-revalidate":
			d.strict = true
		case "s-maxage":
			d.sharedMaxAge, d.strict = deltaSeconds(value), true // implies proxy-revalidate (§5.2.2.10)
		case "max-age":
			d.maxAge = deltaSeconds(value)
		case "stale-while-revalidate":
			l.StaleWhileRevalidate = max(0, deltaSeconds(value))
		case "stale-if-error":
			l.StaleIfError = max(0, deltaSeconds(value))
		}
	}
}

// maxDelta is what a lifetime too large to count means (RFC 9111 §1.2.2).
const maxDelta = 1<<31 - 1

// deltaSeconds reads RFC 9111 §1.2.2's delta-seconds, quoted or not. What is no
// number is -1: the directive says nothing.
func deltaSeconds(s string) time.Duration {
	s = strings.Trim(s, `"`)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > maxDelta {
		n = maxDelta
	}
	return time.Duration(n) * time.Second
}
