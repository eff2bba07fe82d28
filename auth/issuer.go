package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer makes tokens, and says what a token of it must be.
type Issuer struct {
	// Name is the "iss" of its tokens. "" takes tokens of every issuer and of none;
	// it must then be the only one.
	Name string
	// Algorithms that it signs with, of HS256, HS384, HS512, RS256…, PS256…, ES256,
	// ES384, ES512 and EdDSA: either those with secrets or those with public keys.
	Algorithms []string
	Audience   []string // a token is for one of them at least; none: whoever it is for
	// ExpiryOptional takes tokens that never expire.
	ExpiryOptional bool
	Leeway         time.Duration // how far clocks may differ
	Keys           []Key
	JWKS           *JWKS // where its public keys are fetched from; may be nil
}

// issuer is an Issuer made ready: its keys, its algorithms, its checks, and no one
// else's.
type issuer struct {
	Issuer
	keys      []*key
	fetched   *fetched // nil without JWKS
	validator *jwt.Validator
	now       func() time.Time
}

func (i Issuer) ready(o *JWTOptions) (*issuer, error) {
	made := &issuer{Issuer: i, now: o.Now}
	if err := checkAlgorithms(i.Algorithms); err != nil {
		return nil, err
	}
	for n, k := range i.Keys {
		ready, err := newKey(k, i.Algorithms)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", n, err)
		}
		if k.ID != "" && slices.ContainsFunc(made.keys, func(other *key) bool { return other.id == k.ID }) {
			return nil, fmt.Errorf("two keys have the id %q", k.ID)
		}
		made.keys = append(made.keys, ready)
	}
	if len(made.keys) == 0 && i.JWKS == nil {
		return nil, errors.New("it has no keys")
	}
	options := []jwt.ParserOption{jwt.WithTimeFunc(o.Now), jwt.WithLeeway(i.Leeway), jwt.WithIssuedAt()}
	if !i.ExpiryOptional {
		options = append(options, jwt.WithExpirationRequired())
	}
	if i.Name != "" {
		options = append(options, jwt.WithIssuer(i.Name))
	}
	if len(i.Audience) > 0 {
		options = append(options, jwt.WithAudience(i.Audience...))
	}
	made.validator = jwt.NewValidator(options...)
	if i.JWKS != nil {
		return made, made.publish(o)
	}
	return made, nil
}

// publish makes the issuer's published keys ready to be fetched.
func (i *issuer) publish(o *JWTOptions) error {
	client, err := i.JWKS.newClient()
	if err != nil {
		return fmt.Errorf("the address of its keys: %w", err)
	}
	i.fetched = &fetched{
		JWKS: *i.JWKS, issuer: i.Name, algorithms: i.Algorithms, client: client, now: o.Now,
		log: o.Log, meter: newJWKSMeter(o.Metrics, i.Name), wake: make(chan struct{}, 1),
	}
	if o.Before != nil {
		i.fetched.follow(o.Before.issuers[i.Name])
	}
	return nil
}

// checkAlgorithms refuses what is unknown, and secrets beside public keys: a public
// key must never be taken for a secret.
func checkAlgorithms(names []string) error {
	secrets := 0
	for _, name := range names {
		if algorithms[name] == nil {
			return fmt.Errorf("there is no algorithm %q", name)
		}
		if name[0] == 'H' {
			secrets++
		}
	}
	if len(names) == 0 {
		return errors.New("it has no algorithms")
	}
	if secrets != 0 && secrets != len(names) {
		return errors.New("it has algorithms with secrets and such with public keys")
	}
	return nil
}

// verified is what a token has proved, and for how long that holds.
type verified struct {
	identity Identity
	key      *key
	until    time.Time // zero for a token that does not expire
}

// verify checks the signature first and then what the claims say of the token itself.
func (i *issuer) verify(ctx context.Context, t *jws, claims map[string]any) (*verified, error) {
	k, err := i.signer(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := checkTypes(claims); err != nil {
		return nil, &Denied{Reason: Malformed, Err: err}
	}
	if err := i.validator.Validate(jwt.MapClaims(claims)); err != nil {
		return nil, &Denied{Reason: reasonOf(err), Err: err}
	}
	v := &verified{key: k}
	v.identity.Scheme, v.identity.Claims = schemeJWT, claims
	v.identity.Subject, _ = claims["sub"].(string)
	v.identity.Issuer, _ = claims["iss"].(string)
	if expiry, err := jwt.MapClaims(claims).GetExpirationTime(); err == nil && expiry != nil {
		v.until = expiry.Add(i.Leeway)
	}
	return v, nil
}

// signer returns the key that has signed the token.
func (i *issuer) signer(ctx context.Context, t *jws) (*key, error) {
	if !slices.Contains(i.Algorithms, t.algorithm) {
		return nil, &Denied{Reason: WrongAlgorithm, Err: errors.New("the issuer does not use its algorithm")}
	}
	keys, err := i.candidates(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.algorithm(t.algorithm).method.Verify(t.signed, t.signature, k.value) == nil {
			return k, nil
		}
	}
	return nil, &Denied{Reason: BadSignature}
}

func (i *issuer) candidates(ctx context.Context, t *jws) ([]*key, error) {
	if keys := candidates(i.keys, t); len(keys) > 0 {
		return keys, nil
	}
	if i.fetched == nil {
		return nil, &Denied{Reason: UnknownKey, Err: errors.New("no key of the issuer is for it")}
	}
	return i.fetched.candidates(ctx, t)
}

// holds reports whether what a token proved earlier still holds.
func (i *issuer) holds(v *verified) bool {
	now := i.now()
	return !v.key.gone.Load() && (v.until.IsZero() || now.Before(v.until)) && (i.fetched == nil || i.fetched.believed(now))
}

// latest is the last second of the year 9999: what is later, or not a number at all,
// is no date.
const latest = 253402300799

// checkTypes refuses registered claims of a wrong type (RFC 7519 §4.1), which the
// library passes over where it is not told to check them.
func checkTypes(claims map[string]any) error {
	for _, name := range []string{"iss", "sub", "jti"} {
		if value, there := claims[name]; there {
			if _, ok := value.(string); !ok {
				return fmt.Errorf("its %s is no text", name)
			}
		}
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		value, there := claims[name]
		if !there {
			continue
		}
		number, ok := value.(json.Number)
		seconds, err := number.Float64()
		if !ok || err != nil || seconds < 0 || seconds > latest {
			return fmt.Errorf("its %s is no date", name)
		}
	}
	return nil
}

func reasonOf(err error) string {
	for _, known := range []struct {
		is     error
		reason string
	}{
		{jwt.ErrTokenExpired, Expired},
		{jwt.ErrTokenNotValidYet, NotYet},
		{jwt.ErrTokenUsedBeforeIssued, NotYet},
		{jwt.ErrTokenInvalidIssuer, UnknownIssuer},
		{jwt.ErrTokenInvalidAudience, WrongAudience},
	} {
		if errors.Is(err, known.is) {
			return known.reason
		}
	}
	return Malformed // a claim that must be there is missing, or is not what it should be
}
