package object

import (
	"iter"
	"slices"
	"strings"
)

// TagSeparators stand between the tags of one header field: Cache-Tag has commas,
// Surrogate-Key spaces.
const TagSeparators = ", \t"

// MaxTags bounds the tags of one object. Those beyond it are not seen.
const MaxTags = 1024

// Tags returns the cache tags of an object: what stands in the named header
// fields, whose names must be in canonical form, in the origin's order and repeated
// where the origin repeats it. It does not allocate.
func (i *Info) Tags(headers []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		left := MaxTags
		for f := range i.Header {
			if slices.Contains(headers, i.Header[f].Name) && !eachTag(i.Header[f].Value, &left, yield) {
				return
			}
		}
	}
}

// eachTag yields the tags of one field's value, and counts them off left. It
// returns false when that is to be the last.
func eachTag(value string, left *int, yield func(string) bool) bool {
	for value != "" {
		tag := value
		if end := strings.IndexAny(value, TagSeparators); end >= 0 {
			tag, value = value[:end], value[end+1:]
		} else {
			value = ""
		}
		if tag == "" {
			continue
		}
		if *left == 0 || !yield(tag) {
			return false
		}
		*left--
	}
	return true
}
