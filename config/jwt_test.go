package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// tokensFile has every key of the jwt section, in the form with several issuers.
const tokensFile = `
jwt:
  enabled: true
  token_sources: [{type: bearer}, {type: header, name: X-T, prefix: "Token "}, {type: query, name: t}, {type: cookie, name: c}]
  issuers:
    - issuer: https://one.test
      algorithm: [RS256, ES384]
      audience: [a, "$${b}"]
      leeway: 0s
      keys: [{id: k, algorithm: EdDSA, path: /k.pem}]
      jwks_url: https://one.test/keys
      jwks_refresh_interval_secs: 60
      jwks_keep: 2h
      jwks_ca_path: /ca.pem
    - {issuer: two, algorithm: HS512, require_expiry: false, secret: ` + longSecret + `, keys: [{id: x, secret: ` + longSecret + `x}]}
  claims:
    - {claim: a.b, operator: equals, value: "7"}
    - {claim: [a.b, c], operator: equals, value: 7}
    - {claim: https://one.test/x.y, operator: in, value: [1, -2.5, true, "$${x}"]}
    - and: [{claim: n, operator: gt, value: 1}, {claim: n, operator: lte, value: 1e3}]
    - or: [{not: {claim: n, operator: exists}}, {claim: n, operator: exists, value: false}, {path: "/a"}]
  admin_claims: [{claim: role, operator: regex, value: "a|b"}, {claim: r, operator: contains, value: x}]
buckets:
  - name: b
    s3: {bucket: o}
    auth:
      enabled: true
      jwt:
        claims:
          - path: ["/users/${sub}/**", "/u-${https://one.test/x.y}-z/*/${a.b}", "/**", "//a/", "/x${y}"]
  - {name: c, s3: {bucket: o}, auth: {enabled: false, jwt: {claims: [{claim: a, operator: exists}]}}}
`

func TestTokensAreRead(t *testing.T) {
	c := mustParse(t, tokensFile, environment())
	one := Issuer{
		Name: "https://one.test", Algorithms: []string{"RS256", "ES384", "EdDSA"}, Audience: []string{"a", "${b}"}, RequireExpiry: true,
		Keys: []TokenKey{{ID: "k", Algorithm: "EdDSA", Path: "/k.pem"}},
		JWKS: &JWKS{URL: "https://one.test/keys", Refresh: time.Minute, Keep: 2 * time.Hour, CA: "/ca.pem"},
	}
	two := Issuer{Name: "two", Algorithms: []string{"HS512"}, Leeway: 30 * time.Second, Keys: []TokenKey{
		{Algorithm: "HS512", Secret: longSecret}, {ID: "x", Algorithm: "HS512", Secret: longSecret + "x"},
	}}
	if want := []Issuer{one, two}; !reflect.DeepEqual(c.JWT.Issuers, want) {
		t.Errorf("got  %+v\nwant %+v", c.JWT.Issuers, want)
	}
	sources := []TokenSource{{Type: "bearer"}, {"header", "X-T", "Token "}, {Type: "query", Name: "t"}, {Type: "cookie", Name: "c"}}
	if !reflect.DeepEqual(c.JWT.Sources, sources) {
		t.Errorf("%+v", c.JWT.Sources)
	}
	n := []string{"n"}
	missing := Condition{Claim: n, Operator: "exists", Values: []any{true}}
	claims := []Condition{
		{Claim: []string{"a", "b"}, Operator: "equals", Values: []any{"7"}},
		{Claim: []string{"a.b", "c"}, Operator: "equals", Values: []any{int64(7)}},
		{Claim: []string{"https://one.test/x.y"}, Operator: "in", Values: []any{int64(1), -2.5, true, "${x}"}},
		{And: []Condition{{Claim: n, Operator: "gt", Values: []any{int64(1)}}, {Claim: n, Operator: "lte", Values: []any{1e3}}}},
		{Or: []Condition{{Not: &missing}, {Claim: n, Operator: "exists", Values: []any{false}}, {Paths: []PathPattern{{Segments: []PathSegment{{Before: "a"}}}}}}},
	}
	if !reflect.DeepEqual(c.JWT.Claims, claims) {
		t.Errorf("got  %+v\nwant %+v", c.JWT.Claims, claims)
	}
	patterns := []PathPattern{
		{Segments: []PathSegment{{Before: "users"}, {Claim: []string{"sub"}}}, Below: true},
		{Segments: []PathSegment{{Before: "u-", After: "-z", Claim: []string{"https://one.test/x.y"}}, {Any: true}, {Claim: []string{"a", "b"}}}},
		{Below: true},
		{Segments: []PathSegment{{}, {Before: "a"}, {}}},
		{Segments: []PathSegment{{Before: "x", Claim: []string{"y"}}}},
	}
	auth := BucketAuth{Enabled: true, JWT: BucketJWT{Enabled: true, Claims: []Condition{{Paths: patterns}}}}
	if !reflect.DeepEqual(c.Buckets[0].Auth, auth) || !reflect.DeepEqual(c.Buckets[1].Auth, BucketAuth{}) {
		t.Errorf("got  %+v\nwant %+v\nthen %+v", c.Buckets[0].Auth, auth, c.Buckets[1].Auth)
	}
}

