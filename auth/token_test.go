package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/auth"
)

// noon is when the tests of tokens take place.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// secret is long enough for every algorithm.
var secret = []byte(strings.Repeat("0123456789abcdef", 4))

// pair is what signs and what verifies.
type pair struct{ private, public any }

// pairs makes each test binary's keys once, by algorithm.
var pairs = sync.OnceValue(func() map[string]pair {
	made := map[string]pair{}
	for _, name := range []string{"HS256", "HS384", "HS512"} {
		made[name] = pair{secret, secret}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		made[name] = pair{key, &key.PublicKey}
	}
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		made[name] = pair{key, &key.PublicKey}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	made["EdDSA"] = pair{private, public}
	return made
})

// claims are those of a token that holds at noon, changed by name, value, name, value;
// nil takes a claim away.
func claims(changes ...any) map[string]any {
	all := map[string]any{"sub": "7", "exp": noon.Add(time.Hour).Unix()}
	for i := 0; i < len(changes); i += 2 {
		all[changes[i].(string)] = changes[i+1]
		if changes[i+1] == nil {
			delete(all, changes[i].(string))
		}
	}
	return all
}

// sign makes a token; kid "" is none.
func sign(t testing.TB, algorithm, kid string, claims map[string]any) string {
	t.Helper()
	header := map[string]any{"alg": algorithm, "typ": "JWT"}
	if kid != "" {
		header["kid"] = kid
	}
	return signRaw(t, algorithm, pairs()[algorithm].private, toJSON(t, header), toJSON(t, claims))
}

// signRaw signs a header and a payload as they stand.
func signRaw(t testing.TB, algorithm string, key any, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := jwt.GetSigningMethod(algorithm).Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func toJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newJWT makes a verifier whose clock stands at noon unless it has another.
func newJWT(t testing.TB, o auth.JWTOptions) *auth.JWT {
	t.Helper()
	if o.Now == nil {
		o.Now = atNoon
	}
	j, err := auth.NewJWT(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// issuer is one that signs with the pairs of some algorithms.
func issuer(name string, algorithms ...string) auth.Issuer {
	i := auth.Issuer{Name: name, Algorithms: algorithms}
	for _, a := range algorithms {
		i.Keys = append(i.Keys, auth.Key{Algorithm: a, Value: pairs()[a].public})
	}
	return i
}

func withBearer(tokens ...string) *auth.Request {
	r := &auth.Request{Method: http.MethodGet, Target: "/b/o", Bucket: "b", Name: "o"}
	header := http.Header{}
	for _, token := range tokens {
		header.Add("Authorization", "Bearer "+token)
	}
	r.Header = header
	return r
}

// reasonOf is "" for nil, and fails the test for an error that is no *auth.Denied.
func reasonOf(t testing.TB, err error) string {
	t.Helper()
	var denied *auth.Denied
	if err != nil && !errors.As(err, &denied) {
		t.Fatalf("%v is no reason", err)
	}
	if err == nil {
		return ""
	}
	return denied.Reason
}
