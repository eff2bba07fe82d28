package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const (
	notYet    = "not available in this version"
	noSavings = "this version does not count savings"
)

// refuse stops the start if the key is there at all, and says why.
func (s *section) refuse(key, why string) {
	if f, ok := s.take(key); ok {
		s.doc.fail(f.key, "%s: %s", s.key(key), why)
	}
}

// refuseUnlessOff stops the start unless the section says enabled: false. What
// else is in it does not matter then.
func (s *section) refuseUnlessOff(key, why string) {
	sub := s.section(key)
	if !sub.given || sub.opaque {
		return
	}
	on := true
	switch {
	case !sub.has("enabled"):
		s.doc.fail(sub.at, "%s: %s: leave it out or say enabled: false", s.key(key), why)
	case sub.boolean("enabled", &on) && on:
		sub.fail("enabled", "%s", why)
	}
	sub.opaque = true
}

// refuseUnlessTrue stops the start if the switch is off.
func (s *section) refuseUnlessTrue(key, why string) {
	on := true
	if s.boolean(key, &on) && !on {
		s.fail(key, "%s", why)
	}
}

// refuseUnlessEmpty stops the start if a list has anything in it.
func (s *section) refuseUnlessEmpty(key string) {
	if all, _ := s.items(key); len(all) > 0 {
		s.doc.fail(s.keyAt(key), "%s: %s", s.key(key), notYet)
	}
}

// onlyAt accepts a key of the old program at its default, where leaving it out
// says the same, and refuses every other value. The first of the values is the
// one to show.
func (s *section) onlyAt(key string, values ...string) {
	v, ok := s.scalar(key, "a value")
	if !ok {
		return
	}
	if slices.Contains(values, strings.TrimSpace(v.text)) {
		s.unused(key, notYet)
		return
	}
	s.fail(key, "%s: leave it out or at %s", notYet, values[0])
}

// unused accepts any value and warns that it has no effect.
func (s *section) unused(key, why string) {
	if f, ok := s.take(key); ok {
		s.doc.warn(f.key, "%s: has no effect: %s", s.key(key), why)
	}
}

// warnUnused warns of a checked key that has no effect yet and is not at its
// default.
func (s *section) warnUnused(key string, changed bool, why string) {
	if changed && s.has(key) {
		s.doc.warn(s.keyAt(key), "%s: has no effect: %s", s.key(key), why)
	}
}

// seconds reads a duration that the old program wrote as whole seconds.
func (s *section) seconds(key string, to *time.Duration, lowest, highest time.Duration) {
	if !s.isNumber(key) {
		s.duration(key, to, lowest, highest)
		return
	}
	var n int
	if s.integer(key, &n, int((lowest+time.Second-1)/time.Second), int(highest/time.Second)) {
		*to = time.Duration(n) * time.Second
	}
}

// megabytes reads a size that the old program wrote as whole MiB.
func (s *section) megabytes(key string, to *int64, lowest int64) {
	const most = 1 << 30 // an EiB or two: far from int64's end in bytes
	var n int
	if !s.integer(key, &n, int(lowest/mib), most) {
		return
	}
	*to = int64(n) * mib
}

// isNumber reports whether the key's value is a plain number after substitution.
func (s *section) isNumber(key string) bool {
	f, ok := s.fields[key]
	if !ok {
		return false
	}
	n := s.doc.resolve(f.value)
	if n == nil {
		return false
	}
	if _, isNumber := n.(*ast.IntegerNode); isNumber {
		return true
	}
	v, problem := s.doc.readScalar(n, "")
	return problem == "" && v.filled && strings.Trim(strings.TrimSpace(v.text), "0123456789") == ""
}

// instead stops the start and names the key to use.
func (s *section) instead(key, use string) {
	s.refuse(key, fmt.Sprintf("is not a key of Rookery: use %s", use))
}
