package object

import (
	"net/http"
	"strings"
	"time"
)

// Freshness is a bucket's policy: what the origin says goes before the defaults,
// Override before that, and nothing is longer than Max.
type Freshness struct {
	Default              time.Duration // freshness lifetime (RFC 9111 §4.2)
	StaleWhileRevalidate time.Duration // RFC 5861 §3
	StaleIfError         time.Duration // RFC 5861 §4
	// NotFound and Forbidden are how long a 404 and a 403 of S3 are remembered.
	NotFound, Forbidden time.Duration
	// IgnoreOrigin: nothing that the origin says of caching counts, no-store and
	// private included; only Vary: * does.
	IgnoreOrigin  bool
	Override, Max Windows
}

// Windows are the three times of an answer; nil leaves one open. Override.Fresh
// outdoes a no-cache, but none of them no-store or private.
type Windows struct {
	Fresh, StaleWhileRevalidate, StaleIfError *time.Duration
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
	// Strict: it is never used stale, whatever a client would take (no-cache,
	// must-revalidate, proxy-revalidate, s-maxage).
	Strict bool
	// Immutable: while it is fresh no client's max-age makes it asked for again
	// (RFC 8246 §2).
	Immutable bool
}

// Lifetime reads what the origin says of caching: CDN-Cache-Control where it has
// one that is valid (RFC 9213 §2.2), else Cache-Control and Expires (RFC 9111
// §5.2.2, §5.3; s-maxage goes before max-age, max-age before Expires). What they
// leave open the policy decides.
func (f Freshness) Lifetime(i *Info) Lifetime {
	l := Lifetime{Keep: true, Fresh: f.Default, StaleWhileRevalidate: f.StaleWhileRevalidate, StaleIfError: f.StaleIfError}
	d := noDirectives
	if !f.IgnoreOrigin {
		d = directivesOf(i)
	}
	d.apply(&l)
	for _, h := range i.Header {
		if h.Name == "Vary" && strings.Contains(h.Value, "*") {
			l.Keep = false // matches no request
		}
	}
	f.Override.apply(&l, func(_, own time.Duration) time.Duration { return own })
	f.Max.apply(&l, func(said, most time.Duration) time.Duration { return min(said, most) })
	if i.Replica {
		l.Fresh = min(l.Fresh, ReplicaLifetime)
		l.StaleWhileRevalidate = min(l.StaleWhileRevalidate, ReplicaLifetime-l.Fresh)
	}
	return l
}

func (w *Windows) apply(l *Lifetime, decide func(said, own time.Duration) time.Duration) {
	set := func(said, own *time.Duration) {
		if own != nil {
			*said = decide(*said, *own)
		}
	}
	set(&l.Fresh, w.Fresh)
	set(&l.StaleWhileRevalidate, w.StaleWhileRevalidate)
	set(&l.StaleIfError, w.StaleIfError)
}

// directivesOf reads an info's header. An info rarely has more than one field of
// a name, and then the first lifetime counts (RFC 9111 §4.2.1).
func directivesOf(i *Info) directives {
	d := noDirectives
	var targeted []string
	for _, h := range i.Header {
		switch h.Name {
		case "Cache-Control":
			for name, value := range Directives(h.Value) {
				d.read(name, value)
			}
		case "Expires":
			d.expire(h.Value, i.Validated)
		case "Cdn-Cache-Control":
			targeted = append(targeted, h.Value)
		}
	}
	if targeted != nil {
		if own, ok := targetedDirectives(strings.Join(targeted, ", ")); ok {
			return own
		}
	}
	return d
}

// expire reads an Expires, which our clock and not the origin's Date measures:
// for a server that stamps its answers now, the difference is that of the clocks.
// One that is no date has passed (RFC 9111 §5.3).
func (d *directives) expire(value string, validated time.Time) {
	var left time.Duration
	if t, err := http.ParseTime(value); err == nil {
		left = max(0, t.Sub(validated))
	}
	d.expires = first(d.expires, left)
}
