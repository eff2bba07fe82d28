package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/auth"
)

// opaServer is an OPA that does as it is told, and keeps what it was asked.
type opaServer struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string // the documents
	target string
	answer http.HandlerFunc // nil is a yes
}

func startOPA(t *testing.T) *opaServer {
	t.Helper()
	s := new(opaServer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.asked, s.target = append(s.asked, string(text)), r.Method+" "+r.RequestURI
		answer := s.answer
		s.mu.Unlock()
		if answer == nil {
			answer = says200(`{"result": true}`)
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func says200(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func (s *opaServer) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *opaServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func newOPA(t *testing.T, o auth.OPAOptions) *auth.OPA {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	o.Policy, o.Bucket = "authz/allow", "b"
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	p, err := auth.NewOPA(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// whyNot is "" for an allowed request.
func whyNot(t *testing.T, err error) string {
	t.Helper()
	var denied *auth.Denied
	if err != nil && !errors.As(err, &denied) {
		t.Fatalf("not a *Denied: %v", err)
	}
	if err == nil {
		return ""
	}
	return denied.Reason
}

func readOf(name string) *auth.Request {
	return &auth.Request{
		Method: "GET", Target: "/b/" + name + "?token=secret-token", Host: "h", Header: http.Header{"Authorization": {"Bearer secret-token"}},
		Remote: netip.MustParseAddr("::ffff:192.0.2.7"), Bucket: "b", Action: auth.Read, Name: name,
	}
}

var (
	ann   = &auth.Identity{Scheme: "jwt", Subject: "ann", Issuer: "https://i.example.com", Claims: map[string]any{"sub": "ann", "n": json.Number("9007199254740993"), "groups": []any{"a"}}}
	noOne = new(auth.Identity)
)

// A policy is told who asks for what, and no token.
func TestWhatOPAIsTold(t *testing.T) {
	s := startOPA(t)
	p := newOPA(t, auth.OPAOptions{URL: s.URL + "/"})
	if err := p.Allow(t.Context(), readOf("a b/ü<"), ann); err != nil {
		t.Fatal(err)
	}
	list := &auth.Request{Method: "HEAD", Bucket: "b", Action: auth.List, Name: "a/", Header: http.Header{}}
	if err := p.Allow(t.Context(), list, noOne); err != nil {
		t.Fatal(err)
	}
	if s.target != "POST /v1/data/authz/allow" {
		t.Error(s.target)
	}
	for i, want := range []string{
		`{"input":{"jwt_claims":{"groups":["a"],"n":9007199254740993,"sub":"ann"},"bucket":"b","path":"/a b/ü\u003c","method":"GET","client_ip":"192.0.2.7","action":"read","scheme":"jwt","subject":"ann","issuer":"https://i.example.com"}}`,
		`{"input":{"jwt_claims":{},"bucket":"b","path":"/a/","method":"HEAD","action":"list","scheme":"","subject":"","issuer":""}}`,
	} {
		if s.asked[i] != want {
			t.Errorf("asked %s\n want %s", s.asked[i], want)
		}
	}
	if whyNot(t, p.Allow(t.Context(), readOf("\xff"), ann)) != auth.PolicyFailed || s.count() != 2 {
		t.Error("a name that JSON cannot have was told, or allowed")
	}
}

// What is not a clear yes is a no, and what is no answer is not remembered.
func TestOPAFailsClosed(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		reason string
		known  bool
	}{
		{"yes", says200(` {"decision_id": "4", "result": true} `), "", true},
		{"yes, with a reason", says200(`{"result": {"allow": true, "reason": "r"}}`), "", true},
		{"no", says200(`{"result": false}`), auth.Policy, true},
		{"no, with a reason", says200(`{"result": {"allow": false, "reason": "r"}}`), auth.Policy, true},
		{"no such policy", says200(`{}`), auth.PolicyFailed, false},
		{"null", says200(`{"result": null}`), auth.PolicyFailed, false},
		{"a word", says200(`{"result": "true"}`), auth.PolicyFailed, false},
		{"a number", says200(`{"result": 1}`), auth.PolicyFailed, false},
		{"a list", says200(`{"result": [true]}`), auth.PolicyFailed, false},
		{"an empty whole", says200(`{"result": {}}`), auth.PolicyFailed, false},
		{"a word in it", says200(`{"result": {"allow": "true"}}`), auth.PolicyFailed, false},
		{"deeper", says200(`{"result": {"allow": {"allow": true}}}`), auth.PolicyFailed, false},
		{"other case", says200(`{"Result": true}`), auth.PolicyFailed, false},
		{"other case in it", says200(`{"result": {"Allow": true}}`), auth.PolicyFailed, false},
		{"twice", says200(`{"result": true}{"result": true}`), auth.PolicyFailed, false},
		{"no JSON", says200(`true`), auth.PolicyFailed, false},
		{"nothing", says200(``), auth.PolicyFailed, false},
		{"too much", says200(`{"result": true` + strings.Repeat(" ", 64<<10) + `}`), auth.PolicyFailed, false},
		{"500", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `{"result": true}`)
		}, auth.PolicyFailed, false},
		{"another 2xx", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, auth.PolicyFailed, false},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/yes" {
				says200(`{"result": true}`)(w, r)
				return
			}
			http.Redirect(w, r, "/yes", http.StatusTemporaryRedirect)
		}, auth.PolicyFailed, false},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, auth.PolicyFailed, false},
	} {
		s := startOPA(t)
		s.set(c.answer)
		p := newOPA(t, auth.OPAOptions{URL: s.URL, TTL: time.Minute})
		for range 2 {
			if why := whyNot(t, p.Allow(t.Context(), readOf("o"), ann)); why != c.reason {
				t.Errorf("%s: %q, want %q", c.name, why, c.reason)
			}
		}
		if known := s.count() == 1; known != c.known {
			t.Errorf("%s: asked %d times", c.name, s.count())
		}
	}
	s := startOPA(t)
	p := newOPA(t, auth.OPAOptions{URL: s.URL})
	s.Close()
	if why := whyNot(t, p.Allow(t.Context(), readOf("o"), ann)); why != auth.PolicyFailed {
		t.Errorf("no server: %q", why)
	}
	linkLocal := newOPA(t, auth.OPAOptions{URL: "http://169.254.169.254"})
	if err := linkLocal.Allow(t.Context(), readOf("o"), ann); err == nil || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("link-local: %v", err)
	}
}

