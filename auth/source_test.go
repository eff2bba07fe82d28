package auth_test

import (
	"net/http"
	"net/url"
	"testing"

	"rookery/auth"
)

func TestWhereATokenMayBe(t *testing.T) {
	everywhere := []auth.Source{
		{Type: auth.Bearer},
		{Type: auth.InHeader, Name: "x-token"},
		{Type: auth.InHeader, Name: "X-Prefixed", Prefix: "Token "},
		{Type: auth.InQuery, Name: "token"},
		{Type: auth.InCookie, Name: "session"},
	}
	issuers := []auth.Issuer{issuer("", "HS256")}
	all := newJWT(t, auth.JWTOptions{Issuers: issuers, Sources: everywhere})
	usual := newJWT(t, auth.JWTOptions{Issuers: issuers})
	token := sign(t, "HS256", "", claims())
	const none = "nothing"
	for _, c := range []struct {
		name            string
		header          http.Header
		query           string
		reason, usually string
	}{
		{"nothing", nil, "", none, none},
		{"bearer", http.Header{"Authorization": {"Bearer " + token}}, "", "", ""},
		{"bearer in other letters", http.Header{"Authorization": {"bEARER   " + token + " "}}, "", "", ""},
		{"twice", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, "", auth.TwoTokens, auth.TwoTokens},
		{"another scheme", http.Header{"Authorization": {"Basic " + token}}, "", none, none},
		{"a signature", http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=x"}}, "", none, none},
		{"an empty one", http.Header{"Authorization": {"Bearer "}}, "", none, none},
		{"no scheme", http.Header{"Authorization": {token}}, "", none, none},
		{"header", http.Header{"X-Token": {token}}, "", "", none},
		{"prefixed", http.Header{"X-Prefixed": {"Token " + token}}, "", "", none},
		{"without its prefix", http.Header{"X-Prefixed": {token}}, "", none, none},
		{"query", nil, "a=b&token=" + token, "", none},
		{"query, encoded", nil, "%74oken=" + url.QueryEscape("%") + "&token=", auth.Malformed, none},
		{"query, encoded badly", nil, "token=%zz", auth.Malformed, none},
		{"query, others badly", nil, "%zz=%zz&token=" + token, "", none},
		{"query twice", nil, "token=" + token + "&token=" + token, auth.TwoTokens, none},
		{"query twice, one bad", nil, "token=" + token + "&token=x", auth.TwoTokens, none},
		{"cookie", http.Header{"Cookie": {`a=b; session="` + token + `"`}}, "", "", none},
		{"cookie beside odd ones", http.Header{"Cookie": {"===;;\x7f= ;session=" + token}}, "", "", none},
		{"cookie twice", http.Header{"Cookie": {"session=" + token, "session=" + token}}, "", auth.TwoTokens, none},
		{"an empty cookie beside a bearer", http.Header{"Cookie": {"session="}, "Authorization": {"Bearer " + token}}, "", "", ""},
		{"header and query", http.Header{"X-Token": {token}}, "token=" + token, auth.TwoTokens, none},
		{"bearer and query", http.Header{"Authorization": {"Bearer " + token}}, "token=" + token, auth.TwoTokens, ""},
		{"bearer and a bad one", http.Header{"Authorization": {"Bearer " + token}, "X-Token": {"x"}}, "", auth.TwoTokens, ""},
		{"something else", http.Header{"X-Token": {"hello"}}, "", auth.Malformed, none},
	} {
		if c.header == nil {
			c.header = http.Header{}
		}
		r := &auth.Request{Method: http.MethodGet, Target: "/b/o?" + c.query, Header: c.header}
		for j, want := range map[*auth.JWT]string{all: c.reason, usual: c.usually} {
			who, err := j.Identify(t.Context(), r)
			got := reasonOf(t, err)
			if who == nil && err == nil {
				got = none
			}
			if got != want {
				t.Errorf("%s, everywhere %v: %q (%v), want %q", c.name, j == all, got, err, want)
			}
		}
	}
}
