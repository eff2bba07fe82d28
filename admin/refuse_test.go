package admin_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rookery/admin"
)

// guarded is every path that wants the token.
var guarded = []string{
	"/admin/cluster", "/admin/ring?key=public:a", "/admin/cache/stats", "/admin/cache/stats/public",
	"/admin/cache/stats/nosuch", "/admin/cache/info?key=public:a", "/admin/ring", "/admin/ring?key=nosuch:a",
	"/admin/cache/purges/x",
}

// checkFailure checks that an answer is {"error":{"code","message"}} and
// nothing else.
func checkFailure(t *testing.T, res *http.Response, body string, status int, code, message string) {
	t.Helper()
	if res.StatusCode != status || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d (want %d), headers %v", res.StatusCode, status, res.Header)
	}
	var f admin.Failure
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if f.Error.Code != code || !strings.Contains(f.Error.Message, message) {
		t.Errorf("got %+v, want code %q and a message with %q", f.Error, code, message)
	}
}

func TestToken(t *testing.T) {
	srv := listen(t, fixture())
	cases := []struct {
		name, authorization, challenge string
	}{
		{"none", "", `Bearer realm="rookery admin"`},
		{"another scheme", "Basic " + token, `Bearer realm="rookery admin"`},
		{"bare token", token, `Bearer realm="rookery admin"`},
		{"empty bearer", "Bearer ", `Bearer realm="rookery admin"`},
		{"wrong", "Bearer x", `Bearer realm="rookery admin", error="invalid_token"`},
		{"prefix of the right one", "Bearer " + token[:5], `Bearer realm="rookery admin", error="invalid_token"`},
		{"right one and more", "Bearer " + token + "x", `Bearer realm="rookery admin", error="invalid_token"`},
		{"two tokens", "Bearer " + token + " " + token, `Bearer realm="rookery admin", error="invalid_token"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range guarded {
				res, body := ask(t, "GET", srv.URL+path, c.authorization)
				checkFailure(t, res, body, 401, "unauthorized", "token")
				if got := res.Header.Get("WWW-Authenticate"); got != c.challenge {
					t.Errorf("%s: challenge %q, want %q", path, got, c.challenge)
				}
			}
			for _, path := range []string{"/health", "/ready", "/metrics"} {
				if res, _ := ask(t, "GET", srv.URL+path, c.authorization); res.StatusCode != 200 {
					t.Errorf("%s wants no token: status %d", path, res.StatusCode)
				}
			}
		})
	}
	if res, _ := ask(t, "GET", srv.URL+"/admin/cluster", "bearer  "+token); res.StatusCode != 200 {
		t.Errorf("the scheme's case does not matter: status %d", res.StatusCode)
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	srv := listen(t, fixture())
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/admin/cluster", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer " + token, "Bearer x"}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestNoTokenConfigured(t *testing.T) {
	opts := fixture()
	opts.Token = ""
	srv := listen(t, opts)
	for _, authorization := range []string{"", "Bearer ", "Bearer " + token} {
		for _, path := range guarded {
			res, body := ask(t, "GET", srv.URL+path, authorization)
			checkFailure(t, res, body, 403, "token_not_configured", "admin.token")
		}
	}
	if res, _ := ask(t, "GET", srv.URL+"/health", ""); res.StatusCode != 200 {
		t.Errorf("health: status %d", res.StatusCode)
	}
}

func TestWrongTokenIsLoggedWithoutIt(t *testing.T) {
	var log bytes.Buffer
	opts := fixture()
	opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	srv := listen(t, opts)
	ask(t, "GET", srv.URL+"/admin/cluster", "Bearer wr0ng")
	srv.Close() // waits for the handler, so that log may be read
	if got := log.String(); !strings.Contains(got, "path=/admin/cluster") || strings.Contains(got, "wr0ng") {
		t.Errorf("log: %s", got)
	}
}

func TestMethods(t *testing.T) {
	srv := listen(t, fixture())
	for _, path := range append([]string{"/health", "/ready", "/metrics"}, guarded...) {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			res, body := ask(t, method, srv.URL+path, "Bearer "+token)
			checkFailure(t, res, body, 405, "method_not_allowed", method)
			if got := res.Header.Get("Allow"); got != "GET, HEAD" {
				t.Errorf("%s %s: Allow %q", method, path, got)
			}
		}
	}
	res, body := ask(t, "POST", srv.URL+"/admin/cluster", "")
	checkFailure(t, res, body, 401, "unauthorized", "token")
}

func TestUnknownPaths(t *testing.T) {
	srv := listen(t, fixture())
	paths := []string{
		"/", "/healthz", "/health/", "//health", "/admin", "/admin/", "/admin/cluster/", "/admin//cluster", "/x/../health",
		"/admin/cache/stats/", "/admin/cache/stats/public/x", "/admin/cache/purge/", "/admin/cache/purges", "/admin/cache/purges/",
		"/admin/cache/prewarm", "/admin/forget/", "/admin/council", "/admin/savings", "/admin/events",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "POST"} {
			res, body := ask(t, method, srv.URL+path, "Bearer "+token)
			checkFailure(t, res, body, 404, "not_found", "no such path")
		}
	}
	res, body := ask(t, "GET", srv.URL+"/admin/cache/stats/nosuch", "Bearer "+token)
	checkFailure(t, res, body, 404, "not_found", "no such bucket")
}

func TestBadTargets(t *testing.T) {
	srv := listen(t, fixture())
	long := url.QueryEscape(strings.Repeat("ä", 513))
	both := []struct{ query, message string }{
		{"", "bucket:name"},
		{"key=", "no key given"},
		{"key=a", "no bucket"},
		{"key=:a", "empty bucket"},
		{"key=public:", "empty name"},
		{"key=nosuch:a", `"nosuch"`},
		{"key=PUBLIC:a", `"PUBLIC"`},
		{"key=public:" + long, "1026 bytes"},
		{"key=public:%ff", "UTF-8"},
		{"key=public:%zz", "malformed query"},
		{"key=public:a;b", "malformed query"},
		{"key=public:a&key=public:b", "more than once"},
		{"key=public:a&versionId=1&versionId=2", "more than once"},
	}
	for _, c := range both {
		for _, path := range []string{"/admin/ring", "/admin/cache/info"} {
			res, body := ask(t, "GET", srv.URL+path+"?"+c.query, "Bearer "+token)
			checkFailure(t, res, body, 400, "bad_request", c.message)
		}
	}
	for _, offset := range []string{"", "-1", "x", "1.5", "1e3", "0x10", "99999999999999999999", "1&offset=2"} {
		res, body := ask(t, "GET", srv.URL+"/admin/ring?key=public:a&offset="+offset, "Bearer "+token)
		checkFailure(t, res, body, 400, "bad_request", "offset")
	}
}

func TestNotHeld(t *testing.T) {
	opts := fixture()
	srv := listen(t, opts)
	res, body := ask(t, "GET", srv.URL+"/admin/cache/info?key=public:other", "Bearer "+token)
	checkFailure(t, res, body, 404, "not_held", "its owner is rook-0")
	res, body = ask(t, "GET", srv.URL+"/admin/cache/info?key=public:a:b//c&versionId=v1", "Bearer "+token)
	checkFailure(t, res, body, 404, "not_held", "public:a:b//c?versionId=v1")
}
