package auth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"rookery/auth"
)

// sample has claims of every kind.
const sample = `{"sub": "7", "role": "admin", "roles": ["reader", "admin", 5, null, ["x"]], "level": 5, "half": 2.5, "huge": 9007199254740993,
	"beyond": 1e400, "on": true, "null": null, "text5": "5", "empty": "", "lines": "a\nadmin",
	"nested": {"role": "reader", "deep": {"n": 1}, "a.b": "dotted"}, "nested.role": "flat", "https://x.test/a.b": "url"}`

func decoded(t testing.TB, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var claims map[string]any
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func newClaim(t testing.TB, path []string, operator string, values ...any) auth.Condition {
	t.Helper()
	c, err := auth.NewClaim(path, operator, values...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func allows(t testing.TB, c auth.Condition, claims map[string]any) bool {
	t.Helper()
	err := auth.Claims{c}.Allow(t.Context(), &auth.Request{Name: "o"}, &auth.Identity{Scheme: "jwt", Claims: claims})
	if reason := reasonOf(t, err); reason != "" && reason != auth.BadClaims {
		t.Errorf("reason %q", reason)
	}
	return err == nil
}

// Each row says whether the condition is met, and whether its negation is; with a claim
// that is not there, or of another kind, neither is.
func TestClaims(t *testing.T) {
	claims := decoded(t, sample)
	for _, c := range []struct {
		path     string // names apart by spaces
		operator string
		values   []any
		is, not  bool
	}{
		{"role", "equals", []any{"admin"}, true, false},
		{"role", "equals", []any{"Admin"}, false, true},
		{"level", "equals", []any{int64(5)}, true, false},
		{"level", "equals", []any{5.0}, true, false},
		{"level", "equals", []any{"5"}, false, true},
		{"text5", "equals", []any{int64(5)}, false, true},
		{"text5", "equals", []any{"5"}, true, false},
		{"huge", "equals", []any{int64(9007199254740993)}, true, false},
		{"huge", "equals", []any{int64(9007199254740992)}, false, true},
		{"beyond", "equals", []any{int64(1)}, false, true},
		{"on", "equals", []any{true}, true, false},
		{"on", "equals", []any{"true"}, false, true},
		{"null", "equals", []any{"null"}, false, false},
		{"absent", "equals", []any{"x"}, false, false},
		{"roles", "equals", []any{"reader"}, false, false},
		{"nested", "equals", []any{"reader"}, false, false},
		{"role", "in", []any{"reader", "admin"}, true, false},
		{"level", "in", []any{"5", int64(6)}, false, true},
		{"roles", "in", []any{"reader"}, false, false},
		{"absent", "in", []any{"x"}, false, false},
		{"roles", "contains", []any{"admin"}, true, false},
		{"roles", "contains", []any{"adm"}, false, true},
		{"roles", "contains", []any{int64(5)}, true, false},
		{"roles", "contains", []any{"x"}, false, true},
		{"role", "contains", []any{"dmi"}, true, false},
		{"role", "contains", []any{"x"}, false, true},
		{"role", "contains", []any{int64(5)}, false, false},
		{"level", "contains", []any{int64(5)}, false, false},
		{"level", "gt", []any{int64(4)}, true, false},
		{"level", "gt", []any{int64(5)}, false, true},
		{"level", "gte", []any{int64(5)}, true, false},
		{"level", "lt", []any{5.5}, true, false},
		{"level", "lte", []any{int64(4)}, false, true},
		{"half", "gt", []any{int64(2)}, true, false},
		{"huge", "gt", []any{int64(9007199254740992)}, true, false},
		{"text5", "gt", []any{int64(4)}, false, false},
		{"beyond", "gt", []any{int64(4)}, false, false},
		{"absent", "lt", []any{int64(4)}, false, false},
		{"role", "regex", []any{"adm.*"}, true, false},
		{"role", "regex", []any{"dmi"}, false, true},
		{"role", "regex", []any{"x|admin|y"}, true, false},
		{"lines", "regex", []any{"admin"}, false, true},
		{"lines", "regex", []any{"(?m)^admin$"}, false, true},
		{"level", "regex", []any{"5"}, false, false},
		{"absent", "regex", []any{".*"}, false, false},
		{"role", "exists", []any{true}, true, false},
		{"role", "exists", []any{false}, false, true},
		{"empty", "exists", []any{true}, true, false},
		{"null", "exists", []any{true}, false, true},
		{"absent", "exists", []any{false}, true, false},
		{"nested role", "equals", []any{"reader"}, true, false},
		{"nested deep n", "gte", []any{int64(1)}, true, false},
		{"nested deep n x", "exists", []any{true}, false, true},
		{"nested a.b", "equals", []any{"dotted"}, true, false},
		{"nested.role", "equals", []any{"flat"}, true, false},
		{"https://x.test/a.b", "equals", []any{"url"}, true, false},
		{"roles 0", "exists", []any{true}, false, true},
	} {
		condition := newClaim(t, strings.Split(c.path, " "), c.operator, c.values...)
		if is, not := allows(t, condition, claims), allows(t, auth.Not{Condition: condition}, claims); is != c.is || not != c.not {
			t.Errorf("%s %s %v: %v, its negation %v; want %v and %v", c.path, c.operator, c.values, is, not, c.is, c.not)
		}
	}
}

func TestConditionsWithinConditions(t *testing.T) {
	claims := decoded(t, sample)
	yes := newClaim(t, []string{"role"}, "equals", "admin")
	no := newClaim(t, []string{"role"}, "equals", "reader")
	untold := newClaim(t, []string{"absent"}, "equals", "x")
	for name, c := range map[string]struct {
		condition auth.Condition
		want      bool
	}{
		"all of none":         {auth.All{}, true},
		"any of none":         {auth.Any{}, false},
		"all":                 {auth.All{yes, yes}, true},
		"all but one":         {auth.All{yes, no}, false},
		"all but an unknown":  {auth.All{yes, untold}, false},
		"not all":             {auth.Not{Condition: auth.All{yes, no}}, true},
		"not all, unknown":    {auth.Not{Condition: auth.All{yes, untold}}, false},
		"surely not all":      {auth.Not{Condition: auth.All{untold, no}}, true},
		"any":                 {auth.Any{no, yes}, true},
		"any beside unknown":  {auth.Any{untold, yes}, true},
		"any unknown":         {auth.Any{untold, no}, false},
		"none":                {auth.Not{Condition: auth.Any{no, no}}, true},
		"none, with unknown":  {auth.Not{Condition: auth.Any{no, untold}}, false},
		"twice not":           {auth.Not{Condition: auth.Not{Condition: yes}}, true},
		"twice not, unknown":  {auth.Not{Condition: auth.Not{Condition: untold}}, false},
		"deep":                {auth.All{auth.Any{no, auth.All{yes, auth.Not{Condition: no}}}, yes}, true},
		"no claims there are": {auth.Not{Condition: newClaim(t, []string{"x"}, "exists", true)}, true},
	} {
		if got := allows(t, c.condition, claims); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Who came by another scheme is judged by the rules of that.
func TestClaimsJudgeTokensAlone(t *testing.T) {
	rule := auth.Claims{newClaim(t, []string{"role"}, "equals", "admin")}
	for scheme, want := range map[string]bool{"jwt": false, "sigv4": true, "": true} {
		err := rule.Allow(t.Context(), &auth.Request{}, &auth.Identity{Scheme: scheme})
		if (err == nil) != want {
			t.Errorf("%q: %v", scheme, err)
		}
	}
}

func TestClaimsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		path     []string
		operator string
		values   []any
	}{
		{nil, "equals", []any{"x"}},
		{[]string{"a"}, "equals", nil},
		{[]string{"a"}, "equals", []any{"x", "y"}},
		{[]string{"a"}, "is", []any{int64(1)}},
		{[]string{"a"}, "gt", []any{"1"}},
		{[]string{"a"}, "exists", []any{"true"}},
		{[]string{"a"}, "regex", []any{"a)|(b"}},
		{[]string{"a"}, "regex", []any{""}},
		{[]string{"a"}, "regex", []any{int64(1)}},
	} {
		if made, err := auth.NewClaim(c.path, c.operator, c.values...); err == nil {
			t.Errorf("%v: %v", c, made)
		}
	}
}
