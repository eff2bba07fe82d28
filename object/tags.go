package object

import (
	"iter"
	"strings"
)

// Tags returns the object's cache tags: what the named response headers list,
// between commas or spaces. It is nil if no header is named.
func (i *Info) Tags(headers []string) iter.Seq[string] {
	if len(headers) == 0 {
		return nil
	}
	return func(yield func(string) bool) {
		for _, f := range i.Header {
			for _, name := range headers {
				if f.Name != name {
					continue
				}
				for tag := range strings.FieldsFuncSeq(f.Value, func(r rune) bool { return r == ',' || r == ' ' }) {
					if !yield(tag) {
						return
					}
				}
			}
		}
	}
}
