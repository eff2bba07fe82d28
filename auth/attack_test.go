package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"rookery/auth"
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// What the holder of no key can make, and what one of a key can make that is no token.
func TestAttacks(t *testing.T) {
	rs := issuer("rs", "RS256")
	rs.Keys[0].ID = "k"
	j := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{issuer("hs", "HS256"), rs}})
	public, err := x509.MarshalPKIXPublicKey(pairs()["RS256"].public)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token, reason string
	}{
		{"what is right", sign(t, "HS256", "", claims("iss", "hs")), ""},
		{"what is right, with a kid", sign(t, "RS256", "k", claims("iss", "rs")), ""},

		{"none", encode(`{"alg":"none"}`) + "." + encode(toJSON(t, claims("iss", "hs"))) + ".", auth.WrongAlgorithm},
		{"nOnE", encode(`{"alg":"nOnE"}`) + "." + encode(toJSON(t, claims("iss", "rs"))) + ".", auth.WrongAlgorithm},
		{"no alg", encode(`{"typ":"JWT"}`) + "." + encode(toJSON(t, claims("iss", "hs"))) + ".", auth.Malformed},
		{"alg is a list", encode(`{"alg":["HS256"]}`) + "." + encode(toJSON(t, claims("iss", "hs"))) + ".", auth.Malformed},
		{"no signature", cut(sign(t, "HS256", "", claims("iss", "hs"))), auth.BadSignature},
		{"hs256 in small letters", signRaw(t, "HS256", secret, `{"alg":"hs256"}`, toJSON(t, claims("iss", "hs"))), auth.WrongAlgorithm},
		{"the public key as a secret", signRaw(t, "HS256", publicPEM, `{"alg":"HS256","kid":"k"}`, toJSON(t, claims("iss", "rs"))), auth.WrongAlgorithm},
		{"the public key as the other issuer's secret", signRaw(t, "HS256", publicPEM, `{"alg":"HS256"}`, toJSON(t, claims("iss", "hs"))), auth.BadSignature},
		{"another issuer's algorithm", sign(t, "RS256", "k", claims("iss", "hs")), auth.WrongAlgorithm},
		{"another issuer's secret", sign(t, "HS256", "", claims("iss", "rs")), auth.WrongAlgorithm},
		{"a key brought along", signRaw(t, "ES256", own, `{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256"}}`, toJSON(t, claims("iss", "rs"))), auth.WrongAlgorithm},
		{"PS256 for RS256", sign(t, "PS256", "k", claims("iss", "rs")), auth.WrongAlgorithm},

		{"no such kid", sign(t, "RS256", "other", claims("iss", "rs")), auth.UnknownKey},
		{"a kid that is a path", sign(t, "RS256", "../../../../dev/null", claims("iss", "rs")), auth.UnknownKey},
		{"a kid that is a query", sign(t, "RS256", "k' OR '1'='1", claims("iss", "rs")), auth.UnknownKey},
		{"a kid that is a number", signRaw(t, "RS256", pairs()["RS256"].private, `{"alg":"RS256","kid":1}`, toJSON(t, claims("iss", "rs"))), auth.Malformed},
		{"a kid that is empty", signRaw(t, "RS256", pairs()["RS256"].private, `{"alg":"RS256","kid":""}`, toJSON(t, claims("iss", "rs"))), auth.Malformed},

		{"crit", signRaw(t, "HS256", secret, `{"alg":"HS256","crit":["exp"],"exp":1}`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"crit of nothing", signRaw(t, "HS256", secret, `{"alg":"HS256","crit":[]}`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"b64", signRaw(t, "HS256", secret, `{"alg":"HS256","b64":false}`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"alg twice", signRaw(t, "HS256", secret, `{"alg":"none","alg":"HS256"}`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"alg twice, written otherwise", signRaw(t, "HS256", secret, `{"alg":"HS256","\u0061lg":"HS256"}`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"ALG beside alg", signRaw(t, "HS256", secret, `{"ALG":"none","alg":"HS256"}`, toJSON(t, claims("iss", "hs"))), ""},
		{"a header with a tail", signRaw(t, "HS256", secret, `{"alg":"HS256"}{}`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"a header that is a list", signRaw(t, "HS256", secret, `[{"alg":"HS256"}]`, toJSON(t, claims("iss", "hs"))), auth.Malformed},
		{"a header that is null", signRaw(t, "HS256", secret, `null`, toJSON(t, claims("iss", "hs"))), auth.Malformed},

		{"sub twice", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, `{"iss":"hs","exp":9999999999,"sub":"7","sub":"8"}`), auth.Malformed},
		{"iss twice", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, `{"iss":"rs","exp":9999999999,"iss":"hs"}`), auth.Malformed},
		{"a nested name twice", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, `{"iss":"hs","exp":9999999999,"a":[{"r":1,"r":2}]}`), auth.Malformed},
		{"a name again elsewhere", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, `{"iss":"hs","exp":9999999999,"a":{"iss":"x","b":["iss","iss"]},"b":{"iss":"y"}}`), ""},
		{"claims with a tail", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, `{"iss":"hs","exp":9999999999} {}`), auth.Malformed},
		{"claims that are not UTF-8", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, "{\"iss\":\"hs\",\"exp\":9999999999,\"sub\":\"\xff\"}"), auth.Malformed},
		{"claims that are a text", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, `"x"`), auth.Malformed},
		{"no claims", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, ``), auth.Malformed},
		{"a token within a token", signRaw(t, "HS256", secret, `{"alg":"HS256","cty":"JWT"}`, sign(t, "HS256", "", claims("iss", "hs"))), auth.Malformed},

		{"four parts", sign(t, "HS256", "", claims("iss", "hs")) + ".", auth.Malformed},
		{"two parts", encode(`{"alg":"HS256"}`) + "." + encode(`{"iss":"hs"}`), auth.Malformed},
		{"padding", sign(t, "HS256", "", claims("iss", "hs")) + "=", auth.Malformed},
		{"a line break", sign(t, "HS256", "", claims("iss", "hs")) + "\n", auth.Malformed},
		{"other bits at the end", otherBits(sign(t, "HS256", "", claims("iss", "hs"))), auth.Malformed},
		{"huge", sign(t, "HS256", "", claims("iss", "hs", "x", strings.Repeat("x", auth.MaxTokenBytes))), auth.Malformed},
		{"dots alone", strings.Repeat(".", 1000), auth.Malformed},
		{"deep", signRaw(t, "HS256", secret, `{"alg":"HS256"}`, strings.Repeat(`{"a":`, 2000)+"1"+strings.Repeat("}", 2000)), auth.UnknownIssuer},
	} {
		for range 2 { // nothing of the first is remembered
			if _, err := j.Verify(t.Context(), c.token); reasonOf(t, err) != c.reason {
				t.Errorf("%s: %v, want %q", c.name, err, c.reason)
			}
		}
	}
}

