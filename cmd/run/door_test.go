package run_test

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
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

// Addresses are those that trusted proxies tell, and lists are kept before anything
// is looked up; probes are answered to everybody.
func TestNodeKeepsAddressLists(t *testing.T) {
	c := newCluster(t, 1, func(cfg *config.Config, _ *run.Options) {
		cfg.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		cfg.Server.IPFilter.Block = []netip.Prefix{netip.MustParsePrefix("192.0.2.66/32")}
		cfg.Buckets[0].IPFilter.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	o := c.put("o", 1000, s3test.Meta{})
	u := c.target(0, o.Key)
	nowhere := *u
	nowhere.Path = "/nowhere/o"
	for _, at := range []struct {
		u      *url.URL
		xff    string
		status int
	}{
		{u, "192.0.2.1", 200},
		{u, "198.51.100.1", 403},
		{u, "192.0.2.1, 198.51.100.1", 403},
		{u, "192.0.2.66", 403},
		{u, "garbage", 403},
		{u, "", 403},
		{&nowhere, "192.0.2.1", 404},
		{&nowhere, "192.0.2.66", 403},
	} {
		header := http.Header{}
		if at.xff != "" {
			header.Set("X-Forwarded-For", at.xff)
		}
		response, text := c.do(0, http.MethodGet, at.u, header)
		if response.StatusCode != at.status || at.status == 403 && !strings.Contains(text, "<Code>AccessDenied</Code>") {
			t.Errorf("%s from %q: %s, want %d: %s", at.u.Path, at.xff, response.Status, at.status, text)
		}
	}
	c.requests(o.Key, 0, 1)
	health := *u
	health.Path = "/health"
	if response, _ := c.do(0, http.MethodGet, &health, http.Header{"X-Forwarded-For": {"192.0.2.66"}}); response.StatusCode != 200 {
		t.Errorf("/health: %s", response.Status)
	}
	if lines := c.logged(0, "request", map[string]any{"remote": "198.51.100.1", "status": 403.0}); len(lines) != 2 {
		t.Errorf("%d lines of the access log tell the client's address, want 2", len(lines))
	}
	if lines := c.logged(0, "request", map[string]any{"remote": "192.0.2.1", "status": 200.0}); len(lines) != 1 {
		t.Errorf("%d lines of the access log tell the client's address, want 1", len(lines))
	}
}
