package peer

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// canned is a connection from which scripted bytes come and then the end, and
// that takes whatever is written.
type canned struct {
	mu     sync.Mutex
	in     bytes.Reader
	out    bytes.Buffer
	closed bool
}

func newCanned(b []byte) *canned {
	c := &canned{}
	c.in.Reset(b)
	return c
}

func (c *canned) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	return c.in.Read(p)
}

func (c *canned) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	return c.out.Write(p)
}

func (c *canned) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *canned) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "canned"} }
func (c *canned) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "canned"} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// A hello or welcome that is taken says the same when it is written again.
func FuzzHello(f *testing.F) {
	self := hello{protocol: 3, minProtocol: 2, name: "rook-0", want: "rook-1", fingerprint: "ring1"}
	f.Add(self.append(nil))
	f.Add(appendWelcome(nil, refusedStranger, &self))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHello(b); err == nil {
			again, err := decodeHello(h.append(nil))
			if err != nil || again != h {
				t.Errorf("%+v became %+v: %v", h, again, err)
			}
			if len(h.name) > maxNameBytes || len(h.want) > maxNameBytes || len(h.fingerprint) > maxFingerprintBytes {
				t.Errorf("a field beyond its maximum: %+v", h)
			}
		}
		if why, h, err := decodeWelcome(b); err == nil {
			again, same, err := decodeWelcome(appendWelcome(nil, why, &h))
			if err != nil || again != why || same != h {
				t.Errorf("%v %+v became %v %+v: %v", why, h, again, same, err)
			}
			_ = why.String()
			_ = judge(&self, &h)
		}
	})
}

// The failure in an end frame that is taken is within its maxima, and the same
// when it is written again.
func FuzzFailure(f *testing.F) {
	for _, err := range []error{nil, object.ErrGone, object.ErrBusy, io.EOF, &object.OriginError{Status: 503, Code: "SlowDown", Message: "m", RetryAfter: 7}, &object.OriginError{Status: 404, Remembered: time.Minute}} {
		f.Add(appendFailure(nil, err))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := fields{b: b}
		failed := in.failure()
		if in.bad || len(in.b) != 0 {
			return
		}
		written := appendFailure(nil, failed)
		if len(written) > maxEndBytes {
			t.Errorf("%d bytes", len(written))
		}
		again := fields{b: written}
		same := again.failure()
		if again.bad || (same == nil) != (failed == nil) || same != nil && kindOf(same) != kindOf(failed) {
			t.Errorf("%v became %v", failed, same)
		}
		if origin, ok := errors.AsType[*object.OriginError](failed); ok {
			if origin.RetryAfter > maxRetrySeconds || origin.Status > maxStatus || len(origin.Code) > maxCodeBytes || len(origin.Message) > maxMessageBytes {
				t.Errorf("a field beyond its maximum: %+v", origin)
			}
		}
	})
}

// Whatever comes, the asker's end of a body gives no more than was said, ends
// well only when all has come and the end frame has said so, and keeps no buffer.
func FuzzBody(f *testing.F) {
	data := func(b []byte) []byte {
		frame := append(make([]byte, headerBytes+crcBytes), b...)
		sealData(frame, 0)
		return frame
	}
	wait := beginFrame(nil, frameWait)
	end := func(err error) []byte { return endFrame(appendFailure(beginFrame(nil, frameEnd), err), 0) }
	f.Add(int64(6), bytes.Join([][]byte{data([]byte("abc")), wait, data([]byte("def")), end(nil)}, nil), 2)
	f.Add(int64(3), bytes.Join([][]byte{data([]byte("abc")), end(object.ErrGone)}, nil), 100)
	f.Add(int64(1<<20), bytes.Join([][]byte{data(make([]byte, maxDataBytes)), end(nil)}, nil), 1<<20)
	f.Add(int64(5), bytes.Join([][]byte{data([]byte("abc")), data([]byte("abc"))}, nil), 0)
	f.Fuzz(func(t *testing.T, length int64, frames []byte, piece int) {
		if length <= 0 {
			return
		}
		client := NewClient(ClientOptions{Self: "asker", Identity: blank(), Resolve: func(string) (string, bool) { return "", false }})
		defer client.Close()
		raw := newCanned(frames)
		conn := &conn{wire: wire{Conn: raw, raw: raw}, node: "owner", papers: client.opts.Identity.latest()}
		client.pool.add(conn)
		b := client.start(t.Context(), conn)
		b.left = length
		var got int64
		var err error
		if piece <= 0 {
			got, err = b.WriteTo(io.Discard)
			if err == nil {
				err = io.EOF
			}
		} else {
			buf := make([]byte, min(piece, 1<<17))
			for turns := 0; err == nil; turns++ {
				var n int
				n, err = b.Read(buf)
				if got += int64(n); turns > len(frames)+int(min(got, int64(len(frames))))+2 {
					t.Fatal("it does not end")
				}
			}
		}
		if got > length || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && got != length {
			t.Errorf("%d bytes of %d, then %v", got, length, err)
		}
		b.Close()
		if used := client.buffers.used.Load(); used != 0 {
			t.Errorf("%d bytes of buffers held", used)
		}
	})
}

// Whatever an asker sends, the owner's end answers with well-formed frames, ends,
// and keeps no buffer.
func FuzzSession(f *testing.F) {
	o := testObject(100_000)
	ask := func(a *object.Ask) []byte {
		b, err := appendAsk(beginFrame(nil, frameAsk), a, time.Second)
		if err != nil {
			f.Fatal(err)
		}
		return endFrame(b, 0)
	}
	info := infoOf(o)
	pin := info.Pin()
	f.Add(ask(&object.Ask{Key: keyOf(o)}), int64(0))
	f.Add(ask(&object.Ask{Key: keyOf(o), HeadOnly: true}), int64(1))
	f.Add(ask(&object.Ask{Key: keyOf(o), Pin: &pin, Range: object.Range{Kind: object.FromTo, First: 5, Last: 99_000}}), int64(1))
	f.Add(append(ask(&object.Ask{Key: keyOf(o)}), ask(&object.Ask{Key: keyOf(o)})...), int64(0))
	f.Add(beginFrame(nil, frameWait), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, budget int64) {
		l := newPipes()
		s := Serve(ServerOptions{
			Listener: l, Identity: blank(), Self: "owner", Member: everyone, Handler: holder(o),
			BufferBytes: budget, Metrics: metrics.NewSet(), Log: slog.New(slog.DiscardHandler),
		})
		defer s.Close()
		raw := newCanned(b)
		session := newSession(s, raw)
		session.wire.Conn, session.peer = raw, "asker"
		session.serve()
		raw.mu.Lock()
		defer raw.mu.Unlock()
		if used := s.buffers.used.Load(); used != 0 {
			t.Errorf("%d bytes of buffers held", used)
		}
		out := raw.out.Bytes()
		for len(out) > 0 {
			if len(out) < headerBytes {
				return // the end of the connection cut a frame
			}
			kind, length, err := parseHeader((*[headerBytes]byte)(out))
			if err != nil || kind != frameHead && kind != frameData && kind != frameEnd && kind != frameWait {
				t.Fatalf("frame of type %d and %d bytes: %v", kind, length, err)
			}
			out = out[min(len(out), headerBytes+length):]
		}
	})
}
