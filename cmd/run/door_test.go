package run_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/certtest"
	"rookery/internal/s3test"
)

// A whole node with a certificate speaks HTTP/2 over TLS and nothing in clear, and
// does not start without one that holds.
func TestNodeSpeaksTLS(t *testing.T) {
	files := certtest.Write(t, t.TempDir(), 1, time.Now().Add(time.Hour))
	c := newCluster(t, 1, func(cfg *config.Config, _ *run.Options) {
		cfg.Server.TLS = &config.TLS{Cert: files.Cert, Key: files.Key, MinVersion: tls.VersionTLS12}
	})
	o := c.put("o", 3<<20+5, s3test.Meta{})
	u := c.target(0, o.Key)
	if response, _ := c.do(0, http.MethodGet, u, nil); response.StatusCode != http.StatusBadRequest {
		t.Errorf("in clear: %s", response.Status)
	}
	u.Scheme = "https"
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: files.Pool(t)}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := o.CheckReader(response.Body, 0, o.Size); n != o.Size || err != nil || response.Proto != "HTTP/2.0" {
		t.Errorf("%s, %d bytes, %v", response.Proto, n, err)
	}

	broken := c.config(0)
	broken.Server.TLS = &config.TLS{Cert: files.Cert, Key: files.Cert}
	if err := run.Check(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "server.tls: "+files.Cert) {
		t.Errorf("a certificate without its key: %v", err)
	}
}
