package object

import (
	"iter"
	"slices"
	"strings"
)

// TagSeparators stand between the tags of one header field: Cache-Tag has commas,
// Surrogate-Key spaces.
const TagSeparators = ", \t"

// Tags returns the cache tags of an object: what stands in the named header
// fields, whose names must be in canonical form, in the origin's order and repeated
// where the origin repeats it. All of them: a purge by a tag that was overlooked would
// promise too much. It does not allocate.
func (i *Info) Tags(headers []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range i.Header {
			if slices.Contains(headers, i.Header[f].Name) && !eachTag(i.Header[f].Value, yield) {
				return
			}
		}
	}
}

// eachTag yields the tags of one field's value. It returns false when that is to be
// the last.
func eachTag(value string, yield func(string) bool) bool {
	for value != "" {
		tag := value
		if end := strings.IndexAny(value, TagSeparators); end >= 0 {
			tag, value = value[:end], value[end+1:]
		} else {
			value = ""
		}
		if tag != "" && !yield(tag) {
			return false
		}
	}
	return true
}
