package run_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/certs"
	"rookery/cmd/run"
	"rookery/config"
)

// TestOperatorsTokens: who has the claims of an operator is one at the admin listener; a
// reader's token, and one that has expired, is not, and without claims configured none is.
func TestOperatorsTokens(t *testing.T) {
	signed := func(claims jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	soon, ago := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	operator, reader := signed(jwt.MapClaims{"sub": "ann", "role": "admin", "exp": soon}), signed(jwt.MapClaims{"sub": "bob", "role": "reader", "exp": soon})
	late := signed(jwt.MapClaims{"sub": "ann", "role": "admin", "exp": ago})
	const section = "{enabled: true, algorithm: HS256, secret: " + tokenSecret
	for claims, want := range map[string]map[string]int{
		", admin_claims: [{claim: role, operator: equals, value: admin}]}": {operator: 200, reader: 401, late: 401, token: 401, "": 401},
		"}": {operator: 403, reader: 403, token: 403, "": 403},
	} {
		tokens := guarded(t, section+claims, "{enabled: true, jwt: {}}")
		c := newCluster(t, 1, func(cfg *config.Config, o *run.Options) {
			alone(cfg, o)
			tokens(cfg, o)
			cfg.Admin.Token = ""
		})
		for token, status := range want {
			u, err := url.Parse("http://" + c.nodes[0].AdminAddr().String() + "/admin/cluster")
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			if token != "" {
				header.Set("Authorization", "Bearer "+token)
			}
			if answer, text := c.do(0, http.MethodGet, u, header); answer.StatusCode != status {
				t.Errorf("jwt%s: %q: %d %s, want %d", claims, token, answer.StatusCode, text, status)
			}
		}
	}
}

// TestTheOperatorsListenerFollowsItsCertificate: by TLS alone, with the certificate that is
// in the files now.
func TestTheOperatorsListenerFollowsItsCertificate(t *testing.T) {
	authority := newCA(t)
	dir := t.TempDir()
	put := func() *x509.Certificate {
		made, err := certs.NewNode(authority.Issued, "rook-0", []string{"127.0.0.1"}, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "tls.key"), made.Key)
		writeFile(t, filepath.Join(dir, "tls.crt"), made.Cert)
		pair, err := tls.X509KeyPair(made.Cert, made.Key)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf
	}
	first := put()
	c := newCluster(t, 1, func(cfg *config.Config, o *run.Options) {
		alone(cfg, o)
		o.LookAtFiles(20 * time.Millisecond)
		cfg.Admin.TLS = &config.AdminTLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	})
	address := c.nodes[0].AdminAddr().String()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Cert)
	shown := func() *x509.Certificate {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0]
	}
	if !shown().Equal(first) {
		t.Error("another certificate is shown")
	}
	second := put()
	until(t, "the new certificate is shown", func() bool { return shown().Equal(second) })
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	answer, err := secure.Get("https://" + address + "/ready")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	answer.Body.Close()
	if answer, err := c.client.Get("http://" + address + "/ready"); err == nil {
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %d", answer.StatusCode)
		}
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 came about")
	}
}
