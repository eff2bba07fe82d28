package origin

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"rookery/object"
)

// beginsWith reports whether a listed name, as it stands in the document, begins with the
// list's prefix. S3 servers write a space of encoding-type=url as "+" or as %20, and a
// plus accordingly; versitygw writes names as they are whatever it is asked. Control characters in a prefix go unchecked where they are not
// URL-encoded: XML has no way to write them, and servers have several.
func beginsWith(text string, l *object.List) bool {
	name, ok := unescape(text)
	switch {
	case l.Prefix == "":
		return true
	case !ok:
		return false
	case strings.HasPrefix(name, l.Prefix):
		return true
	case !l.URLEncoded:
		return strings.ContainsFunc(l.Prefix, unicode.IsControl)
	}
	query, err := url.QueryUnescape(name)
	path, pathErr := url.PathUnescape(name)
	return err == nil && strings.HasPrefix(query, l.Prefix) || pathErr == nil && strings.HasPrefix(path, l.Prefix)
}

// unescape undoes XML's references (XML 1.0 §4.1); those to control characters too.
func unescape(text string) (string, bool) {
	next := strings.IndexByte(text, '&')
	if next < 0 {
		return text, true
	}
	var b strings.Builder
	for next >= 0 {
		b.WriteString(text[:next])
		name, rest, ok := strings.Cut(text[next+1:], ";")
		r, known := reference(name)
		if !ok || !known {
			return "", false
		}
		b.WriteRune(r)
		text = rest
		next = strings.IndexByte(text, '&')
	}
	b.WriteString(text)
	return b.String(), true
}

var entities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

func reference(name string) (rune, bool) {
	digits, numeric := strings.CutPrefix(name, "#")
	if !numeric {
		r, ok := entities[name]
		return r, ok
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	return rune(n), err == nil
}
