package main

import (
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rookery/auth"
)

const urlSecret = "0123456789abcdef0123456789abcdef"

// signedWith runs rookery sign and returns the URL that it prints.
func signedWith(t *testing.T, env map[string]string, args ...string) *url.URL {
	t.Helper()
	r := rookery(t, env, append([]string{"sign"}, args...)...)
	if r.code != exitDone || r.stderr != "" {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	u, err := url.Parse(strings.TrimSuffix(r.stdout, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// What the command prints, a bucket with that key accepts, and for as long as asked.
func TestSignedURLsAreAccepted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(urlSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fromEnv := map[string]string{"ROOKERY_SIGN_SECRET": urlSecret}
	for _, c := range []struct {
		env   map[string]string
		args  []string
		path  string
		query string // what the URL has of its own
		life  time.Duration
	}{
		{nil, []string{"--secret-file", file, "--url", "https://cdn.example.com"}, "/products/a%20b/%C3%BC%2B%3F.jpg", "", time.Hour},
		{fromEnv, []string{"--url", "https://cdn.example.com/", "--expires", "15m", "--ip", "192.0.2.7"}, "/products/a%20b/%C3%BC%2B%3F.jpg", "", 15 * time.Minute},
		{fromEnv, []string{"--url", "http://p.example.com:8080/x%2Fy?versionId=a+b&response-expires=0"}, "/x%2Fy", "versionId=a+b&response-expires=0&", time.Hour},
	} {
		before := time.Now().Truncate(time.Second)
		u := signedWith(t, c.env, append(c.args, "--key-id", "web", "--bucket", "products", "--key", "a b/ü+?.jpg")...)
		if u.EscapedPath() != c.path || !strings.HasPrefix(u.RawQuery, c.query+"rk-key=web&rk-expires=") {
			t.Errorf("%v: %s", c.args, u)
		}
		request := &auth.Request{
			Method: "GET", Target: u.RequestURI(), Host: u.Host, Header: http.Header{}, Remote: netip.MustParseAddr("192.0.2.7"),
			Bucket: "products", Name: "a b/ü+?.jpg",
		}
		for after, good := range map[time.Duration]bool{0: true, c.life - time.Second: true, c.life + time.Minute: false} {
			s, err := auth.NewSignedURLs([]auth.SignedURLKey{{ID: "web", Secret: []byte(urlSecret)}}, 24*time.Hour, func() time.Time { return before.Add(after) })
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Identify(t.Context(), request); (err == nil) != good {
				t.Errorf("%s, after %v: %v", u, after, err)
			}
		}
	}
}

func TestWhatSignRefuses(t *testing.T) {
	fromEnv := map[string]string{"ROOKERY_SIGN_SECRET": urlSecret}
	usual := []string{"sign", "--key-id", "web", "--bucket", "b", "--key", "k", "--url", "https://cdn.example.com"}
	empty := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--url", "cdn.example.com"}, exitUsage, "--url"},
		{[]string{"--url", "https://u:p@cdn.example.com"}, exitUsage, "--url"},
		{[]string{"--key", ""}, exitUsage, "--key"},
		{[]string{"--expires", "0s"}, exitUsage, "--expires"},
		{[]string{"--secret", urlSecret}, exitUsage, "unknown flag"},
		{[]string{"--url", "https://cdn.example.com?rk-key=web"}, exitFailed, "signed already"},
		{[]string{"--ip", "here"}, exitFailed, "address"},
		{[]string{"--secret-file", empty}, exitFailed, "empty"},
		{[]string{"--secret-file", empty + "-none"}, exitFailed, "no such file"},
	} {
		r := rookery(t, fromEnv, append(append([]string(nil), usual...), c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) || r.stdout != "" {
			t.Errorf("%v: exit code %d, stdout %s, stderr %s", c.args, r.code, r.stdout, r.stderr)
		}
	}
	r := rookery(t, nil, usual...)
	if r.code != exitFailed || !strings.Contains(r.stderr, "ROOKERY_SIGN_SECRET") {
		t.Errorf("no secret: exit code %d, stderr %s", r.code, r.stderr)
	}
}
