package config

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// CORSRule lets pages of other origins read a bucket. The first that fits counts.
type CORSRule struct {
	AllowedOrigins []string      // each with at most one "*"
	AllowedMethods []string      // GET and HEAD
	AllowedHeaders []string      // each with at most one "*"
	ExposeHeaders  []string      // names
	MaxAge         time.Duration // 0 says nothing to browsers
}

// longestCORS is more than any browser remembers a preflight for.
const longestCORS = 24 * time.Hour

func readCORS(s *section, b *Bucket) {
	rules, _ := s.list("cors")
	for _, r := range rules {
		rule := CORSRule{
			AllowedOrigins: r.corsTexts("allowed_origins", originProblem),
			AllowedMethods: r.corsTexts("allowed_methods", methodProblem),
			AllowedHeaders: r.corsTexts("allowed_headers", headerPatternProblem),
			ExposeHeaders:  r.corsTexts("expose_headers", headerProblem),
		}
		if len(rule.AllowedOrigins) == 0 {
			r.wantOne("allowed_origins")
		}
		if len(rule.AllowedMethods) == 0 {
			r.wantOne("allowed_methods")
		}
		r.seconds("max_age", &rule.MaxAge, 0, longestCORS)
		b.CORS = append(b.CORS, rule)
	}
}

// wantOne reports a list that must have something in it.
func (s *section) wantOne(key string) {
	s.missing(key)
	if items, ok := s.items(key); ok && s.has(key) && len(items) == 0 {
		s.fail(key, "want at least one")
	}
}

// corsTexts reads one text or a list of them, each of which must be without a problem.
func (s *section) corsTexts(key string, problemOf func(string) string) []string {
	if !s.has(key) {
		s.take(key)
		return nil
	}
	all, at := s.oneOrMore(key)
	for i, text := range all {
		if problem := problemOf(text); problem != "" {
			s.doc.fail(at[i], "%s: %q %s", s.key(key), text, problem)
		}
	}
	return all
}

func originProblem(origin string) string {
	scheme, host, found := strings.Cut(origin, "://")
	switch {
	case strings.Count(origin, "*") > 1:
		return "has more than one *"
	case origin == "*" || origin == "null":
		return ""
	case strings.Contains(origin, "*") && !found:
		return "" // the * may stand for the scheme's end
	case !found || scheme == "" || host == "" || strings.ContainsAny(host, "/?#@ "):
		return "is no origin: want a scheme, a host and perhaps a port, as in https://app.example.com, and no path"
	}
	return ""
}

func methodProblem(method string) string {
	if !slices.Contains([]string{"GET", "HEAD"}, method) {
		return "is not a method that clients of Rookery have: want GET or HEAD"
	}
	return ""
}

func headerPatternProblem(name string) string {
	if strings.Count(name, "*") > 1 {
		return "has more than one *"
	}
	return headerProblem(name)
}

func headerProblem(name string) string {
	if !headerName.MatchString(name) {
		return "is not a header's name"
	}
	return ""
}

func effectiveCORS(rules []CORSRule) []yaml.MapSlice {
	all := make([]yaml.MapSlice, len(rules))
	for i, r := range rules {
		all[i] = compact(yaml.MapSlice{
			{Key: "allowed_origins", Value: escapeAll(r.AllowedOrigins)},
			{Key: "allowed_methods", Value: escapeAll(r.AllowedMethods)},
			{Key: "allowed_headers", Value: escapeAll(r.AllowedHeaders)},
			{Key: "expose_headers", Value: escapeAll(r.ExposeHeaders)},
			{Key: "max_age", Value: formatDuration(r.MaxAge)},
		})
	}
	return all
}
