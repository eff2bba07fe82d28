package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// encode is AWS's UriEncode: every byte but the unreserved ones of RFC 3986 §2.3, and
// those that the caller keeps.
func encode(s, keep string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(unreserved, c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// encodePath: S3 encodes a path once and cleans nothing.
func encodePath(decoded string) string { return encode(decoded, "/") }

// canonicalQuery sorts encoded names, and values of one name. The signature itself is
// not among what it signs.
func canonicalQuery(all []parameter) string {
	encoded := make([]parameter, 0, len(all))
	for _, p := range all {
		if p.name != paramSignature {
			encoded = append(encoded, parameter{encode(p.name, ""), encode(p.value, "")})
		}
	}
	slices.SortFunc(encoded, func(a, b parameter) int {
		if by := strings.Compare(a.name, b.name); by != 0 {
			return by
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range encoded {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// canonicalHeader has a line for each signed header. It fails unless all of them are
// there, and every one that must be signed is.
func (q *signedRequest) canonicalHeader(r *Request) (string, error) {
	names := strings.Split(q.signedHeaders, ";")
	if err := q.checkSigned(r, names); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range names {
		values := []string{q.host}
		if name != "host" {
			values = r.Header.Values(http.CanonicalHeaderKey(name))
		}
		if len(values) == 0 {
			return "", fmt.Errorf("the header %q is signed and not there", name)
		}
		b.WriteString(name + ":")
		for i, value := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(collapse(value))
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// checkSigned: names are in lower case and sorted, and have host and every x-amz-*
// header of the request among them.
func (q *signedRequest) checkSigned(r *Request, names []string) error {
	for i, name := range names {
		if name == "" || name != strings.ToLower(name) || i > 0 && names[i-1] >= name {
			return errors.New("the signed headers are not sorted names in lower case")
		}
	}
	if !slices.Contains(names, "host") {
		return errors.New("host is not signed")
	}
	fields, ok := r.Header.(http.Header)
	if !ok {
		return errors.New("this engine cannot tell which headers there are")
	}
	for name := range fields {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(names, name) {
			return fmt.Errorf("the header %.40q is not signed", name)
		}
	}
	return nil
}

// collapse trims a value and makes one space of many.
func collapse(value string) string {
	value = strings.Trim(value, " \t")
	if !strings.Contains(value, "  ") {
		return value
	}
	var b strings.Builder
	for i := range len(value) {
		if value[i] != ' ' || value[i-1] != ' ' {
			b.WriteByte(value[i])
		}
	}
	return b.String()
}
