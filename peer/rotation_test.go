package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// derived is an identity of several gossip keys, told by a letter each; the first is
// used.
func derived(t *testing.T, node, keys string) *Identity {
	t.Helper()
	var all [][]byte
	for _, letter := range keys {
		all = append(all, fmt.Appendf(nil, "%032c", letter))
	}
	id, err := DeriveIdentity(all, "", node, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// signed is an identity whose certificate the first of the PKIs has signed, and that
// trusts all of them.
func signed(t *testing.T, node string, all ...*pki) *Identity {
	t.Helper()
	cert, key, _ := all[0].issue(node, unchanged, node)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, p := range all {
		roots.AddCert(p.ca)
	}
	id, err := NewIdentity(pair, roots, "", node, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestRotationUnderLoad changes both sides' keys or CAs, one side after the other, in
// the order that the documents give, while reads flow: none fails.
func TestRotationUnderLoad(t *testing.T) {
	first, second := newPKI(t), newPKI(t)
	second.ca.Subject.CommonName = "another"
	for _, c := range []struct {
		name  string
		steps []func(node string) *Identity
	}{
		{"gossip keys", []func(string) *Identity{
			func(node string) *Identity { return derived(t, node, "a") },
			func(node string) *Identity { return derived(t, node, "ab") },
			func(node string) *Identity { return derived(t, node, "ba") },
			func(node string) *Identity { return derived(t, node, "b") },
			func(node string) *Identity { return derived(t, node, "bc") },
			func(node string) *Identity { return derived(t, node, "cb") },
			func(node string) *Identity { return derived(t, node, "c") },
		}},
		{"own CAs", []func(string) *Identity{
			func(node string) *Identity { return signed(t, node, first) },
			func(node string) *Identity { return signed(t, node, first, second) },
			func(node string) *Identity { return signed(t, node, second, first) },
			func(node string) *Identity { return signed(t, node, second) },
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testObject(5000)
			owner, asker := c.steps[0]("owner"), c.steps[0]("asker")
			s := startServer(t, ServerOptions{Identity: owner, Handler: holder(o)})
			client := startClient(t, s.Addr().String(), ClientOptions{Identity: asker, MaxIdlePerNode: 2})
			var reads, over atomic.Int64
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					for over.Load() == 0 {
						a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
						if err != nil {
							t.Error(err)
							return
						}
						checkAnswer(t, a, o, 0, o.Size)
						reads.Add(1)
					}
				})
			}
			flow := func() { // some reads on old connections and new ones
				for until := reads.Load() + 50; reads.Load() < until && !t.Failed(); {
					conn, err := client.pool.get(t.Context(), "owner", false)
					if conn != nil {
						client.pool.drop(conn)
					} else if err == nil {
						client.pool.dialed("owner")
					}
				}
			}
			flow()
			for _, step := range c.steps[1:] {
				owner.Adopt(step("owner"))
				flow()
				asker.Adopt(step("asker"))
				flow()
			}
			over.Store(1)
			readers.Wait()
			t.Logf("%d reads, none failed", reads.Load())
		})
	}
}

// TestARemovedCAIsTrustedNoMore: neither a session that could be resumed, nor a
// connection that is open, nor the council's, outlives the CA that it was made for.
func TestARemovedCAIsTrustedNoMore(t *testing.T) {
	old, ours := newPKI(t), newPKI(t)
	ours.ca.Subject.CommonName = "ours"
	o := testObject(100)
	both, without := signed(t, "owner", ours, old), signed(t, "owner", ours)
	s := startServer(t, ServerOptions{Identity: both, Handler: holder(o), Council: echo})
	client := startClient(t, s.Addr().String(), ClientOptions{Identity: signed(t, "asker", old, ours)})
	open := func() error {
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err == nil {
			checkAnswer(t, a, o, 0, o.Size)
		}
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	convened, err := DialCouncil(inTime(t), signed(t, "asker", old, ours), "owner", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer convened.Close()
	if got := converse(t, convened, "hello"); got != "asker:hello" {
		t.Fatal(got)
	}
	client.pool.drop(idleTo(t, client)) // what is left of it is a ticket
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if conn := idleTo(t, client); !conn.Conn.(*tls.Conn).ConnectionState().DidResume {
		t.Fatal("the test is about sessions that resume")
	} else {
		client.pool.put(conn, time.Now())
	}
	both.Adopt(without)
	ended(t, convened)
	checkRefused(t, open(), refusedCertificate) // the open connection ends, the ticket is void
}

// TestAnOwnerIsTrustedNoMore: the asker leaves the connections to it.
func TestAnOwnerIsTrustedNoMore(t *testing.T) {
	old, ours := newPKI(t), newPKI(t)
	ours.ca.Subject.CommonName = "ours"
	o := testObject(100)
	s := startServer(t, ServerOptions{Identity: signed(t, "owner", old, ours), Handler: holder(o)})
	asker := signed(t, "asker", ours, old)
	client := startClient(t, s.Addr().String(), ClientOptions{Identity: asker})
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)
	asker.Adopt(signed(t, "asker", ours))
	_, err = client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	checkRefused(t, err, refusedCertificate)
}

// TestExpiredOnTheWire: an identity that expires while its node runs opens nothing new.
func TestExpiredOnTheWire(t *testing.T) {
	p := newPKI(t)
	o := testObject(100)
	var late atomic.Bool
	clock := func() time.Time {
		if late.Load() {
			return time.Now().Add(30 * time.Minute)
		}
		return time.Now()
	}
	cert, key, _ := p.issue("asker", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10 * time.Minute) }, "asker")
	asker, err := p.load(cert, key, p.dir+"/ca.pem", "asker")
	if err != nil {
		t.Fatal(err)
	}
	owner := signed(t, "owner", p)
	owner.now = clock
	owner.latest().server = owner.serverTLS(owner.latest())
	s := startServer(t, ServerOptions{Identity: owner, Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{Identity: asker})
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)
	late.Store(true)
	if a, err = client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)}); err != nil {
		t.Fatalf("an open connection goes on: %v", err)
	}
	checkAnswer(t, a, o, 0, o.Size)
	client.pool.drop(idleTo(t, client))
	_, err = client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	checkRefused(t, err, refusedCertificate)
}

