package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rookery/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// authority is a CA in a test's hands.
type authority struct {
	t *testing.T
	*certs.Issued
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	ca, err := certs.NewCA("test", time.Now(), day)
	if err != nil {
		t.Fatal(err)
	}
	return authority{t, ca}
}

func (a authority) node(name string, also ...string) *certs.Issued {
	a.t.Helper()
	n, err := certs.NewNode(a.Issued, name, also, time.Now(), time.Hour)
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// folder is the files of one listener.
func folder(t *testing.T, n *certs.Issued, ca []byte) certs.Files {
	t.Helper()
	dir := t.TempDir()
	f := certs.Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	write(t, f.Cert, n.Cert)
	write(t, f.Key, n.Key)
	if ca != nil {
		f.CA = filepath.Join(dir, "ca.crt")
		write(t, f.CA, ca)
	}
	return f
}

func check[T any](t *testing.T, f *certs.Followed[T], wantChanged, wantAgain bool, problem string) {
	t.Helper()
	changed, again, err := f.Check()
	if changed != wantChanged || again != wantAgain || (err == nil) != (problem == "") {
		t.Errorf("changed %v, again %v, %v; want %v, %v, %q", changed, again, err, wantChanged, wantAgain, problem)
	}
	if err != nil && !strings.Contains(err.Error(), problem) {
		t.Errorf("%v does not tell of %q", err, problem)
	}
}

func TestABadSetKeepsTheGoodOne(t *testing.T) {
	ca := newAuthority(t)
	first, second := ca.node("rook-0"), ca.node("rook-0")
	f := folder(t, first, ca.Cert)
	followed, err := certs.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	m := followed.Value()
	check(t, followed, false, false, "")
	write(t, f.Cert, second.Cert) // the key is still the first's
	check(t, followed, false, false, "private key does not match")
	check(t, followed, false, true, "private key does not match")
	if followed.Value() != m {
		t.Error("a certificate without its key has taken the place of a good one")
	}
	write(t, f.Key, second.Key)
	check(t, followed, true, false, "")
	if followed.Value() == m {
		t.Error("the new pair is not there")
	}
	m = followed.Value()
	write(t, f.CA, []byte("nothing"))
	check(t, followed, false, false, "holds no certificate")
	write(t, f.CA, append([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ca.Cert...))
	check(t, followed, false, false, "ca.crt")
	write(t, f.CA, append(append([]byte{}, ca.Cert...), newAuthority(t).Cert...))
	check(t, followed, true, false, "")
	if n := len(followed.Value().CAs); n != 2 {
		t.Errorf("%d CAs, want both", n)
	}
	if err := os.Remove(f.Key); err != nil {
		t.Fatal(err)
	}
	check(t, followed, false, false, "no such file")
	write(t, f.Key, make([]byte, 2<<20))
	check(t, followed, false, false, "larger than")
	write(t, f.Key, second.Key)
	check(t, followed, false, false, "")
	if !m.Expires().After(time.Now()) {
		t.Error("expired")
	}
}

// TestKubernetesSwap changes all files at once, as a mounted secret does.
func TestKubernetesSwap(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	for _, version := range []string{"v1", "v2"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		n := ca.node("rook-0")
		write(t, filepath.Join(dir, version, "tls.crt"), n.Cert)
		write(t, filepath.Join(dir, version, "tls.key"), n.Key)
	}
	point := func(to string) {
		t.Helper()
		next := filepath.Join(dir, "..next")
		if err := os.Symlink(to, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	point("v1")
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := certs.Open(certs.Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")})
	if err != nil {
		t.Fatal(err)
	}
	news, failures := make(chan *certs.Material, 1), make(chan error, 10)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.Run(ctx, time.Millisecond, func(m *certs.Material) { news <- m }, func(err error) { failures <- err })
	}()
	for _, version := range []string{"v2", "v1", "v2"} {
		point(version)
		<-news
	}
	if err := os.Remove(filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	<-failures
	point("v1")
	<-news
	stop()
	<-over
	if len(failures) > 0 {
		t.Errorf("a failure is told once: %v", <-failures)
	}
}

// shake connects to a listener and exchanges a byte, so that both sides' verdicts are known.
func shake(address string, c *tls.Config) (tls.ConnectionState, error) {
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	_, err = io.ReadFull(conn, make([]byte, 1))
	return conn.ConnectionState(), err
}

// greeter says a byte to whoever comes by TLS, until the test ends.
func greeter(t *testing.T, c *tls.Config) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte{1})
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-over })
	return ln.Addr().String()
}

func TestServerShowsTheLatestAndForgetsRemovedCAs(t *testing.T) {
	ca, clients, later := newAuthority(t), newAuthority(t), newAuthority(t)
	f := folder(t, ca.node("here", "127.0.0.1"), clients.Cert)
	followed, err := certs.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	address := greeter(t, certs.ServerTLS(followed, &tls.Config{MinVersion: tls.VersionTLS13}))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	as := func(a authority) *tls.Config {
		n := a.node("operator")
		pair, err := tls.X509KeyPair(n.Cert, n.Key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	}
	ann, bob := as(clients), as(later)
	before, err := shake(address, ann)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shake(address, bob); err == nil {
		t.Error("a client of another CA came in")
	}
	if _, err := shake(address, &tls.Config{RootCAs: roots}); err == nil {
		t.Error("a client without a certificate came in")
	}
	n := ca.node("here", "127.0.0.1")
	write(t, f.Cert, n.Cert)
	write(t, f.Key, n.Key)
	write(t, f.CA, later.Cert)
	check(t, followed, true, false, "")
	if _, err := shake(address, ann); err == nil {
		t.Error("a client came in whose CA was removed")
	}
	after, err := shake(address, bob)
	if err != nil {
		t.Fatal(err)
	}
	if after.PeerCertificates[0].Equal(before.PeerCertificates[0]) {
		t.Error("the old certificate is shown")
	}
}

func TestNodesOfACA(t *testing.T) {
	ca := newAuthority(t)
	n := ca.node("rook-0", "rook-0.example", "10.0.0.1")
	pair, err := tls.X509KeyPair(n.Cert, n.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	for _, name := range []string{"rook-0", "rook-0.example", "10.0.0.1"} {
		usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: usages}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ip := net.ParseIP("10.0.0.1"); len(pair.Leaf.IPAddresses) != 1 || !pair.Leaf.IPAddresses[0].Equal(ip) {
		t.Errorf("addresses %v", pair.Leaf.IPAddresses)
	}
	// No node can make nodes, and none outlives its CA.
	if _, err := certs.NewNode(n, "rook-1", nil, time.Now(), time.Hour); err == nil {
		t.Error("a node has signed a node")
	}
	long, err := certs.NewNode(ca.Issued, "rook-1", nil, time.Now(), 400*day)
	if err != nil {
		t.Fatal(err)
	}
	if pair, err = tls.X509KeyPair(long.Cert, long.Key); err != nil || pair.Leaf.NotAfter.After(time.Now().Add(day)) {
		t.Errorf("valid until %v (%v), the CA for a day", pair.Leaf.NotAfter, err)
	}
	if _, err := certs.NewNode(ca.Issued, "rook-1", nil, time.Now().Add(2*day), time.Hour); err == nil {
		t.Error("an expired CA has signed")
	}
}
