package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
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

// Identity is a node's certificate and whom it trusts, as they are now: Adopt puts
// others in their place. Safe for concurrent use.
type Identity struct {
	node          string
	read, council string // the protocols, as this cluster calls them
	now           func() time.Time

	papers atomic.Pointer[papers]
	mu     sync.Mutex    // one Adopt at a time
	newer  chan struct{} // closed when papers are not the latest any more
}

// papers are what an Identity holds at one time. Nobody changes them.
type papers struct {
	cert     tls.Certificate
	roots    *x509.CertPool
	sessions tls.ClientSessionCache
	server   *tls.Config
}

// DeriveIdentity makes the identity of a node from the cluster's gossip keys alone:
// each yields, by HKDF-SHA256 (RFC 5869), the Ed25519 key of a CA that is the same
// on every node. The first one's CA signs a certificate for node with a fresh key; the
// certificates of all of them are trusted. label is the cluster's, see NewIdentity; now
// is the clock that TLS checks certificates and tickets with.
//
// The certificates do not expire (RFC 5280 §4.1.2.5): whoever holds the gossip
// key could sign new ones anyway, and a cluster must not stop on a date. To
// shut a node out, change the key.
func DeriveIdentity(gossipKeys [][]byte, label, node string, now func() time.Time) (*Identity, error) {
	if len(gossipKeys) == 0 {
		return nil, errors.New("peer identity: no gossip key")
	}
	roots := x509.NewCertPool()
	var own tls.Certificate
	for i, key := range gossipKeys {
		if len(key) < minGossipKeyBytes {
			return nil, fmt.Errorf("peer identity: gossip key of %d bytes, want at least %d", len(key), minGossipKeyBytes)
		}
		ca, caKey, err := deriveCA(key)
		if err != nil {
			return nil, fmt.Errorf("peer identity: derive the cluster's CA: %w", err)
		}
		roots.AddCert(ca)
		if i > 0 {
			continue
		}
		if own, err = signNode(ca, caKey, node); err != nil {
			return nil, fmt.Errorf("peer identity: sign the certificate of %s: %w", node, err)
		}
	}
	return NewIdentity(own, roots, label, node, now)
}

// NewIdentity makes an identity of an operator's own PKI. It fails unless the
// certificate, with its Leaf, is valid now, is signed by one of the roots for servers
// and clients both, and has node among its DNS names, to the letter.
//
// Nodes of clusters with different labels do not speak to each other, even where one CA
// has signed both: their protocols have different names.
func NewIdentity(cert tls.Certificate, roots *x509.CertPool, label, node string, now func() time.Time) (*Identity, error) {
	if err := checkNodeName(node); err != nil {
		return nil, err
	}
	if !names(cert.Leaf, node) {
		return nil, fmt.Errorf("peer identity: %w: DNS names %q, want %q", errWrongName, cert.Leaf.DNSNames, node)
	}
	id := &Identity{node: node, read: alpn, council: councilALPN, now: now, newer: make(chan struct{})}
	if label != "" {
		id.read, id.council = alpn+"/"+label, councilALPN+"/"+label
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		chain, err := chainOf(&cert)
		if err == nil {
			err = verify(chain, roots, now(), usage)
		}
		if err != nil {
			return nil, fmt.Errorf("peer identity: %w", err)
		}
	}
	own := &papers{cert: cert, roots: roots, sessions: tls.NewLRUClientSessionCache(0)}
	own.server = id.serverTLS(own)
	id.papers.Store(own)
	return id, nil
}

// Adopt takes the certificate and the roots of other, an identity of the same node:
// connections that are made from now on know nothing else. Those that are there go on,
// as long as the new roots stand for who is at the other end.
func (id *Identity) Adopt(other *Identity) {
	next := other.latest()
	id.mu.Lock()
	defer id.mu.Unlock()
	id.papers.Store(next)
	close(id.newer)
	id.newer = make(chan struct{})
}

func (id *Identity) latest() *papers { return id.papers.Load() }

// watch returns the papers, and a channel that is closed when there are newer ones.
func (id *Identity) watch() (*papers, <-chan struct{}) {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.papers.Load(), id.newer
}

// trusts reports whether the other side of a connection would be let in now, too.
func (id *Identity) trusts(p *papers, state tls.ConnectionState, as x509.ExtKeyUsage) bool {
	return verify(state.PeerCertificates, p.roots, id.now(), as) == nil
}

// ServerTLS returns the configuration of a connection to a listener: TLS 1.3, and only
// clients with a certificate of the cluster's CA. It takes reads and the council.
func (id *Identity) ServerTLS() *tls.Config { return id.latest().server }

func (id *Identity) serverTLS(p *papers) *tls.Config {
	c := id.base(p, id.read, id.council)
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs = p.roots
	c.VerifyConnection = checkALPN(id.read, id.council)
	return c
}

// ClientTLS returns the configuration of a connection to node: TLS 1.3, and only
// with a server whose certificate of the cluster's CA names exactly that node.
func (id *Identity) ClientTLS(node string) *tls.Config { return id.readTLS(id.latest(), node) }

func (id *Identity) readTLS(p *papers, node string) *tls.Config {
	c := id.client(p, node, id.read)
	c.ClientSessionCache = p.sessions
	return c
}

// councilTLS is ClientTLS for the council, whose connections are few and stay.
func (id *Identity) councilTLS(node string) *tls.Config {
	return id.client(id.latest(), node, id.council)
}

func (id *Identity) client(p *papers, node, protocol string) *tls.Config {
	c := id.base(p, protocol)
	c.RootCAs = p.roots
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

func (id *Identity) base(p *papers, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{p.cert},
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

// chainOf parses what a certificate's side sends of it.
func chainOf(cert *tls.Certificate) ([]*x509.Certificate, error) {
	chain := []*x509.Certificate{cert.Leaf}
	for _, der := range cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// verify checks a chain, the leaf first, as TLS does.
func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time, usage x509.ExtKeyUsage) error {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}
