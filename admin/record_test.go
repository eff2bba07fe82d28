package admin_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/audit"
)

type kept struct{ bytes.Buffer }

func (*kept) Close() error { return nil }

// Each call of what wants a token is recorded with how it ended, whoever calls, and
// without a token; what is open to everybody is not.
func TestCallsAreAudited(t *testing.T) {
	var written kept
	o := fixture()
	o.Log = slog.New(slog.DiscardHandler)
	o.Audit = audit.New(audit.Options{Node: "n", To: &written})
	h := admin.New(o)
	var want []string
	for _, c := range []struct{ method, target, token, line string }{
		{"GET", "/admin/cluster?q=" + token, token, `GET /admin/cluster FP 200`},
		{"POST", "/admin/cluster", token, `POST /admin/cluster FP 405`},
		{"GET", "/admin/cluster", "", `GET /admin/cluster none 401`},
		{"GET", "/admin/cache/info?key=public:a", "wrong-" + token, `GET /admin/cache/info refused 401`},
		{"POST", "/admin/cache/purge/public/a%20b", "", `POST /admin/cache/purge/public/a b none 401`},
		{"GET", "/admin/debug/pprof/goroutine", token, `GET /admin/debug/pprof/goroutine FP 200`},
		{"GET", "/admin/debug/pprof/goroutine", "", `GET /admin/debug/pprof/goroutine none 401`},
		{"GET", "/health", "", ""},
		{"GET", "/metrics", "", ""},
		{"GET", "/admin/absent", token, `GET /admin/absent none 404`},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Header.Set("X-Request-Id", "r1")
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if c.line != "" {
			want = append(want, c.line)
		}
	}
	if err := o.Audit.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(written.String(), token) {
		t.Errorf("a token is in the audit log:\n%s", written.String())
	}
	var got []string
	fingerprints := map[string]bool{}
	for line := range strings.Lines(written.String()) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Event != audit.Admin || e.Node != "n" || e.RequestID != "r1" || e.Remote != "192.0.2.1:1234" || time.Since(e.Time) > time.Minute {
			t.Errorf("%s", line)
		}
		if len(e.Token) == 8 {
			fingerprints[e.Token] = true
			e.Token = "FP"
		}
		got = append(got, strings.Join([]string{e.Method, e.Path, e.Token, http.StatusText(e.Status)}, " "))
	}
	for i := range want {
		fields := strings.Fields(want[i])
		status := map[string]int{"200": 200, "401": 401, "404": 404, "405": 405}[fields[len(fields)-1]]
		want[i] = strings.TrimSuffix(want[i], fields[len(fields)-1]) + http.StatusText(status)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(fingerprints) != 1 {
		t.Errorf("one token has the fingerprints %v", fingerprints)
	}
}

// A call that the audit log has no room for is in the node's own log.
func TestACallIsNeverForgotten(t *testing.T) {
	var log bytes.Buffer
	o := fixture()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Audit = audit.New(audit.Options{To: new(kept)})
	if err := o.Audit.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/admin/cluster", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	admin.New(o).ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(log.String(), "path=/admin/cluster") || strings.Contains(log.String(), token) {
		t.Errorf("%d\n%s", w.Code, log.String())
	}
}

// Profiles are for operators alone, and are what the runtime knows.
func TestProfiles(t *testing.T) {
	o := fixture()
	o.Log = slog.New(slog.DiscardHandler)
	h := admin.New(o)
	get := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for path, begins := range map[string]string{
		"/admin/debug/pprof/goroutine?debug=1": "goroutine profile: total ",
		"/admin/debug/pprof/heap":              "\x1f\x8b",
		"/admin/debug/pprof/profile?seconds=1": "\x1f\x8b",
		"/admin/debug/pprof/trace?seconds=0.1": "go 1.",
	} {
		if w := get(path); w.Code != 200 || !strings.HasPrefix(w.Body.String(), begins) {
			t.Errorf("%s: %d %.40q", path, w.Code, w.Body)
		}
	}
	for path, status := range map[string]int{"/admin/debug/pprof/cmdline": 404, "/admin/debug/pprof/": 404, "/debug/pprof/heap": 404} {
		if w := get(path); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
}
