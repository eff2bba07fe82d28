package object

import (
	"iter"
	"strconv"
	"strings"
	"time"
)

// Directives gives the members of a Cache-Control field, of an answer or of a
// request: names in lower case, values without their quotes, "" where there is
// none (RFC 9111 §5.2). A comma within quotes separates nothing.
func Directives(field string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for field != "" {
			var member string
			member, field = cutMember(field)
			name, value, _ := strings.Cut(strings.TrimSpace(member), "=")
			if name == "" {
				continue
			}
			if !yield(strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)) {
				return
			}
		}
	}
}

// cutMember cuts at the first comma outside of quotes.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// maxDelta is what a lifetime too large to count means (RFC 9111 §1.2.2).
const maxDelta = 1<<31 - 1

// DeltaSeconds reads RFC 9111 §1.2.2's delta-seconds; false if s is none.
func DeltaSeconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > maxDelta {
		n = maxDelta
	}
	return time.Duration(n) * time.Second, true
}

// directives are those of all of an answer's fields together, of which one may
// outdo another. A time that was not given is below zero.
type directives struct {
	noStore, understand, private bool
	noCache, strict, immutable   bool

	maxAge, sharedMaxAge, expires      time.Duration
	staleWhileRevalidate, staleIfError time.Duration
}

const notGiven = time.Duration(-1)

var noDirectives = directives{
	maxAge: notGiven, sharedMaxAge: notGiven, expires: notGiven, staleWhileRevalidate: notGiven, staleIfError: notGiven,
}

// first keeps the first of two times.
func first(old, now time.Duration) time.Duration {
	if old != notGiven {
		return old
	}
	return now
}

// read takes one directive. A lifetime that is no number has passed (RFC 9111
// §4.2.1), and a stale window that is none has no length. no-cache and private
// that name fields are taken for those that do not (§5.2.2.4, §5.2.2.7).
func (d *directives) read(name, value string) {
	seconds := func() time.Duration {
		t, _ := DeltaSeconds(value)
		return t
	}
	switch name {
	case "no-store":
		d.noStore = true
	case "must-understand":
		d.understand = true
	case "private":
		d.private = true
	case "no-cache":
		d.noCache = true
	case "must-revalidate", "proxy-revalidate":
		d.strict = true
	case "immutable":
		d.immutable = true
	case "s-maxage":
		d.sharedMaxAge = first(d.sharedMaxAge, seconds())
	case "max-age":
		d.maxAge = first(d.maxAge, seconds())
	case "stale-while-revalidate":
		d.staleWhileRevalidate = first(d.staleWhileRevalidate, seconds())
	case "stale-if-error":
		d.staleIfError = first(d.staleIfError, seconds())
	}
}

// apply puts what the directives say in place of the defaults. no-cache is a
// lifetime of zero. s-maxage implies proxy-revalidate (RFC 9111 §5.2.2.10), and
// must-understand outdoes no-store: a 200 is understood (§5.2.2.3).
func (d *directives) apply(l *Lifetime) {
	l.Keep = !d.private && (!d.noStore || d.understand)
	l.Immutable = d.immutable
	l.Strict = d.strict || d.noCache || d.sharedMaxAge != notGiven
	switch {
	case d.noCache:
		l.Fresh = 0
	case d.sharedMaxAge != notGiven:
		l.Fresh = d.sharedMaxAge
	case d.maxAge != notGiven:
		l.Fresh = d.maxAge
	case d.expires != notGiven:
		l.Fresh = d.expires
	}
	if d.staleWhileRevalidate != notGiven {
		l.StaleWhileRevalidate = d.staleWhileRevalidate
	}
	if d.staleIfError != notGiven {
		l.StaleIfError = d.staleIfError
	}
	if l.Strict {
		l.StaleWhileRevalidate, l.StaleIfError = 0, 0
	}
}