func TestLabelsKeepClustersApart(t *testing.T) {
	o := testObject(100)
	labelled := func(node, label string) *Identity {
		id, err := DeriveIdentity([][]byte{testKey}, label, node, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	s := startServer(t, ServerOptions{Identity: labelled("owner", "prod"), Handler: holder(o), Council: echo})
	for label, fits := range map[string]bool{"prod": true, "test": false, "": false} {
		client := startClient(t, s.Addr().String(), ClientOptions{Identity: labelled("asker", label)})
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if fits != (err == nil) {
			t.Errorf("label %q: %v", label, err)
		}
		if err == nil {
			checkAnswer(t, a, o, 0, o.Size)
		}
		conn, err := DialCouncil(inTime(t), labelled("asker", label), "owner", s.Addr().String())
		if fits != (err == nil) {
			t.Errorf("council of label %q: %v", label, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// TestStrangersReadNothing: whoever is no node gets no byte of an answer, and keeps no
// node out, be they a thousand.
func TestStrangersReadNothing(t *testing.T) {
	o := testObject(100)
	set := metrics.NewSet()
	p := newPKI(t)
	asked := func(_ context.Context, ask *object.Ask) (*object.Answer, error) { return holder(o)(t.Context(), ask) }
	s := startServer(t, ServerOptions{
		Identity: signed(t, "owner", p), Handler: handlerFunc(asked), Metrics: set, Council: echo,
		MaxConns: 8, MaxHandshakes: 100, Member: func(node string) bool { return node == "asker" },
	})
	addr := s.Addr().String()
	var idle []net.Conn
	for range 1000 { // half open: they say nothing, or half a hello
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if len(idle)%2 == 0 {
			if _, err := conn.Write([]byte{0x16, 3, 1}); err != nil {
				t.Log(err)
			}
		}
		idle = append(idle, conn)
	}
	good := startClient(t, addr, ClientOptions{Identity: signed(t, "asker", p)})
	read := func() {
		t.Helper()
		a, err := good.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, a, o, 0, o.Size)
	}
	read()
	if n := count(set, "rookery_peer_handshakes_dropped_total"); n < 800 {
		t.Errorf("%d handshakes dropped", n)
	}
	if n := count(set, "rookery_peer_connections_rejected_total"); n != 0 {
		t.Errorf("%d connections of nodes rejected", n)
	}
	stranger := newPKI(t)
	old := signed(t, "asker", p)
	older := old.ClientTLS("owner")
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	naked := old.ClientTLS("owner")
	naked.Certificates = nil
	other := old.ClientTLS("owner")
	other.NextProtos, other.VerifyConnection = []string{"http/1.1"}, nil
	self := selfSigned(t, "asker").ClientTLS("owner")
	self.RootCAs = old.latest().roots
	foreign := signed(t, "asker", stranger, p).ClientTLS("owner")
	for name, c := range map[string]*tls.Config{
		"TLS 1.2": older, "no certificate": naked, "another protocol": other, "self-signed": self, "another CA": foreign,
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(conn, c)
		if err := secure.HandshakeContext(inTime(t)); err == nil {
			if n, err := secure.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s: read %d bytes (%v)", name, n, err)
			}
		}
		conn.Close()
	}
	for _, garbage := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x00\x00\x00\x00", "RKRY"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, garbage); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		if text, _ := io.ReadAll(conn); len(text) > 7 { // an alert at most
			t.Errorf("%q was answered with %q", garbage, text)
		}
		conn.Close()
	}
	_, err := startClient(t, addr, ClientOptions{Self: "guest", Identity: signed(t, "guest", p)}).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	checkRefused(t, err, refusedStranger)
	read()
	if n := count(set, `rookery_peer_requests_total{role="server"}`); n != 2 {
		t.Errorf("%d asks answered, want the good node's two", n)
	}
}

// selfSigned is an identity that nobody has signed but itself.
func selfSigned(t *testing.T, node string) *Identity {
	t.Helper()
	p := newPKI(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), DNSNames: []string{node}, NotBefore: p.ca.NotBefore, NotAfter: p.ca.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	leaf := p.sign(template, template, p.key)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	id, err := NewIdentity(tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: p.key, Leaf: leaf}, roots, "", node, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
