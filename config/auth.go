package config

import "github.com/goccy/go-yaml"

// BucketAuth says who may read a bucket.
type BucketAuth struct {
	Enabled    bool // false: everybody
	JWT        BucketJWT
	SigV4      []SigV4Key // none: such signatures are not taken
	SignedURLs SignedURLs
}

// BucketJWT is what a bucket asks of tokens.
type BucketJWT struct {
	Enabled bool        // tokens are taken
	Claims  []Condition // beside those of the jwt section
}

// readAuth reads who may read a bucket. A bucket that asks for a guard and would have
// none must not be served.
func readAuth(s *section, c *Config, a *BucketAuth) {
	s.boolean("enabled", &a.Enabled)
	tokens := s.section("jwt")
	a.JWT.Enabled = a.Enabled && c.JWT.Enabled
	if on := true; tokens.boolean("enabled", &on) {
		a.JWT.Enabled = a.Enabled && on
		if on && a.Enabled && !c.JWT.Enabled {
			tokens.fail("enabled", "there are no tokens without the jwt section and jwt.enabled: true")
		}
	}
	a.JWT.Claims = readConditions(tokens, "claims")
	readSigV4(s.section("sigv4"), a)
	readSignedURLs(s.section("signed_urls"), &a.SignedURLs)
	signatures := len(a.SigV4)+len(a.SignedURLs.Keys) > 0
	switch {
	case (tokens.given || signatures) && !s.has("enabled"):
		s.missing("enabled")
	case !a.Enabled:
		*a = BucketAuth{}
	case !a.JWT.Enabled && !signatures:
		s.fail("enabled", "nobody could come in: give the jwt section, with enabled: true, or sigv4.keys or signed_urls.keys here")
	}
}

func (a *BucketAuth) effective() yaml.MapSlice {
	section := yaml.MapSlice{{Key: "enabled", Value: a.Enabled}}
	if !a.Enabled {
		return section
	}
	tokens := yaml.MapSlice{{Key: "enabled", Value: a.JWT.Enabled}}
	if len(a.JWT.Claims) > 0 {
		tokens = append(tokens, yaml.MapItem{Key: "claims", Value: effectiveConditions(a.JWT.Claims)})
	}
	section = append(section, yaml.MapItem{Key: "jwt", Value: tokens})
	if len(a.SigV4) > 0 {
		section = append(section, yaml.MapItem{Key: "sigv4", Value: effectiveSigV4(a.SigV4)})
	}
	if len(a.SignedURLs.Keys) > 0 {
		section = append(section, yaml.MapItem{Key: "signed_urls", Value: effectiveSignedURLs(&a.SignedURLs)})
	}
	return section
}
