package gateway_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/gateway"
	"rookery/internal/certtest"
)

// served returns the serial number of the certificate that a client would get.
func served(t *testing.T, c *gateway.Certificate) int64 {
	t.Helper()
	got, err := c.Config(tls.VersionTLS12).GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return got.Leaf.SerialNumber.Int64()
}

// A pair that is replaced is taken, one that does not hold is left alone and said so,
// and neither needs a restart.
func TestCertificateFollowsItsFiles(t *testing.T) {
	now := time.Now()
	var log lockedBuffer
	set := metrics.NewSet()
	dir := t.TempDir()
	files := certtest.Write(t, dir, 1, now.Add(24*time.Hour))
	c, err := gateway.OpenCertificate(gateway.CertificateOptions{
		Cert: files.Cert, Key: files.Key, Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: set, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	later := func() int64 { now = now.Add(6 * time.Second); return served(t, c) }

	certtest.Write(t, dir, 2, now.Add(48*time.Hour))
	if got := served(t, c); got != 1 {
		t.Errorf("looked at once: certificate %d", got)
	}
	if got := later(); got != 2 {
		t.Errorf("a new pair: certificate %d is served", got)
	}
	key, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Write(t, dir, 3, now.Add(48*time.Hour))
	fresh, _ := os.ReadFile(files.Key)
	for what, broken := range map[string]func() error{
		"a key of another":   func() error { return os.WriteFile(files.Key, key, 0o600) },
		"half a key":         func() error { return os.WriteFile(files.Key, fresh[:40], 0o600) },
		"no key":             func() error { return os.Remove(files.Key) },
		"one that has ended": func() error { certtest.Write(t, dir, 4, now.Add(-time.Hour)); return nil },
	} {
		if err := broken(); err != nil {
			t.Fatal(err)
		}
		if got, again := later(), later(); got != 2 || again != 2 {
			t.Errorf("%s: certificates %d and %d are served", what, got, again)
		}
	}
	certtest.Write(t, dir, 5, now.Add(96*time.Hour))
	if got := later(); got != 5 {
		t.Errorf("a good pair again: certificate %d", got)
	}
	if n := strings.Count(log.String(), "new certificate not used"); n != 4 {
		t.Errorf("said %d times that a pair does not hold, want once each:\n%s", n, log.String())
	}
	var page bytes.Buffer
	set.WritePrometheus(&page)
	for _, line := range []string{`rookery_tls_reloads_total{outcome="done"} 2`, `rookery_tls_reloads_total{outcome="failed"} 4`, `rookery_tls_certificate_expires_seconds 345`} {
		if !strings.Contains(page.String(), line) {
			t.Errorf("no %s in\n%s", line, page.String())
		}
	}
}

func TestCertificateMustBeThere(t *testing.T) {
	a, b := certtest.Write(t, t.TempDir(), 1, time.Now().Add(time.Hour)), certtest.Write(t, t.TempDir(), 2, time.Now().Add(time.Hour))
	for _, o := range []gateway.CertificateOptions{{Cert: a.Cert, Key: b.Key}, {Cert: a.Key, Key: a.Cert}, {Cert: filepath.Join(t.TempDir(), "none"), Key: a.Key}} {
		if _, err := gateway.OpenCertificate(o); err == nil || !strings.Contains(err.Error(), o.Cert) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// secure makes the front's server speak TLS, with a client for each protocol.
func secure(t *testing.T, f *front) (h1, h2 *http.Client) {
	t.Helper()
	files := certtest.Write(t, t.TempDir(), 1, time.Now().Add(time.Hour))
	certificate, err := gateway.OpenCertificate(gateway.CertificateOptions{Cert: files.Cert, Key: files.Key})
	if err != nil {
		t.Fatal(err)
	}
	server := gateway.NewServer(f.server.Config.Handler, gateway.ServerOptions{TLS: certificate.Config(tls.VersionTLS12)})
	ln := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = gateway.Serve(server, gateway.Listener(ln)) }()
	client := func(protocol func(*http.Protocols)) *http.Client {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: files.Pool(t)}, DisableCompression: true, Protocols: new(http.Protocols),
		}
		protocol(transport.Protocols)
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: 20 * time.Second}
	}
	h1 = client(func(p *http.Protocols) { p.SetHTTP1(true) })
	h2 = client(func(p *http.Protocols) { p.SetHTTP2(true) })
	t.Cleanup(func() { server.Close(); <-done })
	f.secure = "https://" + ln.Addr().String()
	return h1, h2
}

// What is read by TLS is what is read in clear, by either protocol.
func TestOverTLS(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) { o.Policy.Domain = "s3.test" })
	h1, h2 := secure(t, f)
	small, large := f.node.hold(key("small"), "v", 3000), f.node.hold(key("large"), "v", 5<<20+7)
	for proto, client := range map[string]*http.Client{"HTTP/1.1": h1, "HTTP/2.0": h2} {
		for _, h := range []*heldObject{small, large} {
			res, err := client.Do(requestWith(t.Context(), t, f.secure+"/public/"+h.pattern.Key))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := h.pattern.CheckReader(res.Body, 0, h.pattern.Size); err != nil || n != h.pattern.Size || res.Proto != proto || res.StatusCode != 200 {
				t.Errorf("%s: %s %s: %d bytes, %v", proto, res.Proto, res.Status, n, err)
			}
			if res.Header.Get("Etag") != `"v"` || res.Header.Get("X-Cache") != "HIT" {
				t.Errorf("%s: %v", proto, res.Header)
			}
			res.Body.Close()
		}
		r := requestWith(t.Context(), t, f.secure+"/small")
		r.Host = "public.s3.test" // :authority
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || small.pattern.Check(body, 0) != nil || res.StatusCode != 200 {
			t.Errorf("%s: virtual host: %s, %d bytes, %v", proto, res.Status, len(body), err)
		}
		res.Body.Close()
	}
}

// In clear there is no HTTP/2, neither by an upgrade nor by its preface; with TLS
// nothing older than 1.2.
func TestWhatIsNotSpoken(t *testing.T) {
	f := newFront(t, nil)
	f.node.hold(key("o"), "v", 10)
	if got := f.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 405 ") || !strings.Contains(got, "\r\nConnection: close\r\n") || strings.Count(got, "HTTP/1.1") != 1 {
		t.Errorf("HTTP/2 in clear: %q", got)
	}
	secure(t, f)
	_, err := tls.Dial("tcp", strings.TrimPrefix(f.secure, "https://"), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}