// The old program's section, with every key that it had.
func TestOldTokensAreRead(t *testing.T) {
	const sources = `token_sources: [{type: bearer, name: Authorization, prefix: "Bearer "}, {type: header, name: X-T, prefix: "T "}, {type: query, name: t}], ` +
		`claims: [{claim: role, operator: in, value: [a, b]}], admin_claims: [{claim: level, operator: gte, value: 9}], jwks_refresh_interval_secs: 60}`
	old := Issuer{RequireExpiry: true, Leeway: 30 * time.Second}
	for text, want := range map[string]Issuer{
		"algorithm: HS256, secret: " + longSecret: {Algorithms: []string{"HS256"}, Keys: []TokenKey{{Algorithm: "HS256", Secret: longSecret}}},
		"algorithm: RS384, rsa_public_key_path: /r, keys: [{id: k, algorithm: ES256, path: /e}]": {
			Algorithms: []string{"RS384", "ES256"}, Keys: []TokenKey{{Algorithm: "RS384", Path: "/r"}, {ID: "k", Algorithm: "ES256", Path: "/e"}},
		},
		"algorithm: ES256, ecdsa_public_key_path: /e": {Algorithms: []string{"ES256"}, Keys: []TokenKey{{Algorithm: "ES256", Path: "/e"}}},
		"algorithm: RS256, jwks_url: https://i.test/k": {
			Algorithms: []string{"RS256"}, JWKS: &JWKS{URL: "https://i.test/k", Refresh: time.Minute, Keep: 24 * time.Hour},
		},
	} {
		c := mustParse(t, "jwt: {enabled: true, "+text+", "+sources+oneBucket, environment())
		want.RequireExpiry, want.Leeway = old.RequireExpiry, old.Leeway
		if !reflect.DeepEqual(c.JWT.Issuers, []Issuer{want}) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", text, c.JWT.Issuers, want)
		}
		if len(c.JWT.Sources) != 3 || c.JWT.Sources[0] != (TokenSource{Type: "bearer"}) || len(c.JWT.Claims) != 1 || len(c.JWT.AdminClaims) != 1 {
			t.Errorf("%+v", c.JWT)
		}
	}
}

