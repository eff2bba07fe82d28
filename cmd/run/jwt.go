package run

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"rookery/auth"
	"rookery/config"
)

// maxPEMBytes bounds the file of a key or of certificates.
const maxPEMBytes = 1 << 20

// openJWT makes what verifies tokens, with nothing remembered; nil where there are
// none. Its fetching of published keys ends with ctx.
func (n *Node) openJWT(ctx context.Context, cfg *config.Config) (*auth.JWT, error) {
	if !cfg.JWT.Enabled {
		return nil, nil
	}
	o := auth.JWTOptions{Before: n.tokens, Log: n.log, Metrics: n.metrics}
	for _, s := range cfg.JWT.Sources {
		o.Sources = append(o.Sources, auth.Source{Type: sourceTypes[s.Type], Name: s.Name, Prefix: s.Prefix})
	}
	for i := range cfg.JWT.Issuers {
		issuer, err := issuerOf(&cfg.JWT.Issuers[i])
		if err != nil {
			return nil, err
		}
		o.Issuers = append(o.Issuers, issuer)
	}
	tokens, err := auth.NewJWT(ctx, o)
	if err == nil {
		n.tokens = tokens
	}
	return tokens, err
}

var sourceTypes = map[string]auth.SourceType{
	"bearer": auth.Bearer, "header": auth.InHeader, "query": auth.InQuery, "cookie": auth.InCookie,
}

func issuerOf(c *config.Issuer) (auth.Issuer, error) {
	issuer := auth.Issuer{
		Name: c.Name, Algorithms: c.Algorithms, Audience: c.Audience, ExpiryOptional: !c.RequireExpiry, Leeway: c.Leeway,
	}
	for _, k := range c.Keys {
		key := auth.Key{ID: k.ID, Algorithm: k.Algorithm, Value: []byte(k.Secret)}
		if k.Path != "" {
			text, err := readPEM(k.Path)
			if err == nil {
				key.Value, err = auth.ParsePublicKey(text)
			}
			if err != nil {
				return auth.Issuer{}, fmt.Errorf("key file %s: %w", k.Path, err)
			}
			if err := key.Check(); err != nil {
				return auth.Issuer{}, fmt.Errorf("key file %s: %w", k.Path, err)
			}
		}
		issuer.Keys = append(issuer.Keys, key)
	}
	if c.JWKS == nil {
		return issuer, nil
	}
	issuer.JWKS = &auth.JWKS{URL: c.JWKS.URL, Refresh: c.JWKS.Refresh, Keep: c.JWKS.Keep}
	if c.JWKS.CA != "" {
		text, err := readPEM(c.JWKS.CA)
		if err != nil {
			return auth.Issuer{}, err
		}
		issuer.JWKS.Roots = x509.NewCertPool()
		if !issuer.JWKS.Roots.AppendCertsFromPEM(text) {
			return auth.Issuer{}, fmt.Errorf("%s holds no certificates", c.JWKS.CA)
		}
	}
	return issuer, nil
}

func readPEM(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPEMBytes+1))
	if err == nil && len(text) > maxPEMBytes {
		err = errors.New("it is larger than 1 MiB")
	}
	return text, err
}

// tokensGuard adds what a bucket asks of tokens to its guard.
func tokensGuard(tokens *auth.JWT, cfg *config.Config, b *config.Bucket) (schemes []auth.Scheme, rules []auth.Rule, err error) {
	if !b.Auth.JWT.Enabled {
		return nil, nil, nil
	}
	all, err := conditionsOf(append(cfg.JWT.Claims[:len(cfg.JWT.Claims):len(cfg.JWT.Claims)], b.Auth.JWT.Claims...))
	if err != nil {
		return nil, nil, err
	}
	return []auth.Scheme{tokens}, []auth.Rule{auth.Claims(all)}, nil
}

func conditionsOf(all []config.Condition) ([]auth.Condition, error) {
	made := make([]auth.Condition, 0, len(all))
	for i := range all {
		c, err := conditionOf(&all[i])
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, nil
}

func conditionOf(c *config.Condition) (auth.Condition, error) {
	switch {
	case len(c.Paths) > 0:
		var patterns auth.Any
		for _, p := range c.Paths {
			pattern := &auth.PathPattern{Below: p.Below}
			for _, s := range p.Segments {
				pattern.Segments = append(pattern.Segments, auth.PathSegment(s))
			}
			patterns = append(patterns, pattern)
		}
		return patterns, nil
	case len(c.And) > 0:
		all, err := conditionsOf(c.And)
		return auth.All(all), err
	case len(c.Or) > 0:
		any, err := conditionsOf(c.Or)
		return auth.Any(any), err
	case c.Not != nil:
		inner, err := conditionOf(c.Not)
		return auth.Not{Condition: inner}, err
	}
	return auth.NewClaim(c.Claim, c.Operator, c.Values...)
}