// Who waits for OPA waits no longer than configured.
func TestOPAIsNotWaitedForLonger(t *testing.T) {
	s, release := startOPA(t), make(chan struct{})
	s.set(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	p := newOPA(t, auth.OPAOptions{URL: s.URL, Timeout: 20 * time.Millisecond, TTL: time.Minute})
	if why := whyNot(t, p.Allow(t.Context(), readOf("o"), ann)); why != auth.PolicyFailed {
		t.Errorf("%q", why)
	}
}

// A decision is believed for its time, and for exactly what was asked.
func TestDecisionsAreRemembered(t *testing.T) {
	s, now := startOPA(t), exampleTime
	p := newOPA(t, auth.OPAOptions{URL: s.URL, TTL: time.Minute, Now: func() time.Time { return now }})
	ask := func(r *auth.Request, who *auth.Identity, asked int, reason string) {
		t.Helper()
		if why := whyNot(t, p.Allow(t.Context(), r, who)); why != reason {
			t.Errorf("%q, want %q", why, reason)
		}
		if n := s.count(); n != asked {
			t.Errorf("asked %d times, want %d", n, asked)
		}
	}
	ask(readOf("o"), ann, 1, "")
	s.set(says200(`{"result": false}`))
	ask(readOf("o"), ann, 1, "")
	for n, change := range []func(*auth.Request, *auth.Identity){
		func(r *auth.Request, _ *auth.Identity) { r.Name = "p" },
		func(r *auth.Request, _ *auth.Identity) { r.Method = "HEAD" },
		func(r *auth.Request, _ *auth.Identity) { r.Action = auth.List },
		func(r *auth.Request, _ *auth.Identity) { r.Bucket = "c" },
		func(r *auth.Request, _ *auth.Identity) { r.Remote = netip.MustParseAddr("192.0.2.8") },
		func(_ *auth.Request, i *auth.Identity) { i.Subject = "bob" },
		func(_ *auth.Request, i *auth.Identity) { i.Issuer = "" },
		func(_ *auth.Request, i *auth.Identity) { i.Scheme = "sigv4" },
		func(_ *auth.Request, i *auth.Identity) { i.Claims = map[string]any{"sub": "ann"} },
	} {
		r, who := *readOf("o"), *ann
		change(&r, &who)
		ask(&r, &who, n+2, auth.Policy)
	}
	now = now.Add(time.Minute - 1)
	ask(readOf("o"), ann, 10, "")
	now = now.Add(1)
	ask(readOf("o"), ann, 11, auth.Policy)
	s.set(nil)
	ask(readOf("o"), ann, 11, auth.Policy) // a no is remembered as well
	now = now.Add(time.Minute)
	ask(readOf("o"), ann, 12, "")

	forgetful := newOPA(t, auth.OPAOptions{URL: s.URL})
	for range 3 {
		if err := forgetful.Allow(t.Context(), readOf("o"), ann); err != nil {
			t.Fatal(err)
		}
	}
	if s.count() != 15 {
		t.Errorf("asked %d times without a memory", s.count()-12)
	}
}

// One question serves all who have it, even when who asked it has gone; who has gone
// waits no longer.
func TestOneQuestionServesAll(t *testing.T) {
	s, release, came := startOPA(t), make(chan struct{}), make(chan struct{}, 1)
	s.set(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-release
		says200(`{"result": true}`)(w, r)
	})
	set := metrics.NewSet()
	p := newOPA(t, auth.OPAOptions{URL: s.URL, TTL: time.Minute, Metrics: set})
	first, leave := context.WithCancel(t.Context())
	const others = 50
	answers := make(chan error, others+1)
	go func() { answers <- p.Allow(first, readOf("o"), ann) }()
	<-came
	for range others {
		go func() { answers <- p.Allow(t.Context(), readOf("o"), ann) }()
	}
	leave()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Allow(gone, readOf("o"), ann); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: %v", err)
	}
	close(release)
	for range others + 1 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	var page strings.Builder
	set.WritePrometheus(&page)
	if n := s.count(); n != 1 || !strings.Contains(page.String(), `rookery_opa_requests_total{bucket="b",outcome="allow"} 1`) {
		t.Errorf("asked %d times\n%s", n, page.String())
	}
}

func TestURLsOfOPA(t *testing.T) {
	for _, u := range []string{"", "127.0.0.1:8181", "ftp://h", "http://", "http://u:p@h", "http://h?x=y", "http://h#f", "http://h:x"} {
		if _, err := auth.NewOPA(t.Context(), auth.OPAOptions{URL: u}); err == nil {
			t.Errorf("%q: accepted", u)
		}
	}
}
