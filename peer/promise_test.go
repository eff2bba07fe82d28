package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// TestHandlersThatBreakTheirPromise: whatever is wrong with an answer, the asker
// never takes it for a whole one, and the owner's log says what it was.
func TestHandlersThatBreakTheirPromise(t *testing.T) {
	o := testObject(1000)
	huge := infoOf(o)
	huge.Header = []object.Field{{Name: "X", Value: strings.Repeat("v", object.MaxInfoBytes)}}
	for _, c := range []struct {
		name string
		give object.Answer
		log  string
	}{
		{"a short body", object.Answer{Info: infoOf(o), Length: 1000, Body: io.NopCloser(io.LimitReader(o.Reader(), 999))}, "unexpected EOF"},
		{"a long body", object.Answer{Info: infoOf(o), Length: 1000, Body: io.NopCloser(testObject(1001).Reader())}, "longer"},
		{"no body", object.Answer{Info: infoOf(o), Length: 1000}, "unexpected EOF"},
		{"headers without end", object.Answer{Info: huge, Length: 1000, Body: io.NopCloser(o.Reader())}, "larger than"},
		{"another place", object.Answer{Info: infoOf(o), Offset: 1, Length: 999, Body: io.NopCloser(io.NewSectionReader(o.Reader(), 1, 999))}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			s := startServer(t, ServerOptions{
				Log:     slog.New(slog.NewTextHandler(&log, nil)),
				Handler: handlerFunc(func(context.Context, *object.Ask) (*object.Answer, error) { return &c.give, nil }),
			})
			a, err := startClient(t, s.Addr().String(), ClientOptions{}).Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), RequestID: "r-1"})
			if err == nil {
				_, err = io.Copy(io.Discard, a.Body)
				a.Body.Close()
			}
			if !errors.Is(err, object.ErrUnreachable) {
				t.Errorf("error %v", err)
			}
			s.Close()
			if c.log != "" && (!strings.Contains(log.String(), c.log) || !strings.Contains(log.String(), "request=r-1")) {
				t.Errorf("the log has no %q:\n%s", c.log, &log)
			}
		})
	}
}

func TestALargeHeadAndItsBody(t *testing.T) {
	o := testObject(3 * maxDataBytes)
	for _, headers := range []int{usualHeadBytes - 300, usualHeadBytes + 300, object.MaxInfoBytes - 500} {
		info := infoOf(o)
		info.Header = []object.Field{{Name: "X", Value: strings.Repeat("v", headers)}}
		client, _ := startPair(t, func(context.Context, *object.Ask) (*object.Answer, error) {
			return &object.Answer{Info: info, Length: o.Size, Body: io.NopCloser(o.Reader())}, nil
		})
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err != nil {
			t.Fatal(err)
		}
		if a.Info.Get("X") != info.Header[0].Value {
			t.Errorf("a header of %d bytes came as %d", headers, len(a.Info.Get("X")))
		}
		checkAnswer(t, a, o, 0, o.Size)
	}
}

// counted is a listener that counts the writes of its connections.
type counted struct {
	net.Listener
	writes atomic.Int64
}

type countedConn struct {
	net.Conn
	of *counted
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countedConn{c, l}, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.of.writes.Add(1)
	return c.Conn.Write(p)
}

// TestWritesPerAnswer: head, bytes and end leave together.
func TestWritesPerAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	count := &counted{Listener: l}
	o := testObject(1 << 20)
	s := startServer(t, ServerOptions{Listener: count, Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{})
	if _, err := client.Open(t.Context(), "owner", &object.Ask{HeadOnly: true}); err != nil { // connects
		t.Fatal(err)
	}
	for bytes, want := range map[int64]int64{1: 1, 4 << 10: 1, 64 << 10: 1, 64<<10 + 1: 2, 1 << 20: 16} {
		before := count.writes.Load()
		a, err := client.Open(t.Context(), "owner", &object.Ask{Range: object.Range{Kind: object.FromTo, Last: bytes - 1}})
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, a, o, 0, bytes)
		if n := count.writes.Load() - before; n != want {
			t.Errorf("%d bytes left in %d writes, want %d", bytes, n, want)
		}
	}
}

