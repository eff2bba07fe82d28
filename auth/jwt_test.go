package auth_test

import (
	"encoding/json"
	"testing"
	"time"

	"rookery/auth"
)

func TestEveryAlgorithmVerifies(t *testing.T) {
	if len(pairs()) != 13 {
		t.Fatalf("%d algorithms", len(pairs()))
	}
	for name := range pairs() {
		j := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{issuer("", name)}})
		who, err := j.Identify(t.Context(), withBearer(sign(t, name, "", claims("iss", "me", "n", 1))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if who.Scheme != "jwt" || who.Subject != "7" || who.Issuer != "me" || who.Claims["n"] != json.Number("1") {
			t.Errorf("%s: %+v", name, who)
		}
		for other := range pairs() {
			if other == name {
				continue
			}
			if _, err := j.Identify(t.Context(), withBearer(sign(t, other, "", claims()))); reasonOf(t, err) != auth.WrongAlgorithm {
				t.Errorf("%s for an issuer of %s: %v", other, name, err)
			}
		}
	}
}

func TestWhatATokenSaysOfItself(t *testing.T) {
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	strict := issuer("me", "HS256")
	strict.Audience, strict.Leeway = []string{"shop", "app"}, 10*time.Second
	j := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{strict}})
	for _, c := range []struct {
		name    string
		changes []any
		reason  string
	}{
		{"right", nil, ""},
		{"one of two audiences", []any{"aud", []string{"other", "app"}}, ""},
		{"another audience", []any{"aud", "other"}, auth.WrongAudience},
		{"no audience", []any{"aud", nil}, auth.Malformed},
		{"an empty audience", []any{"aud", ""}, auth.Malformed},
		{"an audience that is a number", []any{"aud", 7}, auth.Malformed},
		{"an audience among numbers", []any{"aud", []any{7, "app"}}, auth.Malformed},
		{"just expired", []any{"exp", at(-9 * time.Second)}, ""},
		{"expired", []any{"exp", at(-10 * time.Second)}, auth.Expired},
		{"no expiry", []any{"exp", nil}, auth.Malformed},
		{"expiry null", []any{"exp", json.RawMessage("null")}, auth.Malformed},
		{"expiry as text", []any{"exp", "9999999999"}, auth.Malformed},
		{"expiry of no year", []any{"exp", json.RawMessage("1e300")}, auth.Malformed},
		{"expiry of no number", []any{"exp", json.RawMessage("1e9999")}, auth.Malformed},
		{"expiry below zero", []any{"exp", -1}, auth.Malformed},
		{"expiry with a fraction", []any{"exp", float64(at(time.Hour)) + 0.5}, ""},
		{"not yet", []any{"nbf", at(11 * time.Second)}, auth.NotYet},
		{"about now", []any{"nbf", at(10 * time.Second)}, ""},
		{"not before as text", []any{"nbf", "0"}, auth.Malformed},
		{"made in the future", []any{"iat", at(time.Minute)}, auth.NotYet},
		{"made as an object", []any{"iat", map[string]any{}}, auth.Malformed},
		{"another issuer", []any{"iss", "you"}, auth.UnknownIssuer},
		{"an issuer in other letters", []any{"iss", "ME"}, auth.UnknownIssuer},
		{"no issuer", []any{"iss", nil}, auth.UnknownIssuer},
		{"issuer as an array", []any{"iss", []string{"me"}}, auth.UnknownIssuer},
		{"subject as a number", []any{"sub", 7}, auth.Malformed},
		{"no subject", []any{"sub", nil}, ""},
	} {
		token := sign(t, "HS256", "", claims(append([]any{"iss", "me", "aud", "shop"}, c.changes...)...))
		if _, err := j.Verify(t.Context(), token); reasonOf(t, err) != c.reason {
			t.Errorf("%s: %v, want %q", c.name, err, c.reason)
		}
	}
}

func TestExpiryCanBeOptional(t *testing.T) {
	i := issuer("", "HS256")
	i.ExpiryOptional = true
	j := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{i}})
	if _, err := j.Verify(t.Context(), sign(t, "HS256", "", claims("exp", nil))); err != nil {
		t.Error(err)
	}
	if _, err := j.Verify(t.Context(), sign(t, "HS256", "", claims("exp", noon.Unix()))); reasonOf(t, err) != auth.Expired {
		t.Errorf("a token that has expired: %v", err)
	}
}
