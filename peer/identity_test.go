package peer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rookery/object"
)

func TestDerivedCAIsTheSameOnEveryNode(t *testing.T) {
	a, _, err := deriveCA(testKey)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := deriveCA(testKey)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := deriveCA(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Raw, b.Raw) {
		t.Error("one key gives two CAs")
	}
	if bytes.Equal(a.Raw, other.Raw) || bytes.Equal(a.RawSubjectPublicKeyInfo, other.RawSubjectPublicKeyInfo) {
		t.Error("two keys give one CA")
	}
}

func TestDeriveIdentityRefuses(t *testing.T) {
	for _, c := range []struct {
		name, node string
		key        []byte
	}{
		{"no key", "rook-0", nil},
		{"a short key", "rook-0", testKey[:15]},
		{"no name", "", testKey},
		{"a wildcard", "*", testKey},
		{"an address", "10.0.0.1", testKey},
		{"a space", "rook 0", testKey},
		{"a long name", strings.Repeat("n", 254), testKey},
	} {
		if _, err := DeriveIdentity([][]byte{testKey, c.key}, "", c.node, time.Now); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	for _, node := range []string{"rook-0", "Rook_1.example", "7", strings.Repeat("n", 253)} {
		if _, err := DeriveIdentity([][]byte{testKey[:16]}, "", node, time.Now); err != nil {
			t.Errorf("%s: %v", node, err)
		}
	}
}

// pki is an operator's own.
type pki struct {
	t   *testing.T
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	p.key = p.newKey()
	p.ca = p.sign(template, template, p.key)
	p.write("ca.pem", "CERTIFICATE", p.ca.Raw)
	return p
}

func (p *pki) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	return key
}

func (p *pki) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert
}

func (p *pki) write(name, kind string, der []byte) string {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// issue writes a certificate and its key, changed as the caller likes.
func (p *pki) issue(file string, change func(*x509.Certificate), dns ...string) (cert, key, ca string) {
	k := p.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: dns,
		NotBefore: p.ca.NotBefore, NotAfter: p.ca.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(template)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.write(file+".pem", "CERTIFICATE", p.sign(template, p.ca, k).Raw),
		p.write(file+".key", "PRIVATE KEY", der), filepath.Join(p.dir, "ca.pem")
}

// load makes an identity of files, as cmd/run does.
func (p *pki) load(cert, key, ca, node string) (*Identity, error) {
	p.t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return NewIdentity(pair, roots, "", node, time.Now)
}

func unchanged(*x509.Certificate) {}

func TestOwnPKI(t *testing.T) {
	p := newPKI(t)
	load := func(node string, change func(*x509.Certificate), dns ...string) (*Identity, error) {
		cert, key, ca := p.issue(node, change, dns...)
		return p.load(cert, key, ca, node)
	}
	owner, err := load("owner", unchanged, "owner", "owner.rookery.svc")
	if err != nil {
		t.Fatal(err)
	}
	asker, err := load("asker", unchanged, "asker")
	if err != nil {
		t.Fatal(err)
	}
	o := testObject(5000)
	s := startServer(t, ServerOptions{Identity: owner, Handler: holder(o)})
	a, err := startClient(t, s.Addr().String(), ClientOptions{Identity: asker}).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)

	// Nodes of one CA are not each other, and another CA's are nobody.
	_, err = startClient(t, s.Addr().String(), ClientOptions{Identity: asker}).Open(t.Context(), "third", &object.Ask{})
	checkRefused(t, err, refusedName)
	_, err = startClient(t, s.Addr().String(), ClientOptions{}).Open(t.Context(), "owner", &object.Ask{})
	checkRefused(t, err, refusedCertificate)

	for _, c := range []struct {
		name   string
		change func(*x509.Certificate)
		dns    []string
	}{
		{"another name", unchanged, []string{"rook-1"}},
		{"a wildcard", unchanged, []string{"*", "*.example"}},
		{"only a common name", func(c *x509.Certificate) { c.Subject.CommonName = "rook-0" }, nil},
		{"an expired one", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, []string{"rook-0"}},
		{"one for servers alone", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }, []string{"rook-0"}},
	} {
		if _, err := load("rook-0", c.change, c.dns...); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	cert, key, _ := p.issue("rook-0", unchanged, "rook-0")
	if _, err := p.load(cert, key, filepath.Join(newPKI(t).dir, "ca.pem"), "rook-0"); err == nil {
		t.Error("a certificate of another CA: no error")
	}
}

func checkRefused(t *testing.T, err error, want reason) {
	t.Helper()
	refused, ok := errors.AsType[*refusal](err)
	if !ok || refused.why != want || !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("error %v, want a refusal: %v", err, want)
	}
}
