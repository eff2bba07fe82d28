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

// alpn keeps the read protocol apart from the council's on the peers' port.
const alpn = "rookery-peer/1"

// minGossipKeyBytes is the shortest key that gossip itself takes (AES-128).
const minGossipKeyBytes = 16

var (
	errWrongName = errors.New("the certificate names another node")
	errALPN      = errors.New("the other side does not speak the protocol that is wanted")
)

// nodeName is what a certificate can carry as a DNS name.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

// Identity is a node's certificate and whom it trusts. It is immutable and safe
// for concurrent use.
type Identity struct {
	node     string
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
	return newIdentity(node, cert, roots, now), nil
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
	return newIdentity(node, cert, roots, time.Now), nil
}

func newIdentity(node string, cert tls.Certificate, roots *x509.CertPool, now func() time.Time) *Identity {
	return &Identity{node: node, cert: cert, roots: roots, now: now, sessions: tls.NewLRUClientSessionCache(0)}
}

// ServerTLS returns the configuration of a listener: TLS 1.3, and only clients
// with a certificate of the cluster's CA. It takes reads and the council.
func (id *Identity) ServerTLS() *tls.Config {
	c := id.base(alpn, councilALPN)
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs = id.roots
	c.VerifyConnection = checkALPN(alpn, councilALPN)
	return c
}

// ClientTLS returns the configuration of a connection to node: TLS 1.3, and only
// with a server whose certificate of the cluster's CA names exactly that node.
func (id *Identity) ClientTLS(node string) *tls.Config {
	c := id.client(node, alpn)
	c.ClientSessionCache = id.sessions
	return c
}

// councilTLS is ClientTLS for the council, whose connections are few and stay.
func (id *Identity) councilTLS(node string) *tls.Config { return id.client(node, councilALPN) }

func (id *Identity) client(node, protocol string) *tls.Config {
	c := id.base(protocol)
	c.RootCAs = id.roots
	c.ServerName = node
	c.VerifyConnection = func(state tls.ConnectionState) error {
		// Go's own check would let a wildcard stand for any node.
		if !names(state.PeerCertificates[0], node) {
			return errWrongName
		}
		return checkALPN(protocol)(state)
	}
	return c
}

func (id *Identity) base(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.cert},
		NextProtos:   protocols,
		Time:         id.now,
		// Small first records help browsers draw; here they cost system calls.
		DynamicRecordSizingDisabled: true,
	}
}

// checkALPN refuses who speaks none of the protocols: TLS itself lets a side say
// nothing of its own.
func checkALPN(protocols ...string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if !slices.Contains(protocols, state.NegotiatedProtocol) {
			return errALPN
		}
		return nil
	}
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
