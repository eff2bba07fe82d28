package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"time"
)

// alpn keeps the read protocol apart from anything else that may one day share
// the peers' port.
const alpn = "rookery-peer/1"

// councilALPN is the council's protocol, which has its own versions.
const councilALPN = "rookery-council/1"

// minGossipKeyBytes is the shortest key that gossip itself takes (AES-128).
const minGossipKeyBytes = 16

var (
	errWrongName = errors.New("the certificate names another node")
	errALPN      = errors.New("the other side does not speak " + alpn)
)

// nodeName is what a certificate can carry as a DNS name.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

// Identity is a node's certificate and whom it trusts. It is immutable and safe
// for concurrent use.
type Identity struct {
	cert     tls.Certificate
	roots    *x509.CertPool
	now      func() time.Time
	sessions tls.ClientSessionCache
}

// DeriveIdentity makes the identity of a node from the cluster's gossip key
// alone: the key yields, by HKDF-SHA256 (RFC 5869), the Ed25519 key of a CA that
// is the same on every node, and that CA signs a certificate for node with a
// fresh key. now is the clock that TLS checks certificates and tickets with.
//
// The certificates do not expire (RFC 5280 §4.1.2.5): whoever holds the gossip
// key could sign new ones anyway, and a cluster must not stop on a date. To
// shut a node out, change the key.
func DeriveIdentity(gossipKey []byte, node string, now func() time.Time) (*Identity, error) {
	if len(gossipKey) < minGossipKeyBytes {
		return nil, fmt.Errorf("peer identity: gossip key of %d bytes, want at least %d", len(gossipKey), minGossipKeyBytes)
	}
	if err := checkNodeName(node); err != nil {
		return nil, err
	}
	ca, caKey, err := deriveCA(gossipKey)
	if err != nil {
		return nil, fmt.Errorf("peer identity: derive the cluster's CA: %w", err)
	}
	cert, err := signNode(ca, caKey, node)
	if err != nil {
		return nil, fmt.Errorf("peer identity: sign the certificate of %s: %w", node, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return newIdentity(cert, roots, now), nil
}

// LoadIdentity reads a node's identity from PEM files of the operator's own
// PKI. It fails unless the certificate is valid now, is signed by the CA for
// servers and clients both, and has node among its DNS names, to the letter.
func LoadIdentity(certFile, keyFile, caFile, node string) (*Identity, error) {
	if err := checkNodeName(node); err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("peer identity: %w", err)
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("peer identity: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("peer identity: %s holds no certificate", caFile)
	}
	if err := verifyOwn(&cert, roots); err != nil {
		return nil, fmt.Errorf("peer identity: %s: %w", certFile, err)
	}
	if !names(cert.Leaf, node) {
		return nil, fmt.Errorf("peer identity: %s: %w: DNS names %q, want %q", certFile, errWrongName, cert.Leaf.DNSNames, node)
	}
	return newIdentity(cert, roots, time.Now), nil
}

func newIdentity(cert tls.Certificate, roots *x509.CertPool, now func() time.Time) *Identity {
	return &Identity{cert: cert, roots: roots, now: now, sessions: tls.NewLRUClientSessionCache(0)}
}

// ServerTLS returns the configuration of a listener: TLS 1.3, and only clients
// with a certificate of the cluster's CA.
func (id *Identity) ServerTLS() *tls.Config {
	c := id.base()
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs = id.roots
	c.NextProtos = []string{alpn, councilALPN}
	c.VerifyConnection = func(state tls.ConnectionState) error { return checkALPN(state, alpn, councilALPN) }
	return c
}

// ClientTLS returns the configuration of a connection to node: TLS 1.3, and only
// with a server whose certificate of the cluster's CA names exactly that node.
func (id *Identity) ClientTLS(node string) *tls.Config { return id.clientTLS(node, alpn) }

func (id *Identity) clientTLS(node, protocol string) *tls.Config {
	c := id.base()
	c.NextProtos = []string{protocol}
	c.RootCAs = id.roots
	c.ServerName = node
	c.ClientSessionCache = id.sessions
	c.VerifyConnection = func(state tls.ConnectionState) error {
		// Go's own check would let a wildcard stand for any node.
		if !names(state.PeerCertificates[0], node) {
			return errWrongName
		}
		return checkALPN(state, protocol)
	}
	return c
}

func (id *Identity) base() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.cert},
		Time:         id.now,
		// Small first records help browsers draw; here they cost system calls.
		DynamicRecordSizingDisabled: true,
	}
}

func checkALPN(state tls.ConnectionState, spoken ...string) error {
	if !slices.Contains(spoken, state.NegotiatedProtocol) {
		return errALPN
	}
	return nil
}

// names reports whether cert is a certificate of exactly that node.
func names(cert *x509.Certificate, node string) bool { return slices.Contains(cert.DNSNames, node) }

func checkNodeName(node string) error {
	if !nodeName.MatchString(node) || net.ParseIP(node) != nil {
		return fmt.Errorf("peer identity: node name %q is not a host name", node)
	}
	return nil
}

// verifyOwn finds out at the start what every other node would find out later.
func verifyOwn(cert *tls.Certificate, roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, der := range cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		intermediates.AddCert(c)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := cert.Leaf.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