func TestTokensThatCannotBeHadStopTheStart(t *testing.T) {
	const on, ok = "jwt: {enabled: true, ", "algorithm: HS256, secret: " + longSecret + ", "
	short := strings.Repeat("s", 31)
	checkRefusals(t, oneBucket, []refusal{
		{`jwt: {algorithm: HS256}`, `1:1: jwt.enabled: is missing`},
		{`jwt: {enabled: flase}`, `1:16: jwt.enabled: want true or false, got "flase"`},
		{`jwt: {enabled: false, algoritm: RS256}`, `1:23: jwt.algoritm: unknown key; did you mean algorithm?`},
		{on + `}`, `1:1: jwt: has no key: give secret, rsa_public_key_path, ecdsa_public_key_path, keys or jwks_url`},
		{on + `algorithm: none, jwks_url: https://i.test/k}`, `1:33: jwt.algorithm: want one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, got "none"`},
		{on + `algorithm: HS256, secret: ` + short + `}`, `1:48: jwt.secret: 31 bytes are too few: HS256 wants 32 at least (openssl rand -base64 32)`},
		{on + `algorithm: HS512, secret: ` + short + short + `}`, `1:48: jwt.secret: 62 bytes are too few: HS512 wants 64 at least (openssl rand -base64 64)`},
		{on + `keys: [{algorithm: HS384, secret: s}]}`, `1:56: jwt.keys[0].secret: 1 bytes are too few: HS384 wants 48 at least (openssl rand -base64 48)`},
		{on + `secret: ` + longSecret + `}`, `1:30: jwt.secret: want an algorithm beside it, one of those that begin with HS`},
		{on + `algorithm: ES256, rsa_public_key_path: /r}`, `1:61: jwt.rsa_public_key_path: want an algorithm beside it, one of those that begin with RS or PS`},
		{on + `algorithm: [HS256, RS256], secret: ` + longSecret + `}`, `1:33: jwt.algorithm: secrets (HS…) and public keys are not for one issuer: give each an entry of jwt.issuers`},
		{on + ok + `keys: [{algorithm: RS256, path: /r}]}`, `1:33: jwt.algorithm: secrets (HS…) and public keys are not for one issuer: give each an entry of jwt.issuers`},
		{on + ok + `jwks_url: https://i.test/k}`, `1:124: jwt.jwks_url: secrets (HS…) are not published: give the public keys an entry of jwt.issuers`},
		{on + `keys: [{algorithm: RS256}]}`, `1:29: jwt.keys[0]: has no key: give secret or path`},
		{on + `keys: [{algorithm: RS256, secret: s}]}`, `1:56: jwt.keys[0].secret: RS256 wants the path of a public key's PEM file`},
		{on + `keys: [{algorithm: HS256, path: /s}]}`, `1:54: jwt.keys[0].path: HS256 wants a secret`},
		{on + `keys: [{path: /s}]}`, `1:29: jwt.keys[0].algorithm: is missing`},
		{on + `keys: [{id: a, algorithm: RS256, path: /r}, {id: a, algorithm: RS256, path: /s}]}`, `1:71: jwt.keys[1].id: "a" is there twice`},
		{on + `jwks_url: https://i.test/k}`, `1:1: jwt.algorithm: is missing`},
		{on + `algorithm: RS256, jwks_url: http://i.test/k}`, `1:50: jwt.jwks_url: want https: who can change what is fetched can make tokens (http is for 127.0.0.1 and ::1)`},
		{on + `algorithm: RS256, jwks_url: http://localhost/k}`, `1:50: jwt.jwks_url: want https: who can change what is fetched can make tokens (http is for 127.0.0.1 and ::1)`},
		{on + `algorithm: RS256, jwks_url: "file:///k"}`, `1:50: jwt.jwks_url: want a URL such as https://issuer.example.com/keys`},
		{on + `algorithm: RS256, jwks_url: "https://u:p@i.test/k"}`, `1:50: jwt.jwks_url: want a URL without a user and without a fragment`},
		{on + `algorithm: RS256, jwks_url: https://i.test/k, jwks_keep: 30m}`, `1:79: jwt.jwks_keep: 30m is less than jwks_refresh_interval_secs: there would be no keys in between`},
		{on + `issuers: [{issuer: a, algorithm: RS256, jwks_url: https://i.test/k}, {algorithm: ES256, jwks_url: https://i.test/k}]}`, `1:91: jwt.issuers[1].issuer: is missing`},
		{on + `issuers: [{issuer: a, algorithm: RS256, jwks_url: https://i.test/k}, {issuer: a, algorithm: ES256, jwks_url: https://i.test/k}]}`, `1:100: jwt.issuers[1].issuer: "a" is there twice`},
		{on + `secret: s, issuers: [{algorithm: RS256, jwks_url: https://i.test/k}]}`, `1:22: jwt.secret: each of jwt.issuers has its own: move it there`},
		{on + ok + `token_sources: [{type: body, name: x}]}`, `1:137: jwt.token_sources[0].type: want one of bearer, header, query, cookie, got "body"`},
		{on + ok + `token_sources: [{type: header}]}`, `1:130: jwt.token_sources[0].name: is missing`},
		{on + ok + `token_sources: [{type: header, name: "a b"}]}`, `1:151: jwt.token_sources[0].name: "a b" is not a header's name`},
		{on + ok + `token_sources: [{type: query, name: versionId}]}`, `1:150: jwt.token_sources[0].name: versionId is a parameter of S3's: take another`},
		{on + ok + `token_sources: [{type: query, name: t, prefix: x}]}`, `1:161: jwt.token_sources[0].prefix: only a header has one`},
		{on + ok + `token_sources: [{type: bearer}, {type: bearer}]}`, `1:153: jwt.token_sources[1].type: the same place is there twice`},
	})
}

