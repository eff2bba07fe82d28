package auth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"rookery/auth"
)

// says is a scheme that knows who brings its header.
type says string

func (s says) Identify(_ context.Context, r *auth.Request) (*auth.Identity, error) {
	switch values := r.Header.Values(string(s)); {
	case len(values) == 0:
		return nil, nil
	case values[0] == "bad":
		return nil, errors.New("no such key")
	case values[0] == "expired":
		return nil, &auth.Denied{Reason: "expired"}
	default:
		return &auth.Identity{Scheme: string(s), Subject: values[0]}, nil
	}
}

// only lets one subject in.
type only string

func (o only) Allow(_ context.Context, _ *auth.Request, who *auth.Identity) error {
	if who.Subject != string(o) {
		return &auth.Denied{Reason: "claims"}
	}
	return nil
}

func TestGuard(t *testing.T) {
	schemes := []auth.Scheme{says("A"), says("B")}
	closed := auth.NewGuard(false, schemes, nil)
	open := auth.NewGuard(true, schemes, nil)
	ann := auth.NewGuard(false, schemes, []auth.Rule{only("ann")})
	cases := []struct {
		name            string
		guard           *auth.Guard
		header          http.Header
		subject, reason string
	}{
		{"no guard", nil, http.Header{"A": {"bad"}}, "", ""},
		{"no schemes", auth.NewGuard(false, nil, nil), http.Header{"A": {"ann"}}, "", auth.NoCredentials},
		{"nothing", closed, http.Header{}, "", auth.NoCredentials},
		{"first scheme", closed, http.Header{"A": {"ann"}}, "ann", ""},
		{"second scheme", closed, http.Header{"B": {"bob"}}, "bob", ""},
		{"both", closed, http.Header{"A": {"ann"}, "B": {"ann"}}, "", auth.TwoCredentials},
		{"one good, one bad", closed, http.Header{"A": {"ann"}, "B": {"bad"}}, "", auth.Undecided},
		{"its own reason", closed, http.Header{"A": {"expired"}}, "", "expired"},
		{"open, nothing", open, http.Header{}, "", ""},
		{"open, good", open, http.Header{"A": {"ann"}}, "ann", ""},
		{"open, bad", open, http.Header{"A": {"bad"}}, "", auth.Undecided},
		{"rule kept", ann, http.Header{"A": {"ann"}}, "ann", ""},
		{"rule broken", ann, http.Header{"A": {"bob"}}, "", "claims"},
	}
	for _, c := range cases {
		who, err := c.guard.Authorize(t.Context(), &auth.Request{Method: "GET", Header: c.header})
		var denied *auth.Denied
		switch {
		case c.reason == "" && (err != nil || who.Subject != c.subject || who.Anonymous() != (c.subject == "")):
			t.Errorf("%s: %+v, %v; want %q", c.name, who, err, c.subject)
		case c.reason != "" && (!errors.As(err, &denied) || denied.Reason != c.reason || who != nil):
			t.Errorf("%s: %+v, %v; want denied for %s", c.name, who, err, c.reason)
		}
	}
}
