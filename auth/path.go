package auth

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PathPattern is a pattern of object names, segment by segment.
type PathPattern struct {
	Segments []PathSegment
	// Below: every name that goes on after the segments and a slash. Without it a
	// name has these segments and no others.
	Below bool
}

// PathSegment is what stands between two slashes.
type PathSegment struct {
	Any           bool     // whatever stands there, but something
	Before, After string   // around the claim; Before alone is the text without one
	Claim         []string // the way to the claim; nil for none
}

// judge compares the name that is read. A list is of all names that begin with its
// prefix, so it meets a pattern if all of these do. Whether a bucket is there may be
// learnt by who could read something.
//
// Names with a "." or ".." segment meet none: S3 takes them as they are, but what is
// behind S3 may not.
func (p *PathPattern) judge(r *Request, claims map[string]any) verdict {
	rest, more := r.Name, true // more: there is a segment, though it may be empty
	for i := range p.Segments {
		want, fixed, ok := p.Segments[i].value(claims)
		if !ok {
			return unknown
		}
		if r.Action == Buckets {
			continue
		}
		var got string
		there := more
		got, rest, more = strings.Cut(rest, "/")
		if !there || fixed && got != want || !fixed && got == "" {
			return unmet
		}
	}
	switch {
	case r.Action == Buckets:
		return met
	case hasDots(r.Name):
		return unmet
	case p.Below:
		return verdictOf(more || len(p.Segments) == 0)
	}
	return verdictOf(!more && r.Action == Read)
}

// value returns what the segment must be, or not fixed. It is not ok if the claim is
// none that can stand between two slashes.
func (s *PathSegment) value(claims map[string]any) (text string, fixed, ok bool) {
	if s.Any {
		return "", false, true
	}
	if s.Claim == nil {
		return s.Before, true, true
	}
	value, ok := segmentOf(find(claims, s.Claim))
	return s.Before + value + s.After, true, ok
}

// maxSegmentBytes is less than the longest name.
const maxSegmentBytes = 512

// segmentOf returns a claim's value as a segment of a name. It refuses what would reach
// further than its own segment, or stand for something else than it shows: nothing, a
// slash, dots, control characters, and what JSON had to replace.
func segmentOf(value any) (string, bool) {
	var text string
	switch value := value.(type) {
	case string:
		text = value
	case json.Number: // an id; never 1e3
		if _, err := strconv.ParseInt(string(value), 10, 64); err != nil {
			return "", false
		}
		text = string(value)
	}
	unfit := func(r rune) bool { return r == '/' || r == utf8.RuneError || unicode.IsControl(r) }
	if text == "" || text == "." || text == ".." || len(text) > maxSegmentBytes || strings.ContainsFunc(text, unfit) {
		return "", false
	}
	return text, true
}

func hasDots(name string) bool {
	if !strings.Contains(name, ".") {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