func TestABodyThatComesInDrops(t *testing.T) {
	o := testObject(100)
	client, _ := startPair(t, func(context.Context, *object.Ask) (*object.Answer, error) {
		drops := &script{closed: make(chan struct{})}
		for i := range o.Size {
			drops.steps = append(drops.steps, fails(nil), gives(o, i, i+1))
		}
		return &object.Answer{Info: infoOf(o), Length: o.Size, Body: drops}, nil
	})
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)
}

func TestAnAskerThatSendsNoAskIsClosed(t *testing.T) {
	s := startServer(t, ServerOptions{Handler: holder(testObject(1))})
	self := hello{protocol: Protocol, minProtocol: MinProtocol, name: "asker", want: "owner"}
	for name, frame := range map[string][]byte{
		"another frame":      endFrame(beginFrame(nil, frameEnd), 0),
		"an unknown type":    {0, 0, 0, 0, 99},
		"a malformed ask":    endFrame(append(beginFrame(nil, frameAsk), 1, 2, 3), 0),
		"a frame too large":  {0, 0, 0, 1, byte(frameAsk)},
		"half an ask's head": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := hand(t, s)
			if err := w.send(endFrame(self.append(beginFrame(nil, frameHello)), 0), time.Minute); err != nil {
				t.Fatal(err)
			}
			if _, err := w.readFrame(frameWelcome, new(buffer)[:]); err != nil {
				t.Fatal(err)
			}
			if err := w.send(frame, time.Minute); err != nil {
				t.Fatal(err)
			}
			if err := w.Conn.(*tls.Conn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if n, err := w.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%d bytes in answer to what is no ask", n)
			}
		})
	}
}

func TestHandshakesAreResumed(t *testing.T) {
	o := testObject(100)
	s := startServer(t, ServerOptions{Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{})
	for i, want := range []bool{false, true} {
		if _, err := client.Open(t.Context(), "owner", &object.Ask{HeadOnly: true}); err != nil {
			t.Fatal(err)
		}
		conn := idleTo(t, client)
		state := conn.Conn.(*tls.Conn).ConnectionState()
		if state.DidResume != want || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != alpn {
			t.Errorf("connection %d: resumed %v, version %x, protocol %q", i, state.DidResume, state.Version, state.NegotiatedProtocol)
		}
		client.pool.drop(conn)
	}
}

func TestFigures(t *testing.T) {
	o := testObject(1000)
	set := metrics.NewSet() // a node's own: client and server together
	s := startServer(t, ServerOptions{Metrics: set, Handler: handlerFunc(func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
		if ask.OnlyIfHave {
			return nil, object.ErrNotHeld
		}
		return holder(o)(ctx, ask)
	})})
	client := startClient(t, s.Addr().String(), ClientOptions{Metrics: set})
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)
	if _, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), OnlyIfHave: true}); !errors.Is(err, object.ErrNotHeld) {
		t.Fatal(err)
	}
	var page bytes.Buffer
	set.WritePrometheus(&page)
	for _, role := range []string{"client", "server"} {
		for _, want := range []string{
			`rookery_peer_requests_total{role="` + role + `"} 2`,
			`rookery_peer_body_bytes_total{role="` + role + `"} 1000`,
			`rookery_peer_errors_total{role="` + role + `",kind="not_held"} 1`,
			`rookery_peer_errors_total{role="` + role + `",kind="unreachable"} 0`,
			`rookery_peer_refused_total{role="` + role + `",reason="fingerprint"} 0`,
			`rookery_peer_connections{role="` + role + `"} 1`,
		} {
			if !strings.Contains(page.String(), want+"\n") {
				t.Errorf("no %s", want)
			}
		}
	}
}

// A node that cannot be connected to in time is unreachable; its asker has not
// given up.
func TestAConnectionThatTakesTooLongIsCountedAsUnreachable(t *testing.T) {
	set := metrics.NewSet()
	client := startClient(t, "nowhere:1", ClientOptions{
		Metrics: set, ConnectTimeout: time.Millisecond,
		Dial: func(context.Context, string, time.Duration) (net.Conn, error) { return nil, os.ErrDeadlineExceeded },
	})
	if _, err := client.Open(t.Context(), "owner", &object.Ask{}); !errors.Is(err, object.ErrUnreachable) {
		t.Fatal(err)
	}
	var page bytes.Buffer
	set.WritePrometheus(&page)
	if want := `rookery_peer_errors_total{role="client",kind="unreachable"} 1`; !strings.Contains(page.String(), want+"\n") {
		t.Errorf("no %s in\n%s", want, page.String())
	}
}
