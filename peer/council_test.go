package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// echo answers a council's connection with the caller's name and all it says,
// until the caller closes it.
func echo(conn net.Conn, node string) {
	defer conn.Close()
	if _, err := io.WriteString(conn, node+":"); err == nil {
		_, _ = io.Copy(conn, conn)
	}
}

// converse says something and returns the answer.
func converse(t *testing.T, conn net.Conn, say string) string {
	t.Helper()
	if _, err := io.WriteString(conn, say); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("asker:")+len(say))
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// inTime is a context for what must not hang.
func inTime(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// ended waits until the other side has closed the connection.
func ended(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: read %d bytes, %v", n, err)
	}
}

// TestCouncilAndReadsShareAPort: whatever keeps two nodes from reading from each
// other, and whoever gossip knows, the council's connections come about.
func TestCouncilAndReadsShareAPort(t *testing.T) {
	o := testObject(1000)
	s := startServer(t, ServerOptions{Handler: holder(o), Fingerprint: "ring-1", Council: echo, Member: func(node string) bool { return node == "asker" }})
	addr := s.Addr().String()
	council, err := DialCouncil(inTime(t), identity(t, "asker"), "owner", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer council.Close()
	a, err := startClient(t, addr, ClientOptions{Fingerprint: "ring-1"}).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)
	if got := converse(t, council, "hello"); got != "asker:hello" {
		t.Errorf("answer %q", got)
	}
	_, err = startClient(t, addr, ClientOptions{Fingerprint: "ring-2"}).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	checkRefused(t, err, refusedFingerprint)
	_, err = startClient(t, addr, ClientOptions{Self: "guest", Fingerprint: "ring-1"}).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	checkRefused(t, err, refusedStranger)
	guest, err := DialCouncil(inTime(t), identity(t, "guest"), "owner", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	if got := converse(t, guest, "hello"); got != "guest:hello" {
		t.Errorf("answer %q", got)
	}
}

func TestWhoIsNotOfTheCouncil(t *testing.T) {
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Council: func(conn net.Conn, node string) {
		t.Errorf("%q was let in", node)
		conn.Close()
	}, Metrics: set})
	addr := s.Addr().String()
	if _, err := DialCouncil(inTime(t), identity(t, "asker"), "third", addr); err == nil {
		t.Error("the owner passed for another node")
	}
	stranger, err := DeriveIdentity([][]byte{[]byte("another gossip key entirely")}, "", "asker", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DialCouncil(inTime(t), stranger, "owner", addr); err == nil {
		t.Error("a node of another cluster's key was trusted")
	}
	liar := identity(t, "asker")
	liar.node = "owner" // its certificate names the asker
	conn, err := DialCouncil(inTime(t), liar, "owner", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended(t, conn)
	if n := count(set, `rookery_peer_refused_total{role="server",reason="name"}`); n != 1 {
		t.Errorf("%d refusals for the name counted", n)
	}
	for name, begin := range map[string]string{"a long name": "\xff\xff" + strings.Repeat("n", 300), "half a name": "\x05\x00as"} {
		conn := speak(t, addr, councilALPN)
		if _, err := io.WriteString(conn, begin); err != nil {
			t.Fatal(name, err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(name, err)
		}
		ended(t, conn)
	}
	if err := s.Close(); err != nil { // all have been dealt with
		t.Error(err)
	}
}

// speak connects as the asker, with these protocols on offer.
func speak(t *testing.T, addr string, protocols ...string) *tls.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	c := identity(t, "asker").ClientTLS("owner")
	c.NextProtos, c.VerifyConnection = protocols, nil
	return tls.Client(raw, c)
}

func TestNoOtherProtocol(t *testing.T) {
	s := startServer(t, ServerOptions{Handler: holder(testObject(1)), Council: echo})
	for _, protocols := range [][]string{nil, {"h2"}, {"rookery-council/2", "http/1.1"}} {
		conn := speak(t, s.Addr().String(), protocols...)
		err := conn.HandshakeContext(inTime(t))
		if err == nil { // TLS 1.3: the server's refusal comes after the client's end of the handshake
			ended(t, conn)
		}
	}
	for _, protocol := range []string{alpn, councilALPN} {
		conn := speak(t, s.Addr().String(), "h2", protocol)
		if err := conn.HandshakeContext(inTime(t)); err != nil || conn.ConnectionState().NegotiatedProtocol != protocol {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	none := startServer(t, ServerOptions{Handler: holder(testObject(1))})
	conn, err := DialCouncil(inTime(t), identity(t, "asker"), "owner", none.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended(t, conn)
}

// TestAnOwnerThatSpeaksSomethingElse: a node of the first version knows reads
// alone, and what names no protocol may be anything.
func TestAnOwnerThatSpeaksSomethingElse(t *testing.T) {
	for _, protocols := range [][]string{{alpn}, nil} {
		c := identity(t, "owner").ServerTLS()
		c.NextProtos, c.VerifyConnection = protocols, nil
		ln, err := tls.Listen("tcp", "127.0.0.1:0", c)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		var served sync.WaitGroup
		served.Go(func() {
			if conn, err := ln.Accept(); err == nil {
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}
		})
		if conn, err := DialCouncil(inTime(t), identity(t, "asker"), "owner", ln.Addr().String()); err == nil {
			t.Errorf("the council came about with one that speaks %q", protocols)
			conn.Close()
		}
		served.Wait()
	}
}

// TestACouncilKeepsItsConnections: one that was taken over outlives the call that
// took it, and the server too; one that is waited for does not hold the server up.
func TestACouncilKeepsItsConnections(t *testing.T) {
	taken := make(chan net.Conn, 1)
	waiting := make(chan struct{})
	s := startServer(t, ServerOptions{Council: func(conn net.Conn, node string) {
		if node == "taker" {
			taken <- conn
			return
		}
		close(waiting)
		echo(conn, node)
	}})
	ours, err := DialCouncil(inTime(t), identity(t, "taker"), "owner", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	held, err := DialCouncil(inTime(t), identity(t, "asker"), "owner", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	theirs := <-taken
	defer theirs.Close()
	<-waiting
	if got := converse(t, held, "x"); got != "asker:x" {
		t.Errorf("answer %q", got)
	}
	if err := s.Shutdown(inTime(t)); err != nil {
		t.Errorf("the server waits for the council: %v", err)
	}
	ended(t, held)
	for range 3 {
		if _, err := io.WriteString(theirs, "hello"); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 5)
		if _, err := io.ReadFull(ours, answer); err != nil || string(answer) != "hello" {
			t.Fatalf("%q, %v", answer, err)
		}
	}
}

// TestACertificateOfSeveralNodes: the one that calls says which it is.
func TestACertificateOfSeveralNodes(t *testing.T) {
	p := newPKI(t)
	cert, key, ca := p.issue("shared", unchanged, "asker", "owner", "third")
	load := func(node string) *Identity {
		id, err := p.load(cert, key, ca, node)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	s := startServer(t, ServerOptions{Identity: load("owner"), Council: echo})
	for _, node := range []string{"asker", "third"} {
		conn, err := DialCouncil(inTime(t), load(node), "owner", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := converse(t, conn, ""); got != (node + ":")[:len("asker:")] {
			t.Errorf("%s is called %q", node, got)
		}
	}
}

func TestACallThatIsGivenUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := DialCouncil(ctx, identity(t, "asker"), "owner", ln.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// council is one that a test changes.
type council struct{ atomic.Pointer[[16]byte] }

func (c *council) set(id byte) { c.Store(&[16]byte{id}) }

func (c *council) id() [16]byte {
	if id := c.Load(); id != nil {
		return *id
	}
	return none
}

// TestCouncilsDoNotReadFromEachOther changes either side's council while a
// connection is idle.
func TestCouncilsDoNotReadFromEachOther(t *testing.T) {
	var ours, theirs council
	o := testObject(100)
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: holder(o), CouncilID: theirs.id})
	var clock atomic.Int64
	client := startClient(t, s.Addr().String(), ClientOptions{
		CouncilID: ours.id, Metrics: set, Now: func() time.Time { return time.Unix(clock.Load(), 0) },
	})
	for n, step := range []struct {
		ours, theirs byte
		reads        bool
		dials        int // so far
	}{
		{0, 0, true, 1},
		{0, 0, true, 1},
		{1, 0, true, 2}, // it has heard from one first
		{1, 1, true, 3},
		{1, 1, true, 3},
		{2, 1, false, 4},
		{2, 2, true, 5},
		{2, 3, false, 6},
		{0, 3, true, 7},
		{3, 3, true, 8},
	} {
		ours.set(step.ours)
		theirs.set(step.theirs)
		clock.Add(int64(refusalMemory / time.Second))
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err == nil {
			checkAnswer(t, a, o, 0, o.Size)
		}
		if step.reads && err != nil {
			t.Errorf("step %d: %v", n, err)
		} else if !step.reads {
			checkRefused(t, err, refusedCouncil)
		}
		if dials := count(set, "rookery_peer_dials_total"); dials != step.dials {
			t.Errorf("step %d: %d connections tried, want %d", n, dials, step.dials)
		}
		if open := client.pool.size(); step.reads && open != 1 {
			t.Errorf("step %d: %d connections", n, open)
		}
	}
}

// TestAChangedCouncilInTheMiddleOfARead: the answer under way goes on, for its note
// says whose it is; the connection is not used again.
func TestAChangedCouncilInTheMiddleOfARead(t *testing.T) {
	var ours council
	o := testObject(300_000)
	s := startServer(t, ServerOptions{Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{CouncilID: ours.id})
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	ours.set(1)
	checkAnswer(t, a, o, 0, o.Size)
	if n := client.pool.size(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}
