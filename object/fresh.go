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
	var control, expires string
	for _, h := range i.Header {
		switch h.Name {
		case "Cache-Control":
			control += "," + h.Value
		case "Expires":
			expires = h.Value
		case "Vary":
			l.Keep = l.Keep && !strings.Contains(h.Value, "*") // matches no request (RFC 9111 §4.1)
		}
	}
	if expires != "" {
		l.Fresh = 0 // an Expires that is no date has passed (RFC 9111 §5.3)
		if t, err := http.ParseTime(expires); err == nil {
			l.Fresh = max(0, t.Sub(i.Validated))
		}
	}
	if control != "" {
		l.apply(control)
	}
	return l
}

func (l *Lifetime) apply(control string) {
	noCache, strict := false, false
	maxAge, sharedMaxAge := time.Duration(-1), time.Duration(-1)
	for directive := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "private":
			l.Keep = false
		case "no-cache":
			noCache, strict = true, true
		case "must-revalidate", "proxy-revalidate":
			strict = true
		case "s-maxage":
			sharedMaxAge, strict = deltaSeconds(value), true // implies proxy-revalidate (§5.2.2.10)
		case "max-age":
			maxAge = deltaSeconds(value)
		case "stale-while-revalidate":
			l.StaleWhileRevalidate = max(0, deltaSeconds(value))
		case "stale-if-error":
			l.StaleIfError = max(0, deltaSeconds(value))
		}
	}
	switch {
	case noCache:
		l.Fresh = 0
	case sharedMaxAge >= 0:
		l.Fresh = sharedMaxAge
	case maxAge >= 0:
		l.Fresh = maxAge
	}
	if strict {
		l.StaleWhileRevalidate, l.StaleIfError = 0, 0
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
