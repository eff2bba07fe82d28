package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/auth"
)

// staff are operators with tokens of their own.
type staff map[string]*auth.Identity

func (s staff) Admit(_ context.Context, token string) (*auth.Identity, error) {
	if who := s[token]; who != nil {
		return who, nil
	}
	return nil, errors.New("nobody's token")
}

// TestOnlyTheseAreOpen goes through every endpoint there is: what is not in the list wants
// a token, with each method, and does nothing without it.
func TestOnlyTheseAreOpen(t *testing.T) {
	open := []string{"/health", "/ready", "/metrics"}
	did := ""
	options := Options{
		Token: "right", Log: slog.New(slog.DiscardHandler),
		Drain: func() { did += "drain " },
		Stats: func() Stats { did += "stats "; return Stats{} }, Cluster: func() Cluster { did += "cluster "; return Cluster{} },
	}
	unconfigured := options
	unconfigured.Token = ""
	unconfigured.Operators = func() Operators { return nil }
	staffed := unconfigured
	staffed.Operators = func() Operators { return staff{"ann": {Scheme: "jwt", Issuer: "i", Subject: "ann"}} }
	h, closed, other := New(options).(*handler), New(unconfigured), New(staffed)
	seen := 0
	for _, e := range h.endpoints {
		path := e.path
		if strings.HasSuffix(path, "/") {
			path += "public"
		}
		if e.open != slices.Contains(open, path) {
			t.Errorf("%s is open: %v", path, e.open)
		}
		if e.open {
			continue
		}
		seen++
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			for _, c := range []struct {
				h             http.Handler
				authorization string
				want          int
			}{
				{h, "", 401},
				{h, "Bearer wrong", 401},
				{h, "Bearer righ", 401},
				{h, "Basic cmlnaHQ=", 401},
				{h, "Bearer ann", 401},
				{closed, "", 403},
				{closed, "Bearer right", 403},
				{closed, "Bearer ", 403},
				{other, "", 401},
				{other, "Bearer right", 401},
				{other, "Bearer ", 401},
			} {
				r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
				if c.authorization != "" {
					r.Header.Set("Authorization", c.authorization)
				}
				w := httptest.NewRecorder()
				if c.h.ServeHTTP(w, r); w.Code != c.want {
					t.Errorf("%s %s with %q: %d, want %d", method, path, c.authorization, w.Code, c.want)
				}
			}
		}
	}
	if did != "" || seen < 12 {
		t.Errorf("without a token it did %q; %d endpoints are guarded", did, seen)
	}
}

// TestOperatorsAndTheAudit: an operator's own token opens what the admin token opens, and
// every call is told, with who it was.
func TestOperatorsAndTheAudit(t *testing.T) {
	var calls []Call
	now := time.Unix(1_700_000_000, 0)
	team := staff{"ann's": {Scheme: "jwt", Issuer: "https://id.example", Subject: "ann"}}
	h := New(Options{
		Token: "right", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { now = now.Add(time.Second); return now },
		Operators: func() Operators { return team }, Audit: func(c Call) { calls = append(calls, c) },
		Drain: func() {}, Stats: func() Stats { panic("for once") }, Health: func() Health { return Health{} },
	})
	for _, c := range []struct {
		method, path, authorization string
		operator                    *auth.Identity
		token                       string
		status                      int
	}{
		{"POST", "/admin/drain", "Bearer right", nil, "27042f4e", 202},
		{"POST", "/admin/drain", "Bearer ann's", team["ann's"], "", 202},
		{"GET", "/admin/drain?token=secret", "Bearer ann's", team["ann's"], "", 405},
		{"POST", "/admin/drain", "Bearer bob's", nil, TokenRefused, 401},
		{"POST", "/admin/drain", "", nil, NoToken, 401},
		{"GET", "/admin/nowhere", "Bearer right", nil, NoToken, 404},
	} {
		calls = nil
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		r.Header.Set("Authorization", c.authorization)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		path, _, _ := strings.Cut(c.path, "?")
		want := Call{At: calls[0].At, Operator: c.operator, Token: c.token, Remote: "192.0.2.1:1234", Method: c.method, Path: path, Status: c.status, Took: time.Second}
		if w.Code != c.status || len(calls) != 1 || calls[0] != want {
			t.Errorf("%s %s with %q: %d, told %+v, want %+v", c.method, c.path, c.authorization, w.Code, calls, want)
		}
	}
	calls = nil
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/health", nil))
	if len(calls) != 0 {
		t.Errorf("a probe is told of: %+v", calls)
	}
	func() {
		defer func() { _ = recover() }()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/admin/cache/stats", nil)
		r.Header.Set("Authorization", "Bearer right")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}()
	if len(calls) != 1 || calls[0].Path != "/admin/cache/stats" {
		t.Errorf("a call that went wrong is told as %+v", calls)
	}
}
