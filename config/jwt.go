package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

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

// Issuer makes tokens.
type Issuer struct {
	Name          string // "iss" of its tokens; "" if there is one issuer alone and any will do
	Algorithms    []string
	Audience      []string
	RequireExpiry bool
	Leeway        time.Duration
	Keys          []TokenKey
	JWKS          *JWKS // nil for none
}

// TokenKey is a key of an issuer: a secret, or the PEM file of a public key.
type TokenKey struct {
	ID        string // "kid"; may be empty
	Algorithm string
	Secret    Secret
	Path      string
}

// JWKS is where an issuer publishes its keys.
type JWKS struct {
	URL     string
	Refresh time.Duration
	Keep    time.Duration // how long the last keys are used while no new ones can be had
	CA      string        // a PEM file of who vouches for the server; "": the system's
}

// secretBytes is how long a secret must be at least, by its algorithm (RFC 7518 §3.2).
var secretBytes = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

var tokenAlgorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// issuerKeys are the keys of the jwt section that describe an issuer.
var issuerKeys = []string{
	"issuer", "algorithm", "audience", "require_expiry", "leeway", "secret", "rsa_public_key_path", "ecdsa_public_key_path",
	"keys", "jwks_url", "jwks_refresh_interval_secs", "jwks_keep", "jwks_ca_path",
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

func readIssuer(s *section, i *Issuer) {
	i.RequireExpiry, i.Leeway = true, 30*time.Second
	s.text("issuer", &i.Name)
	i.Audience, _ = s.oneOrMore("audience")
	s.boolean("require_expiry", &i.RequireExpiry)
	s.duration("leeway", &i.Leeway, 0, 10*time.Minute)
	readAlgorithms(s, i)
	readIssuerKeys(s, i)
	readJWKS(s, i)
	if len(i.Keys) == 0 && i.JWKS == nil && !s.opaque && !s.has("keys") && !s.has("secret") {
		s.doc.fail(s.at, "%s: has no key: give secret, rsa_public_key_path, ecdsa_public_key_path, keys or jwks_url", s.name())
	}
	checkFamilies(s, i)
}

func readAlgorithms(s *section, i *Issuer) {
	names, at := s.oneOrMore("algorithm")
	for n, name := range names {
		switch {
		case !slices.Contains(tokenAlgorithms, name):
			s.doc.fail(at[n], "%s: want one of %s, got %q", s.key("algorithm"), strings.Join(tokenAlgorithms, ", "), name)
		case !slices.Contains(i.Algorithms, name):
			i.Algorithms = append(i.Algorithms, name)
		}
	}
}

// readIssuerKeys reads the keys that are given here, in any of their forms.
func readIssuerKeys(s *section, i *Issuer) {
	var secret TokenKey
	if s.secret("secret", &secret.Secret) {
		secret.Algorithm = s.algorithmFor("secret", i, "HS")
		s.checkSecret("secret", &secret)
		i.Keys = append(i.Keys, secret)
	}
	for _, public := range []struct{ key, family string }{{"rsa_public_key_path", "RS PS"}, {"ecdsa_public_key_path", "ES"}} {
		var k TokenKey
		if s.text(public.key, &k.Path) {
			k.Algorithm = s.algorithmFor(public.key, i, public.family)
			i.Keys = append(i.Keys, k)
		}
	}
	sections, _ := s.list("keys")
	for _, one := range sections {
		var k TokenKey
		readTokenKey(one, i, &k)
		if k.ID != "" && slices.ContainsFunc(i.Keys, func(other TokenKey) bool { return other.ID == k.ID }) {
			one.fail("id", "%q is there twice", k.ID)
		}
		i.Keys = append(i.Keys, k)
	}
	if len(i.Keys) > maxTokenKeys {
		s.fail("keys", "more than %d keys", maxTokenKeys)
	}
}

// maxTokenKeys bounds what a token without a kid makes a node try.
const maxTokenKeys = 32

// algorithmFor returns the issuer's algorithm of a family, which has to be one alone.
func (s *section) algorithmFor(key string, i *Issuer, families string) string {
	var fit []string
	for _, name := range i.Algorithms {
		if slices.Contains(strings.Fields(families), name[:2]) {
			fit = append(fit, name)
		}
	}
	if len(fit) != 1 {
		s.fail(key, "want an algorithm beside it, one of those that begin with %s", strings.ReplaceAll(families, " ", " or "))
		return ""
	}
	return fit[0]
}

func readTokenKey(s *section, i *Issuer, k *TokenKey) {
	s.text("id", &k.ID)
	k.Algorithm, _ = s.choice("algorithm", tokenAlgorithms...)
	switch {
	case s.has("algorithm"):
	case len(i.Algorithms) == 1:
		k.Algorithm = i.Algorithms[0]
	default:
		s.missing("algorithm")
	}
	secret, path := s.secret("secret", &k.Secret), s.text("path", &k.Path)
	isSecret := secretBytes[k.Algorithm] > 0
	switch {
	case k.Algorithm == "":
	case !s.has("secret") && !s.has("path"):
		s.doc.fail(s.at, "%s: has no key: give secret or path", s.name())
	case path && isSecret:
		s.fail("path", "%s wants a secret", k.Algorithm)
	case secret && !isSecret:
		s.fail("secret", "%s wants the path of a public key's PEM file", k.Algorithm)
	case secret:
		s.checkSecret("secret", k)
	}
	if k.Algorithm != "" && !slices.Contains(i.Algorithms, k.Algorithm) {
		i.Algorithms = append(i.Algorithms, k.Algorithm)
	}
}

// checkSecret refuses a secret that can be guessed from a token.
func (s *section) checkSecret(key string, k *TokenKey) {
	if want := secretBytes[k.Algorithm]; len(k.Secret) < want {
		s.fail(key, "%d bytes are too few: %s wants %d at least (openssl rand -base64 %d)", len(k.Secret), k.Algorithm, want, want)
	}
}

func readJWKS(s *section, i *Issuer) {
	j := JWKS{Refresh: time.Hour, Keep: 24 * time.Hour}
	given := s.text("jwks_url", &j.URL)
	s.whole("jwks_refresh_interval_secs", &j.Refresh, time.Second, 10, 7*24*3600)
	s.duration("jwks_keep", &j.Keep, time.Minute, 30*24*time.Hour)
	s.text("jwks_ca_path", &j.CA)
	if !given {
		return
	}
	if problem := checkJWKSURL(j.URL); problem != "" {
		s.fail("jwks_url", "%s", problem)
	}
	if j.Keep < j.Refresh {
		s.fail("jwks_keep", "%s is less than jwks_refresh_interval_secs: there would be no keys in between", formatDuration(j.Keep))
	}
	if len(i.Algorithms) == 0 && !s.has("algorithm") {
		s.missing("algorithm")
	}
	i.JWKS = &j
}

func checkJWKSURL(text string) (problem string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "want a URL such as https://issuer.example.com/keys"
	}
	if u.User != nil || u.Fragment != "" {
		return "want a URL without a user and without a fragment"
	}
	address, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && (err != nil || !address.IsLoopback()) {
		return "want https: who can change what is fetched can make tokens (http is for 127.0.0.1 and ::1)"
	}
	return ""
}

