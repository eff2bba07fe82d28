package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/auth"
	"rookery/gateway"
	"rookery/object"
)

// BenchmarkHitIdentity is a hit of 4 KiB through the core, from an open bucket and from
// one that wants a token, a role and the subject's own directory. What net/http takes
// for the longer header is not in it: make bench-identity has that too.
func BenchmarkHitIdentity(b *testing.B) {
	secret := []byte(strings.Repeat("s", 32))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "a", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"reader", "writer"}, "email": strings.Repeat("e", 200),
	}).SignedString(secret)
	if err != nil {
		b.Fatal(err)
	}
	verifier, err := auth.NewJWT(b.Context(), auth.JWTOptions{Issuers: []auth.Issuer{{Algorithms: []string{"HS256"}, Keys: []auth.Key{{Value: secret}}}}})
	if err != nil {
		b.Fatal(err)
	}
	role, err := auth.NewClaim([]string{"roles"}, "contains", "reader")
	if err != nil {
		b.Fatal(err)
	}
	own := &auth.PathPattern{Segments: []auth.PathSegment{{Claim: []string{"sub"}}}, Below: true}
	node := &hotNode{body: make([]byte, 4<<10), info: object.Info{
		Size: 4 << 10, ETag: `"d41d8cd98f00b204e9800998ecf8427e"`, LastModified: modified, Validated: time.Now(),
		Header: []object.Field{{Name: "Content-Type", Value: "image/png"}},
	}}
	for name, guard := range map[string]*auth.Guard{
		"anonymous": nil,
		"token":     auth.NewGuard(false, []auth.Scheme{verifier}, []auth.Rule{auth.Claims{role, own}}),
	} {
		core, err := gateway.New(gateway.Options{Reader: node, Policy: gateway.Policy{Routes: []gateway.Route{{Bucket: "public", Guard: guard}}}})
		if err != nil {
			b.Fatal(err)
		}
		r := gateway.Request{Method: "GET", Target: "/public/a/b/c.png", Host: "localhost", Remote: "127.0.0.1:1234", Header: http.Header{}}
		if guard != nil {
			r.Header = http.Header{"Authorization": {"Bearer " + token}}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := core.Serve(b.Context(), &r)
				if a.Status != http.StatusOK {
					b.Fatal(a.Status)
				}
				if err := a.Send(b.Context(), io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
