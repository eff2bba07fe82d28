package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// SourceType is where in a request a token may be.
type SourceType uint8

// The places.
const (
	Bearer SourceType = iota // Authorization: Bearer <token> (RFC 6750 §2.1)
	InHeader
	InQuery
	InCookie
)

// Source is one place where a token may be.
type Source struct {
	Type SourceType
	Name string // of the header, query parameter or cookie
	// Prefix stands before a token in a header. A value without it is no token.
	Prefix string
}

// found are the tokens of a request: how many, and the last.
type found struct {
	token string
	count int
}

// add takes a token; an empty one is none.
func (f *found) add(token string) {
	if token != "" {
		f.token, f.count = token, f.count+1
	}
}

// look finds every token that the source has in the request.
func (s *Source) look(r *Request, to *found) error {
	switch s.Type {
	case InHeader:
		s.prefixed(r.Header.Values(http.CanonicalHeaderKey(s.Name)), to)
	case InQuery:
		return s.query(r.Target, to)
	case InCookie:
		s.cookies(r.Header.Values("Cookie"), to)
	default:
		bearer(r.Header.Values("Authorization"), to)
	}
	return nil
}

// bearer: the scheme's case does not matter (RFC 9110 §11.1).
func bearer(values []string, to *found) {
	const scheme = "Bearer "
	for _, value := range values {
		if len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
			to.add(strings.Trim(value[len(scheme):], " "))
		}
	}
}

func (s *Source) prefixed(values []string, to *found) {
	for _, value := range values {
		if token, ok := strings.CutPrefix(value, s.Prefix); ok {
			to.add(strings.Trim(token, " "))
		}
	}
}

// query reads the raw target, as the gateway does.
func (s *Source) query(target string, to *found) error {
	_, query, _ := strings.Cut(target, "?")
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		rawName, rawValue, _ := strings.Cut(pair, "=")
		if name, err := url.PathUnescape(rawName); err != nil || name != s.Name {
			continue
		}
		token, err := url.PathUnescape(rawValue)
		if err != nil {
			return errors.New("a token in the query is not encoded well")
		}
		to.add(token)
	}
	return nil
}

// cookies does not mind what other cookies look like (RFC 6265 §5.4 has browsers send
// what they were given).
func (s *Source) cookies(values []string, to *found) {
	for _, value := range values {
		for pair := range strings.SplitSeq(value, ";") {
			if name, token, _ := strings.Cut(strings.Trim(pair, " \t"), "="); name == s.Name {
				to.add(strings.Trim(token, `"`))
			}
		}
	}
}
