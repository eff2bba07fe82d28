package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"rookery/audit"
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

// closing is a buffer that can be closed.
type closing struct{ bytes.Buffer }

func (*closing) Close() error { return nil }

// TestOperatorsAndTheAudit: an operator's own token opens what the admin token opens, and
// every call is told, with who it was.
func TestOperatorsAndTheAudit(t *testing.T) {
	var written closing
	team := staff{"ann's": {Scheme: "jwt", Issuer: "https://id.example", Subject: "ann"}}
	log := audit.New(audit.Options{To: &written})
	h := New(Options{
		Token: "right", Log: slog.New(slog.DiscardHandler), Operators: func() Operators { return team }, Audit: log,
		Drain: func() {}, Stats: func() Stats { panic("for once") }, Health: func() Health { return Health{} },
	})
	right := fingerprint("right")
	cases := []struct {
		method, path, authorization string
		subject, token              string
		status                      int
	}{
		{"POST", "/admin/drain", "Bearer right", "", right, 202},
		{"POST", "/admin/drain", "Bearer ann's", "ann", "", 202},
		{"GET", "/admin/drain?token=secret", "Bearer ann's", "ann", "", 405},
		{"POST", "/admin/drain", "Bearer bob's", "", tokenRefused, 401},
		{"POST", "/admin/drain", "", "", tokenNone, 401},
		{"GET", "/admin/nowhere", "Bearer right", "", tokenNone, 404},
	}
	for _, c := range cases {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		r.Header.Set("Authorization", c.authorization)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s with %q: %d, want %d", c.method, c.path, c.authorization, w.Code, c.status)
		}
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/health", nil))
	func() {
		defer func() { _ = recover() }()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/admin/cache/stats", nil)
		r.Header.Set("Authorization", "Bearer right")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	if len(lines) != len(cases)+1 {
		t.Fatalf("%d calls are recorded, want %d:\n%s", len(lines), len(cases)+1, written.String())
	}
	for i, c := range cases {
		var e audit.Entry
		if err := json.Unmarshal([]byte(lines[i]), &e); err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(c.path, "?")
		want := audit.Entry{Time: e.Time, Event: audit.Admin, Remote: "192.0.2.1:1234", Method: c.method, Path: path, Token: c.token, Status: c.status}
		if c.subject != "" {
			want.Scheme, want.Issuer, want.Subject = "jwt", "https://id.example", c.subject
		}
		if e != want {
			t.Errorf("%s %s with %q is recorded as %+v, want %+v", c.method, c.path, c.authorization, e, want)
		}
	}
	if last := lines[len(cases)]; !strings.Contains(last, "/admin/cache/stats") {
		t.Errorf("a call that went wrong is recorded as %s", last)
	}
}
