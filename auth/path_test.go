package auth_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rookery/auth"
)

func lit(text string) auth.PathSegment   { return auth.PathSegment{Before: text} }
func of(name ...string) auth.PathSegment { return auth.PathSegment{Claim: name} }

var (
	own     = &auth.PathPattern{Segments: []auth.PathSegment{lit("users"), of("sub")}, Below: true}
	avatar  = &auth.PathPattern{Segments: []auth.PathSegment{lit("users"), {Before: "u-", Claim: []string{"sub"}, After: ".png"}}}
	tenants = &auth.PathPattern{Segments: []auth.PathSegment{of("org", "id"), {Any: true}, lit("public")}, Below: true}
	all     = &auth.PathPattern{Below: true}
)

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		pattern *auth.PathPattern
		claims  string
		action  auth.Action
		name    string
		want    bool
	}{
		{own, `{"sub": "7"}`, auth.Read, "users/7/a", true},
		{own, `{"sub": "7"}`, auth.Read, "users/7/a/b//c", true},
		{own, `{"sub": "7"}`, auth.Read, "users/7/", true},
		{own, `{"sub": "7"}`, auth.Read, "users/7", false},
		{own, `{"sub": "7"}`, auth.Read, "users/70/a", false},
		{own, `{"sub": "7"}`, auth.Read, "users/8/a", false},
		{own, `{"sub": "7"}`, auth.Read, "/users/7/a", false},
		{own, `{"sub": "7"}`, auth.Read, "x/users/7/a", false},
		{own, `{"sub": "7"}`, auth.Read, "Users/7/a", false},
		{own, `{"sub": "7"}`, auth.Read, "users//7/a", false},
		{own, `{"sub": "7"}`, auth.Read, "", false},
		{own, `{"sub": "7"}`, auth.Read, "users/7/../8/a", false},
		{own, `{"sub": "7"}`, auth.Read, "users/7/./a", false},
		{own, `{"sub": "7"}`, auth.Read, "users/7/..", false},
		{own, `{"sub": "7"}`, auth.Read, "users/7/..a/.b/c..", true},
		// A list is of everything that begins with its prefix.
		{own, `{"sub": "7"}`, auth.List, "users/7/", true},
		{own, `{"sub": "7"}`, auth.List, "users/7/a", true},
		{own, `{"sub": "7"}`, auth.List, "users/7", false},
		{own, `{"sub": "7"}`, auth.List, "users/", false},
		{own, `{"sub": "7"}`, auth.List, "users", false},
		{own, `{"sub": "7"}`, auth.List, "", false},
		{own, `{"sub": "7"}`, auth.List, "users/8/", false},
		{own, `{"sub": "7"}`, auth.List, "users/7/../", false},
		{own, `{"sub": "7"}`, auth.Buckets, "", true},
		{own, `{}`, auth.Buckets, "", false},
		// What a claim may not be.
		{own, `{}`, auth.Read, "users//a", false},
		{own, `{"sub": ""}`, auth.Read, "users//a", false},
		{own, `{"sub": null}`, auth.Read, "users//a", false},
		{own, `{"sub": "7/8"}`, auth.Read, "users/7/8/a", false},
		{own, `{"sub": "."}`, auth.Read, "users/./a", false},
		{own, `{"sub": ".."}`, auth.Read, "users/../a", false},
		{own, `{"sub": "../.."}`, auth.Read, "users/../../a", false},
		{own, `{"sub": "*"}`, auth.Read, "users/8/a", false},
		{own, `{"sub": "**"}`, auth.Read, "users/8/a", false},
		{own, `{"sub": "*"}`, auth.Read, "users/*/a", true},
		{own, `{"sub": "${sub}"}`, auth.Read, "users/${sub}/a", true},
		{own, `{"sub": "7\u0000"}`, auth.Read, "users/7\x00/a", false},
		{own, `{"sub": "\ud800"}`, auth.Read, "users/\ufffd/a", false},
		{own, `{"sub": ["7"]}`, auth.Read, "users/7/a", false},
		{own, `{"sub": {"7": 1}}`, auth.Read, "users/7/a", false},
		{own, `{"sub": true}`, auth.Read, "users/true/a", false},
		{own, `{"sub": 7}`, auth.Read, "users/7/a", true},
		{own, `{"sub": 7e0}`, auth.Read, "users/7e0/a", false},
		{own, `{"sub": "%2e%2e"}`, auth.Read, "users/%2e%2e/a", true}, // a name is decoded once, a claim never
		{own, `{"sub": "ünï cödé"}`, auth.Read, "users/ünï cödé/a", true},
		// Without /** a name has exactly these segments, and nothing is listed.
		{avatar, `{"sub": "7"}`, auth.Read, "users/u-7.png", true},
		{avatar, `{"sub": "7"}`, auth.Read, "users/u-7.png/", false},
		{avatar, `{"sub": "7"}`, auth.Read, "users/u-7.png/a", false},
		{avatar, `{"sub": "7"}`, auth.Read, "users/u-8.png", false},
		{avatar, `{"sub": ""}`, auth.Read, "users/u-.png", false},
		{avatar, `{"sub": "7"}`, auth.List, "users/u-7.png", false},
		{tenants, `{"org": {"id": "acme"}}`, auth.Read, "acme/x/public/a", true},
		{tenants, `{"org": {"id": "acme"}}`, auth.Read, "acme//public/a", false},
		{tenants, `{"org": {"id": "acme"}}`, auth.Read, "acme/x/y/public/a", false},
		{tenants, `{"org": {"id": "acme"}}`, auth.Read, "acme/x/private/a", false},
		{tenants, `{"org": {"id": "acme"}}`, auth.List, "acme/x/public/", true},
		{tenants, `{"org": {"id": "acme"}}`, auth.List, "acme/x/", false},
		{tenants, `{"org": "acme"}`, auth.Read, "acme/x/public/a", false},
		{all, `{}`, auth.Read, "a", true},
		{all, `{}`, auth.Read, "a/../b", false},
		{all, `{}`, auth.List, "", true},
		{all, `{}`, auth.Buckets, "", true},
	} {
		rule := auth.Claims{c.pattern}
		who := &auth.Identity{Scheme: "jwt", Claims: decoded(t, c.claims)}
		if err := rule.Allow(t.Context(), &auth.Request{Action: c.action, Name: c.name}, who); (err == nil) != c.want {
			t.Errorf("%s %s %q: %v, want %v", c.claims, c.action, c.name, err, c.want)
		}
	}
}

