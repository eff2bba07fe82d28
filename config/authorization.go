package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// OPA is the policy server that a bucket's reads are put to.
type OPA struct {
	URL        string
	PolicyPath string // below /v1/data, without a slash at either end
	Timeout    time.Duration
	CacheTTL   time.Duration // 0: nothing is remembered
}

// policyPath is names of Rego packages and rules.
var policyPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

// readAuthorization reads who is asked whether a bucket may be read; nil for nobody. The
// keys are those of the old program.
func readAuthorization(s *section) *OPA {
	if !s.given {
		return nil
	}
	s.missing("type")
	if kind, ok := s.choice("type", "opa", "openfga"); ok && kind == "openfga" {
		s.fail("type", "OpenFGA is not available in this version: use opa")
		s.opaque = true
		return nil
	}
	o := &OPA{Timeout: 100 * time.Millisecond, CacheTTL: time.Minute}
	s.missing("opa_url")
	s.missing("opa_policy_path")
	readPolicy(s, o)
	var n int
	if s.integer("opa_timeout_ms", &n, 1, 60_000) {
		o.Timeout = time.Duration(n) * time.Millisecond
	}
	if s.integer("opa_cache_ttl_seconds", &n, 0, 24*3600) {
		o.CacheTTL = time.Duration(n) * time.Second
	}
	if mode, ok := s.choice("opa_fail_mode", "closed", "open"); ok && mode == "open" {
		s.fail("opa_fail_mode", "what OPA does not decide is always refused: leave it out or say closed")
	}
	return o
}

func readPolicy(s *section, o *OPA) {
	if s.text("opa_url", &o.URL) {
		u, err := url.Parse(o.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			s.fail("opa_url", "want a URL such as http://127.0.0.1:8181, without a user, a password or a query")
		}
	}
	if s.text("opa_policy_path", &o.PolicyPath) {
		if o.PolicyPath = strings.Trim(o.PolicyPath, "/"); !policyPath.MatchString(o.PolicyPath) {
			s.fail("opa_policy_path", "want the names of packages and a rule, as authz/allow")
		}
	}
}

func (o *OPA) effective() yaml.MapSlice {
	return yaml.MapSlice{
		{Key: "type", Value: "opa"},
		{Key: "opa_url", Value: escape(o.URL)},
		{Key: "opa_policy_path", Value: o.PolicyPath},
		{Key: "opa_timeout_ms", Value: o.Timeout.Milliseconds()},
		{Key: "opa_cache_ttl_seconds", Value: int(o.CacheTTL / time.Second)},
		{Key: "opa_fail_mode", Value: "closed"},
	}
}