// checkFamilies refuses secrets and public keys in one issuer: a public key must never
// be taken for a secret.
func checkFamilies(s *section, i *Issuer) {
	secrets := 0
	for _, name := range i.Algorithms {
		if secretBytes[name] > 0 {
			secrets++
		}
	}
	key := "algorithm"
	if !s.has(key) {
		key = "keys"
	}
	switch {
	case secrets > 0 && secrets < len(i.Algorithms):
		s.fail(key, "secrets (HS…) and public keys are not for one issuer: give each an entry of jwt.issuers")
	case secrets > 0 && i.JWKS != nil:
		s.fail("jwks_url", "secrets (HS…) are not published: give the public keys an entry of jwt.issuers")
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

func (i *Issuer) effective() yaml.MapSlice {
	section := compact(yaml.MapSlice{
		{Key: "issuer", Value: escape(i.Name)},
		{Key: "algorithm", Value: i.Algorithms},
		{Key: "audience", Value: escapeAll(i.Audience)},
		{Key: "require_expiry", Value: i.RequireExpiry},
		{Key: "leeway", Value: formatDuration(i.Leeway)},
	})
	if len(i.Keys) > 0 {
		keys := make([]yaml.MapSlice, len(i.Keys))
		for n, k := range i.Keys {
			keys[n] = compact(yaml.MapSlice{
				{Key: "id", Value: escape(k.ID)},
				{Key: "algorithm", Value: k.Algorithm},
				{Key: "secret", Value: masked(k.Secret)},
				{Key: "path", Value: escape(k.Path)},
			})
		}
		section = append(section, yaml.MapItem{Key: "keys", Value: keys})
	}
	if i.JWKS == nil {
		return section
	}
	return append(section, compact(yaml.MapSlice{
		{Key: "jwks_url", Value: escape(i.JWKS.URL)},
		{Key: "jwks_refresh_interval_secs", Value: int(i.JWKS.Refresh / time.Second)},
		{Key: "jwks_keep", Value: formatDuration(i.JWKS.Keep)},
		{Key: "jwks_ca_path", Value: escape(i.JWKS.CA)},
	})...)
}