func TestConditionsThatCannotBeMetStopTheStart(t *testing.T) {
	const on = "jwt:\n  enabled: true\n  algorithm: HS256\n  secret: " + longSecret + "\n  claims: ["
	checkRefusals(t, oneBucket, []refusal{
		{on + `]`, `5:11: jwt.claims: want at least one condition: leave the key out for none`},
		{on + `{}]`, `5:12: jwt.claims[0]: want one of claim, path, and, or, not, got 0`},
		{on + `{claim: a, operator: exists, path: /a}]`, `5:12: jwt.claims[0]: want one of claim, path, and, or, not, got 2`},
		{on + `{claim: a}]`, `5:12: jwt.claims[0].operator: is missing`},
		{on + `{claim: a, operator: equals}]`, `5:12: jwt.claims[0].value: is missing`},
		{on + `{claim: a, operator: is, value: 1}]`, `5:33: jwt.claims[0].operator: want one of equals, in, contains, gt, lt, gte, lte, regex, exists, got "is"`},
		{on + `{claim: a..b, operator: exists}]`, `5:20: jwt.claims[0].claim: "a..b" has an empty name`},
		{on + `{claim: a, operator: gt, value: x}]`, `5:44: jwt.claims[0].value: gt compares numbers`},
		{on + `{claim: a, operator: in, value: x}]`, `5:44: jwt.claims[0].value: in takes a list of values`},
		{on + `{claim: a, operator: equals, value: [x]}]`, `5:48: jwt.claims[0].value: equals takes one value: a list is for in`},
		{on + `{claim: a, operator: regex, value: "a)|(b"}]`, `5:47: jwt.claims[0].value: want a regular expression (RE2)`},
		{on + `{claim: a, operator: exists, value: "true"}]`, `5:48: jwt.claims[0].value: want true or false`},
		{on + `{or: []}]`, `5:17: jwt.claims[0].or: want at least one condition: leave the key out for none`},
		{on + `{not: {or: [{path: a}]}}]`, `5:31: jwt.claims[0].not.or[0].path: want a slash and a name, such as /users/${sub}/**`},
		{on + `{path: "/${a}${b}"}]`, `5:19: jwt.claims[0].path: two claims between two slashes: "a" and "bc" would be read like "ab" and "c"`},
		{on + `{path: "/a*"}]`, `5:19: jwt.claims[0].path: * stands alone for one segment, ** alone at the end for everything below`},
		{on + `{path: "/**/a"}]`, `5:19: jwt.claims[0].path: * stands alone for one segment, ** alone at the end for everything below`},
		{on + `{path: "/a/../b"}]`, `5:19: jwt.claims[0].path: has a . or .. segment`},
		{on + `{path: "/${}/a"}]`, `5:19: jwt.claims[0].path: want ${…} around the name of a claim`},
		{on + `{path: "/${a"}]`, `5:19: jwt.claims[0].path: want ${…} around the name of a claim`},
		{strings.Replace(on, "claims", "admin_claims", 1) + `{not: {path: /a}}]`, `5:17: jwt.admin_claims: path: operators read no objects`},
	})
}

// A bucket that asks for a guard and would have none is not served.
func TestABucketIsNeverOpenByMistake(t *testing.T) {
	const at = "buckets:\n- name: b\n  s3: {bucket: o}\n  "
	const tokens = "\njwt: {enabled: true, algorithm: HS256, secret: " + longSecret + "}"
	const nobody = `buckets[0].auth.enabled: nobody could come in: give the jwt section, with enabled: true, or sigv4.keys or signed_urls.keys here`
	checkRefusals(t, "", []refusal{
		{at + `auth: {enabled: true}`, `4:19: ` + nobody},
		{at + `auth: {enabled: true}` + "\njwt: {enabled: false}", `4:19: ` + nobody},
		{at + `auth: {enabled: true, jwt: {enabled: false}}` + tokens, `4:19: ` + nobody},
		{at + `auth: {enabled: true, jwt: {enabled: true}}`, `4:40: buckets[0].auth.jwt.enabled: there are no tokens without the jwt section and jwt.enabled: true`},
		{at + `auth: {jwt: {enabled: true}}` + tokens, `4:3: buckets[0].auth.enabled: is missing`},
		{at + `auth: {enabled: "yes"}`, `4:19: buckets[0].auth.enabled: want true or false, got "yes"`},
		{at + `auth: true`, `4:9: buckets[0].auth: want a section of keys and values, got true or false`},
		{at + `auth: {enabld: true}`, `4:10: buckets[0].auth.enabld: unknown key; did you mean enabled?`},
	})
	for text, want := range map[string]bool{
		at + `auth: {enabled: true}` + tokens: true, at + `auth: {enabled: false}` + tokens: false, at + tokens: false,
	} {
		if c := mustParse(t, text, environment()); c.Buckets[0].Auth.Enabled != want || c.Buckets[0].Auth.JWT.Enabled != want {
			t.Errorf("%s: %+v", text, c.Buckets[0].Auth)
		}
	}
}
