package gateway

import (
	"strings"

	"rookery/object"
)

// entityTag is one entity-tag (RFC 9110 §8.8.3) without its quotes.
type entityTag struct {
	opaque string
	weak   bool
}

// nextTag takes the first member off a list of entity-tags (RFC 9110 §5.6.1).
// S3 takes tags without quotes as well: such a member ends at the next comma. ok
// is false when nothing is left.
func nextTag(list string) (tag entityTag, rest string, ok bool) {
	list = strings.TrimLeft(list, ", \t")
	if list == "" {
		return entityTag{}, "", false
	}
	after, weak := strings.CutPrefix(list, "W/")
	if quoted, isQuoted := strings.CutPrefix(after, `"`); isQuoted {
		opaque, rest, closed := strings.Cut(quoted, `"`)
		if !closed {
			return entityTag{opaque: list}, "", true // its quote makes it equal to nothing
		}
		return entityTag{opaque, weak}, rest, true
	}
	bare, rest, _ := strings.Cut(list, ",")
	return entityTag{opaque: strings.TrimRight(bare, " \t")}, rest, true
}

// matchStrong reports whether a member of list and etag are the same by strong
// comparison (RFC 9110 §8.8.3.2).
func matchStrong(list, etag string) bool {
	if !object.StrongETag(etag) {
		return false
	}
	opaque := etag[1 : len(etag)-1]
	for tag, rest, ok := nextTag(list); ok; tag, rest, ok = nextTag(rest) {
		if !tag.weak && tag.opaque == opaque {
			return true
		}
	}
	return false
}

// matchWeak is matchStrong by weak comparison.
func matchWeak(list, etag string) bool {
	own, _, ok := nextTag(etag)
	if !ok {
		return false
	}
	for tag, rest, ok := nextTag(list); ok; tag, rest, ok = nextTag(rest) {
		if tag.opaque == own.opaque {
			return true
		}
	}
	return false
}
