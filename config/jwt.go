package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// JWT says which tokens clients may bring, and who is behind them.
type JWT struct {
	Enabled bool
	Sources []TokenSource // none: the Authorization header's Bearer
	Issuers []Issuer      // at least one where it is enabled
	// Claims is what every token must meet, whatever bucket it is brought to.
	Claims []Condition
	// AdminClaims is what makes a token an operator's; none: no token is.
	AdminClaims []Condition
}

// TokenSource is a place in a request where a token may be.
type TokenSource struct {
	Type   string // bearer, header, query or cookie
	Name   string // "" for bearer
	Prefix string // of a header's value
}

// readJWT reads the section of tokens. Where it is switched off, what is in it does not
// matter.
func readJWT(s *section, j *JWT) {
	if s.given && !s.boolean("enabled", &j.Enabled) {
		s.missing("enabled")
	}
	if !j.Enabled {
		for _, key := range append([]string{"enabled", "token_sources", "issuers", "claims", "admin_claims"}, issuerKeys...) {
			s.take(key)
		}
		return
	}
	readSources(s, j)
	readIssuers(s, j)
	j.Claims = readConditions(s, "claims")
	j.AdminClaims = readConditions(s, "admin_claims")
	if hasPaths(j.AdminClaims) {
		s.fail("admin_claims", "path: operators read no objects")
	}
}

func readSources(s *section, j *JWT) {
	sections, _ := s.list("token_sources")
	for _, one := range sections {
		var source TokenSource
		source.Type, _ = one.choice("type", "bearer", "header", "query", "cookie")
		if !one.has("type") {
			one.missing("type")
		}
		named := one.text("name", &source.Name)
		prefixed := one.text("prefix", &source.Prefix)
		switch {
		case source.Type == "bearer" && named && !strings.EqualFold(source.Name, "authorization"):
			one.fail("name", "a bearer token is in the header Authorization: leave the name out, or say type: header")
		case source.Type == "bearer" && prefixed && strings.TrimSpace(source.Prefix) != "Bearer":
			one.fail("prefix", "a bearer token stands behind Bearer: leave the prefix out, or say type: header")
		case source.Type == "bearer":
			source.Name, source.Prefix = "", ""
		case source.Type != "" && !named:
			one.missing("name")
		case source.Type != "header" && prefixed:
			one.fail("prefix", "only a header has one")
		}
		checkSourceName(one, source)
		if slices.Contains(j.Sources, source) {
			one.fail("type", "the same place is there twice")
		}
		j.Sources = append(j.Sources, source)
	}
}

// checkSourceName refuses names that cannot be, and those that S3 has for something
// else.
func checkSourceName(s *section, source TokenSource) {
	lower := strings.ToLower(source.Name)
	switch {
	case source.Type == "header" && source.Name != "" && !headerName.MatchString(source.Name):
		s.fail("name", "%q is not a header's name", source.Name)
	case source.Type == "cookie" && source.Name != "" && !headerName.MatchString(source.Name):
		s.fail("name", "%q is not a cookie's name", source.Name)
	case source.Type == "query" && (strings.HasPrefix(lower, "x-amz-") || strings.HasPrefix(lower, "response-") ||
		lower == "versionid" || lower == "partnumber" || lower == "prefix"):
		s.fail("name", "%s is a parameter of S3's: take another", source.Name)
	}
}

func readIssuers(s *section, j *JWT) {
	sections, _ := s.list("issuers")
	if len(sections) == 0 {
		var i Issuer
		readIssuer(s, &i)
		j.Issuers = []Issuer{i}
		return
	}
	for _, key := range issuerKeys {
		if s.has(key) {
			s.refuse(key, "each of jwt.issuers has its own: move it there")
		}
	}
	for _, one := range sections {
		var i Issuer
		readIssuer(one, &i)
		same := func(other Issuer) bool { return other.Name == i.Name }
		switch {
		case i.Name == "" && len(sections) > 1:
			one.missing("issuer")
		case slices.ContainsFunc(j.Issuers, same):
			one.fail("issuer", "%q is there twice", i.Name)
		}
		j.Issuers = append(j.Issuers, i)
	}
}

func (j *JWT) effective() yaml.MapSlice {
	section := yaml.MapSlice{{Key: "enabled", Value: j.Enabled}}
	if !j.Enabled {
		return section
	}
	if len(j.Sources) > 0 {
		sources := make([]yaml.MapSlice, len(j.Sources))
		for i, one := range j.Sources {
			sources[i] = compact(yaml.MapSlice{
				{Key: "type", Value: one.Type}, {Key: "name", Value: escape(one.Name)}, {Key: "prefix", Value: escape(one.Prefix)},
			})
		}
		section = append(section, yaml.MapItem{Key: "token_sources", Value: sources})
	}
	issuers := make([]yaml.MapSlice, len(j.Issuers))
	for i := range j.Issuers {
		issuers[i] = j.Issuers[i].effective()
	}
	section = append(section, yaml.MapItem{Key: "issuers", Value: issuers})
	for _, list := range []struct {
		key string
		all []Condition
	}{{"claims", j.Claims}, {"admin_claims", j.AdminClaims}} {
		if len(list.all) > 0 {
			section = append(section, yaml.MapItem{Key: list.key, Value: effectiveConditions(list.all)})
		}
	}
	return section
}
