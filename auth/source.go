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

// tokens returns every token that the source finds in the request. Empty ones are none.
func (s *Source) tokens(r *Request) ([]string, error) {
	switch s.Type {
	case InHeader:
		return s.prefixed(r.Header.Values(http.CanonicalHeaderKey(s.Name))), nil
	case InQuery:
		return s.query(r.Target)
	case InCookie:
		return s.cookies(r.Header.Values("Cookie")), nil
	}
	return bearer(r.Header.Values("Authorization")), nil
}

// bearer: the scheme's case does not matter (RFC 9110 §11.1).
func bearer(values []string) (all []string) {
	const scheme = "Bearer "
	for _, value := range values {
		if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
			continue
		}
		if token := strings.Trim(value[len(scheme):], " "); token != "" {
			all = append(all, token)
		}
	}
	return all
}

func (s *Source) prefixed(values []string) (all []string) {
	for _, value := range values {
		token, ok := strings.CutPrefix(value, s.Prefix)
		if token = strings.Trim(token, " "); ok && token != "" {
			all = append(all, token)
		}
	}
	return all
}

// query reads the raw target, as the gateway does.
func (s *Source) query(target string) (all []string, err error) {
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
			return nil, errors.New("a token in the query is not encoded well")
		}
		if token != "" {
			all = append(all, token)
		}
	}
	return all, nil
}

// cookies does not mind what other cookies look like (RFC 6265 §5.4 has browsers send
// what they were given).
func (s *Source) cookies(values []string) (all []string) {
	for _, value := range values {
		for pair := range strings.SplitSeq(value, ";") {
			name, token, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if token = strings.Trim(token, `"`); name == s.Name && token != "" {
				all = append(all, token)
			}
		}
	}
	return all
}
