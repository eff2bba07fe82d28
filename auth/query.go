package auth

import (
	"errors"
	"iter"
	"net/url"
	"slices"
	"strings"
)

// parameter is one of a query, both sides decoded.
type parameter struct{ name, value string }

// errEncoding: RFC 3986 §2.1 knows no such escape.
var errEncoding = errors.New("an escape in the target is none")

// splitTarget takes a raw request target apart as the gateway does: the authority of
// an absolute form ("" for origin form), the path, and the query without its "?".
func splitTarget(target string) (authority, path, query string) {
	path, query, _ = strings.Cut(target, "?")
	if strings.HasPrefix(path, "/") {
		return "", path, query
	}
	if _, after, ok := strings.Cut(path, "://"); ok {
		authority, path, _ = strings.Cut(after, "/")
		path = "/" + path
	}
	return authority, path, query
}

// rawParameters gives the parameters of a raw query in their order, undecoded. Empty
// ones are none.
func rawParameters(query string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for pair := range strings.SplitSeq(query, "&") {
			if name, value, _ := strings.Cut(pair, "="); pair != "" && !yield(name, value) {
				return
			}
		}
	}
}

// parseParameters decodes a query. A plus is a space, as S3 and forms have it; but not
// in a versionId, which S3 may have made with one, and the gateway takes as it stands.
func parseParameters(query string) (all []parameter, err error) {
	for rawName, rawValue := range rawParameters(query) {
		name, err := url.PathUnescape(rawName)
		if err != nil {
			return nil, errEncoding
		}
		if name != "versionId" {
			name, rawValue = strings.ReplaceAll(rawName, "+", " "), strings.ReplaceAll(rawValue, "+", " ")
			if name, err = url.PathUnescape(name); err != nil {
				return nil, errEncoding
			}
		}
		value, err := url.PathUnescape(rawValue)
		if err != nil {
			return nil, errEncoding
		}
		all = append(all, parameter{name, value})
	}
	return all, nil
}

// mentions reports whether a query has a parameter of one of the names, which are in
// lower case, in whatever spelling: what looks like a proof is one, and must hold.
func mentions(query string, names ...string) bool {
	for name := range rawParameters(query) {
		if strings.Contains(name, "%") {
			name, _ = url.PathUnescape(name)
		}
		if slices.Contains(names, strings.ToLower(name)) {
			return true
		}
	}
	return false
}
