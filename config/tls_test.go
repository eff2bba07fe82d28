package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rookery/internal/certtest"
)

// What is wrong with a named file is told at the line that names it.
func TestTLSFilesAreLookedInto(t *testing.T) {
	good, other := certtest.Write(t, t.TempDir(), 1, time.Now().Add(time.Hour)), certtest.Write(t, t.TempDir(), 2, time.Now().Add(time.Hour))
	for _, c := range []struct{ cert, key, want string }{
		{good.Cert, good.Key, ""},
		{good.Cert + "x", good.Key, "2:14: server.tls.cert: open " + good.Cert + "x: "},
		{good.Cert, good.Key + "x", "3:14: server.tls.key: open " + good.Key + "x: "},
		{good.Cert, other.Key, "2:14: server.tls.cert: " + good.Cert + " with " + other.Key + ": tls: private key does not match"},
		{good.Key, good.Key, "2:14: server.tls.cert: " + good.Key + " with "},
	} {
		path := filepath.Join(t.TempDir(), "f.yaml")
		text := fmt.Sprintf("server: {tls: {\n       cert: %q,\n        key: %q}}%s", c.cert, c.key, oneBucket)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := Load(path, environment())
		if c.want == "" {
			if err != nil || cfg.Server.TLS.Cert != c.cert || cfg.Server.TLS.Key != c.key {
				t.Errorf("%v", err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), path+":"+c.want) {
			t.Errorf("got  %v\nwant %s:%s", err, path, c.want)
		}
	}
}