// Of a claim that does not fit, not even "not there" is sure.
func TestAnUnfitClaimIsNoExclusion(t *testing.T) {
	rule := auth.Claims{auth.Not{Condition: own}}
	for claims, want := range map[string]bool{`{"sub": "7"}`: true, `{"sub": ""}`: false, `{}`: false, `{"sub": "a/b"}`: false} {
		who := &auth.Identity{Scheme: "jwt", Claims: decoded(t, claims)}
		if err := rule.Allow(t.Context(), &auth.Request{Name: "users/8/a"}, who); (err == nil) != want {
			t.Errorf("%s: %v, want %v", claims, err, want)
		}
	}
}

// Whatever a subject is called, it reads under its own directory or nothing, and lists
// nothing that it may not read.
func TestNoSubjectReadsAnothers(t *testing.T) {
	part := rapid.StringOfN(rapid.SampledFrom([]rune("7a./*%$ü\x00")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		subject := part.Draw(t, "subject")
		name := "users/" + rapid.OneOf(rapid.Just(subject), part).Draw(t, "directory") + "/" + part.Draw(t, "rest")
		who := &auth.Identity{Scheme: "jwt", Claims: map[string]any{"sub": subject}}
		reads := auth.Claims{own}.Allow(t.Context(), &auth.Request{Name: name}, who) == nil
		if reads && (!strings.HasPrefix(name, "users/"+subject+"/") || subject == "" || strings.Contains(subject, "/") || subject == "..") {
			t.Fatalf("%q reads %q", subject, name)
		}
		directory := min(len(name), len("users/"+subject)) // without the slash: where a mistake would be
		prefix := name[:rapid.OneOf(rapid.Just(directory), rapid.IntRange(0, len(name))).Draw(t, "cut")]
		lists := auth.Claims{own}.Allow(t.Context(), &auth.Request{Action: auth.List, Name: prefix}, who) == nil
		if lists && !strings.HasPrefix(prefix, "users/"+subject+"/") {
			t.Fatalf("%q lists %q", subject, prefix)
		}
	})
}