// cut takes a token's signature away.
func cut(token string) string { return token[:strings.LastIndexByte(token, '.')+1] }

// otherBits changes the bits of a token's last letter that no byte has.
func otherBits(token string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, token[len(token)-1])
	return token[:len(token)-1] + string(letters[last^1])
}

// Addresses of keys, and keys, that a token brings are not looked at: nothing is fetched
// and the issuer's own key counts.
func TestKeysThatATokenBringsAreNotLookedAt(t *testing.T) {
	j := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{issuer("", "RS256")}})
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const brought = `,"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5c":["MIIB"],"jwk":{"kty":"oct","k":"AAAA"},"x5t":"AA"`
	token := signRaw(t, "RS256", pairs()["RS256"].private, `{"alg":"RS256"`+brought+`}`, toJSON(t, claims()))
	if _, err := j.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	token = signRaw(t, "ES256", own, `{"alg":"RS256"`+brought+`}`, toJSON(t, claims()))
	if _, err := j.Verify(t.Context(), token); reasonOf(t, err) != auth.BadSignature {
		t.Error(err)
	}
}

func TestIssuersThatCannotBe(t *testing.T) {
	weak := auth.Issuer{Algorithms: []string{"HS256"}, Keys: []auth.Key{{Value: secret[:31]}}}
	mixed := issuer("", "HS256", "RS256")
	twice := issuer("", "RS256", "PS256")
	twice.Keys[0].ID, twice.Keys[1].ID = "k", "k"
	curve := auth.Issuer{Algorithms: []string{"ES384"}, Keys: []auth.Key{{Value: pairs()["ES256"].public}}}
	asSecret := auth.Issuer{Algorithms: []string{"HS256"}, Keys: []auth.Key{{Value: pairs()["RS256"].public}}}
	for name, all := range map[string][]auth.Issuer{
		"a weak secret":             {weak},
		"secrets and public keys":   {mixed},
		"one id for two":            {twice},
		"another curve":             {curve},
		"a public key for a secret": {asSecret},
		"no key":                    {{Algorithms: []string{"RS256"}}},
		"no algorithm":              {{Keys: []auth.Key{{Value: secret}}}},
		"none":                      {{Algorithms: []string{"none"}, Keys: []auth.Key{{Value: secret}}}},
		"any beside one":            {issuer("", "HS256"), issuer("a", "HS256")},
		"one twice":                 {issuer("a", "HS256"), issuer("a", "RS256")},
		"keys from another machine": {{Algorithms: []string{"RS256"}, JWKS: &auth.JWKS{URL: "ftp://i.test/k", Refresh: time.Hour, Keep: time.Hour}}},
	} {
		if _, err := auth.NewJWT(t.Context(), auth.JWTOptions{Issuers: all}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	block := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	for name := range map[string]bool{"RS256": true, "ES384": true, "EdDSA": true} {
		bytes, err := x509.MarshalPKIXPublicKey(pairs()[name].public)
		if err != nil {
			t.Fatal(err)
		}
		key, err := auth.ParsePublicKey([]byte(block("PUBLIC KEY", bytes) + "\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := (&auth.Key{Algorithm: name, Value: key}).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := auth.ParsePublicKey([]byte(block("PUBLIC KEY", bytes) + block("PUBLIC KEY", bytes))); err == nil {
			t.Errorf("%s: two keys in one file", name)
		}
		private, err := x509.MarshalPKCS8PrivateKey(pairs()[name].private)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := auth.ParsePublicKey([]byte(block("PRIVATE KEY", private))); err == nil {
			t.Errorf("%s: a private key is taken", name)
		}
	}
	if _, err := auth.ParsePublicKey([]byte("hello")); err == nil {
		t.Error("no PEM")
	}
}
