package auth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// aSecret is for HS256.
var aSecret = []byte(strings.Repeat("s", 32))

func aToken(t testing.TB, more any, expires time.Time) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "7", "exp": expires.Unix(), "more": more})
	text, err := token.SignedString(aSecret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func aJWT(t testing.TB, now func() time.Time) *JWT {
	t.Helper()
	j, err := NewJWT(t.Context(), JWTOptions{Now: now, Issuers: []Issuer{{
		Algorithms: []string{"HS256"}, Leeway: 10 * time.Second, Keys: []Key{{Value: aSecret}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A remembered token ends when it expires, with its key and with its verifier, and is
// not taken apart again until then.
func TestRememberedTokensEnd(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	j := aJWT(t, func() time.Time { return now })
	token := aToken(t, 1, now.Add(time.Minute))
	first, err := j.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(69 * time.Second) // within the leeway
	if again, err := j.Verify(t.Context(), token); again != first {
		t.Errorf("%p, %v is not the identity of before, %p", again, err, first)
	}
	now = now.Add(time.Second)
	if who, err := j.Verify(t.Context(), token); err == nil {
		t.Errorf("it has expired: %+v", who)
	}

	token = aToken(t, 2, now.Add(time.Minute))
	if _, err = j.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if other, err := aJWT(t, func() time.Time { return now }).Verify(t.Context(), token); err != nil || other == first {
		t.Errorf("another verifier: %v", err)
	}
	j.any.keys[0].gone.Store(true)
	if who, err := j.Verify(t.Context(), token); err == nil {
		t.Errorf("its key is gone: %+v", who)
	}
}

// What is refused is not remembered, and what is remembered has a bound.
func TestRememberedTokensAreBounded(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	j := aJWT(t, func() time.Time { return now })
	if _, err := j.Verify(t.Context(), aToken(t, 0, now.Add(-time.Minute))); err == nil {
		t.Error("a token that has expired holds")
	}
	if entries, _ := j.known.size(); entries != 0 {
		t.Errorf("%d entries for a token that is refused", entries)
	}
	last, most := "", 0
	for i := range 3000 {
		last = aToken(t, fmt.Sprint(i, strings.Repeat("x", i%8000)), now.Add(time.Hour))
		if _, err := j.Verify(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		_, bytes := j.known.size()
		most = max(most, bytes)
	}
	entries, bytes := j.known.size()
	if most > rememberedBytes || bytes < rememberedBytes/2 || entries == 0 || entries >= 3000 {
		t.Errorf("%d entries of %d bytes, %d at the most", entries, bytes, most)
	}
	if _, v := j.known.get(last); v == nil {
		t.Error("the last one is forgotten")
	}
}

// size counts what is remembered.
func (r *remembered) size() (entries, bytes int) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		entries, bytes = entries+s.lru.Len(), bytes+s.bytes
		s.mu.Unlock()
	}
	return entries, bytes
}

func BenchmarkRememberedToken(b *testing.B) {
	j := aJWT(b, time.Now)
	token := aToken(b, strings.Repeat("x", 300), time.Now().Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
