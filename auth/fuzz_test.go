package auth_test

import (
	"strings"
	"testing"

	"rookery/auth"
)

// Whatever is sent, nothing but a token that the issuer has signed holds. Changes of
// one are the seeds.
func FuzzToken(f *testing.F) {
	token := sign(f, "HS256", "k", claims("iss", "me"))
	for _, seed := range []string{"", "..", token, cut(token), strings.ToUpper(token), otherBits(token), token + "." + token} {
		f.Add(seed)
	}
	i := issuer("me", "HS256")
	i.Keys[0].ID = "k"
	j := newJWT(f, auth.JWTOptions{Issuers: []auth.Issuer{i}, Sources: []auth.Source{{Type: auth.InQuery, Name: "t"}, {Type: auth.InCookie, Name: "t"}}})
	f.Fuzz(func(t *testing.T, sent string) {
		if who, err := j.Verify(t.Context(), sent); (err == nil) != (sent == token) || reasonOf(t, err) == auth.Undecided {
			t.Errorf("%q: %+v, %v", sent, who, err)
		}
		header := map[string][]string{"Cookie": {sent}}
		if _, err := j.Identify(t.Context(), &auth.Request{Target: "/?" + sent, Header: headers(header)}); reasonOf(t, err) == auth.Undecided {
			t.Errorf("%q: %v", sent, err)
		}
	})
}

type headers map[string][]string

func (h headers) Values(name string) []string { return h[name] }
