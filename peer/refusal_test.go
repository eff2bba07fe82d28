package peer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

func TestRefusals(t *testing.T) {
	o := testObject(100)
	for _, c := range []struct {
		why    reason
		server func(*ServerOptions)
		client func(*ClientOptions)
	}{
		{refusedFingerprint, func(s *ServerOptions) { s.Fingerprint = "ring-2" }, func(c *ClientOptions) { c.Fingerprint = "ring-1" }},
		{refusedStranger, func(s *ServerOptions) { s.Member = func(node string) bool { return node == "rook-7" } }, nil},
		{refusedName, nil, func(c *ClientOptions) { c.Self = "rook-7"; c.Identity = identity(t, "asker") }},
		// The address was the wanted node's and is another's now: told by TLS ...
		{refusedName, func(s *ServerOptions) { s.Self = "newcomer" }, nil},
		// ... and by the hello, if the newcomer still has the old certificate.
		{refusedWrongNode, func(s *ServerOptions) { s.Self = "newcomer"; s.Identity = identity(t, "owner") }, nil},
		{refusedCertificate, nil, func(c *ClientOptions) {
			stranger, err := DeriveIdentity([][]byte{[]byte("another gossip key entirely")}, "", "asker", time.Now)
			if err != nil {
				t.Fatal(err)
			}
			c.Identity = stranger
		}},
	} {
		t.Run(c.why.String(), func(t *testing.T) {
			set := metrics.NewSet()
			so, co := ServerOptions{Handler: holder(o)}, ClientOptions{Metrics: set}
			if c.server != nil {
				c.server(&so)
			}
			if c.client != nil {
				c.client(&co)
			}
			s := startServer(t, so)
			_, err := startClient(t, s.Addr().String(), co).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
			checkRefused(t, err, c.why)
			if n := count(set, fmt.Sprintf(`rookery_peer_refused_total{role="client",reason=%q}`, c.why)); n != 1 {
				t.Errorf("%d refusals counted", n)
			}
		})
	}
}

// hand speaks the protocol by hand, as the node "asker".
func hand(t *testing.T, s *Server) *wire {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return &wire{Conn: tls.Client(raw, identity(t, "asker").ClientTLS("owner")), raw: raw}
}

func TestHellosOfOtherProtocols(t *testing.T) {
	s := startServer(t, ServerOptions{Handler: holder(testObject(1))})
	fits := hello{protocol: Protocol, minProtocol: MinProtocol, name: "asker", want: "owner"}
	newer, tooNew, tooOld := fits, fits, fits
	newer.protocol = Protocol + 1
	tooNew.protocol, tooNew.minProtocol = Protocol+2, Protocol+1
	tooOld.protocol, tooOld.minProtocol = MinProtocol-1, 0
	for _, c := range []struct {
		name    string
		payload []byte
		want    reason
	}{
		{"ours", fits.append(nil), accepted},
		{"the next one, which still reads ours", newer.append(nil), accepted},
		{"with a field that we do not know", append(newer.append(nil), "later"...), accepted},
		{"too new", tooNew.append(nil), refusedProtocol},
		{"too old", tooOld.append(nil), refusedProtocol},
		{"no hello", []byte("GET / HTTP/1.1"), refusedMalformed},
		{"half a hello", fits.append(nil)[:20], refusedMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := hand(t, s)
			frame := endFrame(append(beginFrame(nil, frameHello), c.payload...), 0)
			if err := w.send(frame, time.Minute); err != nil {
				t.Fatal(err)
			}
			payload, err := w.readFrame(frameWelcome, new(buffer)[:])
			if err != nil {
				t.Fatal(err)
			}
			why, other, err := decodeWelcome(payload)
			if err != nil || why != c.want || other.name != "owner" || other.protocol != Protocol {
				t.Errorf("welcome %v from %+v (%v), want %v", why, other, err, c.want)
			}
		})
	}
}

func TestARefusalIsRememberedForAWhile(t *testing.T) {
	var clock atomic.Int64
	var member atomic.Bool
	var log bytes.Buffer
	o := testObject(100)
	s := startServer(t, ServerOptions{Handler: holder(o), Member: func(string) bool { return member.Load() }})
	set := metrics.NewSet()
	client := startClient(t, s.Addr().String(), ClientOptions{
		Metrics: set, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Now: func() time.Time { return time.Unix(clock.Load(), 0) },
	})
	ask := func(wantDials int) error {
		t.Helper()
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err == nil {
			checkAnswer(t, a, o, 0, o.Size)
		}
		if n := count(set, "rookery_peer_dials_total"); n != wantDials {
			t.Errorf("%d connections tried, want %d", n, wantDials)
		}
		return err
	}
	checkRefused(t, ask(1), refusedStranger)
	checkRefused(t, ask(1), refusedStranger)
	clock.Add(int64(refusalMemory / time.Second))
	checkRefused(t, ask(2), refusedStranger)
	member.Store(true)
	checkRefused(t, ask(2), refusedStranger)
	clock.Add(int64(refusalMemory / time.Second))
	if err := ask(3); err != nil {
		t.Fatal(err)
	}
	// A member no more: its connection is closed, and a new one is refused.
	member.Store(false)
	checkRefused(t, ask(4), refusedStranger)
	if n := strings.Count(log.String(), "reason=not_a_member"); n != 2 {
		t.Errorf("the log tells of a refusal %d times, want once before and once after it was lifted:\n%s", n, &log)
	}
}

func TestUnknownAddress(t *testing.T) {
	client := startClient(t, "", ClientOptions{Resolve: func(string) (string, bool) { return "", false }})
	if _, err := client.Open(t.Context(), "owner", &object.Ask{}); !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("error %v", err)
	}
}
