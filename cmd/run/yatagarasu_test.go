package run_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	auditlog "rookery/audit"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// A user of the old program starts a node on the file they have, and it serves: what is
// open, what wants a token, from where it may be asked, how often, and what is recorded.
func TestAnOldFileServes(t *testing.T) {
	s3, dir := s3test.Start(t), t.TempDir()
	text, err := os.ReadFile("../../config/testdata/yatagarasu.yaml")
	if err != nil {
		t.Fatal(err)
	}
	audited := filepath.Join(dir, "audit.log")
	here := strings.NewReplacer(
		"http://127.0.0.1:9000", s3.URL, "/var/cache/yatagarasu", dir, "/var/log/yatagarasu/audit.log", audited, "requests_per_second: 50}", "requests_per_second: 5}",
	).Replace(string(text))
	secrets := map[string]string{"S3_ACCESS_KEY": "A", "S3_SECRET_KEY": "S", "JWT_SECRET": tokenSecret}
	cfg, _, err := config.Parse("yatagarasu.yaml", []byte(here), func(name string) (string, bool) { v, ok := secrets[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	cfg.Server.Port, cfg.Admin.Port = 0, 0
	n, err := run.Start(t.Context(), cfg, run.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	stop := func() {
		if !closed {
			closed = true
			if err := n.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	defer stop()
	token := func(role string) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ann", "role": role, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(tokenSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func(path, header, value string) (int, []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.PublicAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set(header, value)
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body
	}
	for _, bucket := range []string{"acme-public", "acme-private"} {
		s3.Put(pattern.Object{Bucket: bucket, Key: "a/o", Version: "1", Size: 1000}, s3test.Meta{})
	}
	for i, c := range []struct {
		path, header, value string
		status              int
	}{
		{"/public/a/o", "", "", 200},
		{"/private/a/o", "", "", 403},
		{"/private/a/o", "X-Auth-Token", "Token " + token("reader"), 200},
		{"/private/a/o?token=" + token("writer"), "", "", 403},
		{"/private/a/o", "Authorization", "Bearer " + token("admin"), 200},
	} {
		status, body := get(c.path, c.header, c.value)
		if status != c.status {
			t.Errorf("%d: %.20s: %d, want %d: %.200s", i, c.path, status, c.status, body)
		}
		if status == 200 {
			o := pattern.Object{Bucket: "acme-" + strings.Split(c.path, "/")[1], Key: "a/o", Version: "1", Size: 1000}
			if err := o.Check(body, 0); err != nil || len(body) != 1000 {
				t.Errorf("%d: %d bytes, %v", i, len(body), err)
			}
		}
	}
	limited := false
	for range 1000 { // sooner or later they are more than five in a second from one address
		status, _ := get("/public/a/o", "", "")
		if limited = status == 429; limited {
			break
		}
	}
	if status, _ := get("/health", "", ""); !limited || status != 200 {
		t.Errorf("limited: %v; /health: %d", limited, status)
	}
	stop()
	var reasons []string
	written, err := os.ReadFile(audited)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(written)) {
		var e auditlog.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, e.Bucket+" "+e.Reason+" "+e.Subject)
	}
	if got := strings.Join(reasons, ", "); got != "private no_credentials , private claims ann" {
		t.Errorf("recorded: %s", got)
	}
}
