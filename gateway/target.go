package gateway

import (
	"strings"
	"unicode/utf8"
)

// target is a request target (RFC 9112 §3.2) taken apart.
type target struct {
	host  string // from an absolute-form target, else from the Host header
	path  string // decoded once; always begins with "/"
	query string // raw, without its "?"
}

// parseTarget reads a request target in origin form or absolute form. The path
// is decoded exactly once and never cleaned: "//", "." and ".." are parts of S3
// names. Control characters, NUL among them, are legal in S3 names ("characters
// to avoid", not forbidden ones) and pass; what is not UTF-8 does not.
func parseTarget(raw, host string) (target, error) {
	t := target{host: host}
	rest := raw
	if !strings.HasPrefix(rest, "/") {
		authority, path, ok := absoluteForm(raw)
		if !ok {
			return target{}, invalidURI
		}
		t.host, rest = authority, path
	}
	rest, t.query, _ = strings.Cut(rest, "?")
	path, ok := decodeOnce(rest)
	if !ok || !utf8.ValidString(path) {
		return target{}, invalidURI
	}
	t.path = path
	return t, nil
}

// absoluteForm splits "http://host/path?query" into host and the rest, which
// gets its "/" if it has none (RFC 9112 §3.2.2). An authority that is empty or
// carries user information is refused (RFC 9110 §4.2.4).
func absoluteForm(raw string) (authority, rest string, ok bool) {
	scheme, after, found := strings.Cut(raw, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", false
	}
	authority = after
	if end := strings.IndexAny(after, "/?"); end >= 0 {
		authority, rest = after[:end], after[end:]
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return authority, rest, authority != "" && !strings.Contains(authority, "@")
}

// decodeOnce undoes percent-encoding (RFC 3986 §2.1). "+" stays "+". It reports
// false for an escape that is none. Without escapes it does not allocate.
func decodeOnce(s string) (string, bool) {
	next := strings.IndexByte(s, '%')
	if next < 0 {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for next >= 0 {
		if len(s) < next+3 {
			return "", false
		}
		high, low := unhex(s[next+1]), unhex(s[next+2])
		if high < 0 || low < 0 {
			return "", false
		}
		out = append(append(out, s[:next]...), byte(high<<4|low))
		s = s[next+3:]
		next = strings.IndexByte(s, '%')
	}
	return string(append(out, s...)), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
