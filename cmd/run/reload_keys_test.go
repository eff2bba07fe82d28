package run_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/config"
	"rookery/internal/s3test"
)

// withTokens makes a file whose one bucket wants tokens.
func withTokens(t *testing.T, section string) file {
	c := &config.Config{Buckets: make([]config.Bucket, 1)}
	guarded(t, section, "{enabled: true, jwt: {enabled: true}}")(c, nil)
	return func(to *config.Config) error {
		to.JWT, to.Buckets[0].Auth = c.JWT, c.Buckets[0].Auth
		return nil
	}
}

// with asks for an object with a token.
func (r *reloading) with(token, key string) int {
	r.t.Helper()
	response, _ := r.do(0, http.MethodGet, r.target(0, key), http.Header{"Authorization": {"Bearer " + token}})
	return response.StatusCode
}

func tokenBy(t *testing.T, method jwt.SigningMethod, key any) string {
	t.Helper()
	text, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "7", "exp": time.Now().Add(time.Hour).Unix()}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A token that was verified, and is remembered, is worth nothing once its key is not.
func TestARememberedTokenDiesWithAReload(t *testing.T) {
	other := strings.Repeat("x", 40)
	section := func(secret string) file {
		return withTokens(t, "{enabled: true, algorithm: HS256, secret: "+secret+"}")
	}
	c := newReloading(t, 1, section(tokenSecret))
	c.put("k", 1000, s3test.Meta{})
	old, young := tokenBy(t, jwt.SigningMethodHS256, []byte(tokenSecret)), tokenBy(t, jwt.SigningMethodHS256, []byte(other))
	for range 2 {
		if got := c.with(old, "k"); got != 200 {
			t.Fatalf("before: %d", got)
		}
	}
	if done := c.reload(0, section(other)); len(done.Changed) == 0 || strings.Contains(fmt.Sprint(done.Changed), other) {
		t.Errorf("changed: %q", done.Changed)
	}
	if got := c.with(old, "k"); got != 403 {
		t.Errorf("the former key's: %d", got)
	}
	if got := c.with(young, "k"); got != 200 {
		t.Errorf("the key's: %d", got)
	}
}

// A key's file is read again with a reload, though the configuration is the same; one that
// cannot be read refuses it.
func TestAReloadReadsKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	write := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return key
	}
	old := tokenBy(t, jwt.SigningMethodES256, write())
	same := withTokens(t, "{enabled: true, algorithm: ES256, ecdsa_public_key_path: "+path+"}")
	c := newReloading(t, 1, same)
	c.put("k", 1000, s3test.Meta{})
	if got := c.with(old, "k"); got != 200 {
		t.Fatalf("before: %d", got)
	}
	young := tokenBy(t, jwt.SigningMethodES256, write())
	if done := c.reload(0, same); len(done.Changed) != 0 {
		t.Errorf("changed: %q", done.Changed)
	}
	if was, is := c.with(old, "k"), c.with(young, "k"); was != 403 || is != 200 {
		t.Errorf("the former key's: %d, the key's: %d", was, is)
	}
	if err := os.WriteFile(path, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, text := c.post(0); status != 422 || !strings.Contains(text, path) {
		t.Errorf("a broken file: %d %s", status, text)
	}
	if is := c.with(young, "k"); is != 200 {
		t.Errorf("after a refused reload: %d", is)
	}
}

// An issuer that cannot be asked keeps the keys that it has published; a reload that
// would leave it without any is refused.
func TestAReloadLosesNoPublishedKeys(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var down atomic.Bool
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"a","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	t.Cleanup(issuer.Close)
	section := func(path string) file {
		return withTokens(t, fmt.Sprintf("{enabled: true, algorithm: EdDSA, jwks_url: %q}", issuer.URL+path))
	}
	c := newReloading(t, 1, section("/keys"))
	c.put("k", 1000, s3test.Meta{})
	token := tokenBy(t, jwt.SigningMethodEdDSA, private)
	reads := func(what string) {
		t.Helper()
		if got := c.with(token, "k"); got != 200 {
			t.Errorf("%s: %d", what, got)
		}
	}
	reads("at first")
	down.Store(true)
	c.reload(0, section("/keys"))
	reads("the issuer is down")
	c.write(0, section("/elsewhere"))
	if status, _, text := c.post(0); status != 422 || !strings.Contains(text, "cannot be fetched") {
		t.Errorf("elsewhere, and down: %d %s", status, text)
	}
	reads("after a refused reload")
	c.reload(0, section("/keys"))
	reads("and another")
	down.Store(false)
	c.reload(0, section("/elsewhere"))
	reads("elsewhere")
}
