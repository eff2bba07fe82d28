package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const schemeJWT = "jwt"

// The reasons for which tokens are refused.
const (
	TwoTokens      = "two_tokens"
	Malformed      = "malformed_token"
	UnknownIssuer  = "issuer"
	WrongAlgorithm = "algorithm"
	UnknownKey     = "unknown_key"
	NoKeys         = "no_keys" // those of the issuer could not be fetched for too long
	BadSignature   = "signature"
	Expired        = "expired"
	NotYet         = "not_yet"
	WrongAudience  = "audience"
)

// JWTOptions are the parts of a JWT.
type JWTOptions struct {
	Issuers []Issuer
	// Before is the JWT that this one takes the place of, or nil: published keys that
	// it has are there at once. What it remembers is not.
	Before  *JWT
	Sources []Source         // none: Bearer
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is none
	Metrics *metrics.Set     // nil: counted where nobody sees it
}

// JWT is the scheme of JSON Web Tokens (RFC 7519, RFC 8725). What a token proved is
// remembered, in a bounded memory, for as long as the token, its key and this JWT
// live; another one knows nothing of it. Safe for concurrent use.
type JWT struct {
	issuers map[string]*issuer
	any     *issuer // the one that has no name
	sources []Source
	known   *remembered
}

// NewJWT fails for keys and algorithms that do not fit, and for issuers that a token
// could not choose between. Published keys are fetched until ctx ends; for the first
// of them it waits, 5 s at the most, and goes on without: tokens are then refused
// until they are there.
func NewJWT(ctx context.Context, o JWTOptions) (*JWT, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	j := &JWT{issuers: map[string]*issuer{}, sources: o.Sources, known: newRemembered()}
	if len(j.sources) == 0 {
		j.sources = []Source{{Type: Bearer}}
	}
	for _, i := range o.Issuers {
		ready, err := i.ready(&o)
		if err != nil {
			return nil, fmt.Errorf("issuer %q: %w", i.Name, err)
		}
		if i.Name == "" {
			j.any = ready
		}
		j.issuers[i.Name] = ready
	}
	if len(j.issuers) != len(o.Issuers) || j.any != nil && len(o.Issuers) > 1 {
		return nil, errors.New("tokens cannot choose between the issuers: each needs a name of its own")
	}
	j.fetch(ctx)
	return j, nil
}

// fetch begins to fetch published keys, and waits for those that there are none of yet.
func (j *JWT) fetch(ctx context.Context) {
	var first []chan struct{}
	for _, i := range j.issuers {
		if i.fetched == nil {
			continue
		}
		if r := i.fetched.begin(); i.fetched.set.Load() == nil {
			first = append(first, r.over)
		}
		go i.fetched.run(ctx)
	}
	for _, over := range first {
		select {
		case <-over: // in fetchTimeout
		case <-ctx.Done():
		}
	}
}

// Identify finds the one token of a request and verifies it.
func (j *JWT) Identify(ctx context.Context, r *Request) (*Identity, error) {
	var all found
	for i := range j.sources {
		if err := j.sources[i].look(r, &all); err != nil {
			return nil, &Denied{Reason: Malformed, Err: err}
		}
	}
	switch all.count {
	case 0:
		return nil, nil
	case 1:
		return j.Verify(ctx, all.token)
	}
	return nil, &Denied{Reason: TwoTokens}
}

// Verify returns whom a token speaks for, or a *Denied.
func (j *JWT) Verify(ctx context.Context, token string) (*Identity, error) {
	if len(token) > MaxTokenBytes {
		return nil, &Denied{Reason: Malformed, Err: fmt.Errorf("it has more than %d bytes", MaxTokenBytes)}
	}
	if issuer, v := j.known.get(token); v != nil && issuer.holds(v) {
		return &v.identity, nil
	}
	issuer, v, err := j.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	j.known.put(token, issuer, v)
	return &v.identity, nil
}

func (j *JWT) verify(ctx context.Context, token string) (*issuer, *verified, error) {
	t, err := parseJWS(token)
	if err != nil {
		return nil, nil, &Denied{Reason: Malformed, Err: err}
	}
	claims, err := parseObject(t.payload)
	if err != nil {
		return nil, nil, &Denied{Reason: Malformed, Err: fmt.Errorf("its payload: %w", err)}
	}
	issuer := j.any
	if name, ok := claims["iss"].(string); ok && issuer == nil {
		issuer = j.issuers[name]
	}
	if issuer == nil {
		return nil, nil, &Denied{Reason: UnknownIssuer}
	}
	v, err := issuer.verify(ctx, t, claims)
	return issuer, v, err
}
