package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rookery/internal/pattern"
	"rookery/object"
)

// These tests run on synctest's clock, over pipes that buffer nothing: a write
// that is not read blocks, and a minute passes at once.

// pipes is a listener whose connections are such pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _ string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, os.ErrDeadlineExceeded
	}
}

// startPiped is startPair in a bubble. All times are the defaults.
func startPiped(t *testing.T, h handlerFunc) (*Client, *Server) {
	t.Helper()
	return startBeating(t, h, 0)
}

// startFrozen is startPiped with an owner that gives no sign of life, as one that
// has been stopped.
func startFrozen(t *testing.T, h handlerFunc) (*Client, *Server) {
	t.Helper()
	return startBeating(t, h, time.Hour)
}

func startBeating(t *testing.T, h handlerFunc, beat time.Duration) (*Client, *Server) {
	t.Helper()
	p := newPipes()
	s := startServer(t, ServerOptions{Listener: p, Handler: h, beat: beat})
	id := identity(t, "asker")
	id.latest().sessions = nil // nobody reads a ticket off a pipe while both sides write
	c := NewClient(ClientOptions{Self: "asker", Identity: id, Dial: p.dial, Resolve: func(string) (string, bool) { return "", true }})
	t.Cleanup(func() { c.Close() })
	return c, s
}

// within checks how long f takes on the bubble's clock.
func within(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if d := time.Since(start); d != want {
		t.Errorf("it took %v, want %v", d, want)
	}
}

// metered counts how much of a body the owner has read.
type metered struct {
	io.Reader
	n      atomic.Int64
	closed atomic.Bool
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.n.Add(int64(n))
	return n, err
}

func (m *metered) Close() error {
	m.closed.Store(true)
	return nil
}

func large(o pattern.Object, m *metered) handlerFunc {
	m.Reader = o.Reader()
	return func(context.Context, *object.Ask) (*object.Answer, error) {
		return &object.Answer{Info: infoOf(o), Length: o.Size, Body: m}, nil
	}
}

func TestASlowReaderHoldsTheOwnerBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, m := testObject(8<<20), new(metered)
		client, _ := startPiped(t, large(o, m))
		a, err := client.Open(t.Context(), "owner", &object.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, maxDataBytes)
		for i := range int64(16) {
			synctest.Wait()
			if n := m.n.Load(); n > (i+2)*maxDataBytes {
				t.Fatalf("the owner has read %d bytes for a reader of %d", n, i*maxDataBytes)
			}
			if _, err := io.ReadFull(a.Body, p); err != nil {
				t.Fatal(err)
			}
			if err := o.Check(p, i*maxDataBytes); err != nil {
				t.Fatal(err)
			}
			time.Sleep(29 * time.Second) // slow, but not stopped
		}
		a.Body.Close()
	})
}

func TestAStoppedReaderFreesTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, m := testObject(8<<20), new(metered)
		client, s := startPiped(t, large(o, m))
		a, err := client.Open(t.Context(), "owner", &object.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if !m.closed.Load() || s.size() != 0 {
			t.Errorf("after the stall: body closed %v, %d connections", m.closed.Load(), s.size())
		}
		if _, err := io.Copy(io.Discard, a.Body); !errors.Is(err, object.ErrUnreachable) {
			t.Errorf("reading on: %v", err)
		}
		a.Body.Close()
	})
}

func TestASilentOwnerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		woken := make(chan struct{})
		client, _ := startFrozen(t, func(ctx context.Context, _ *object.Ask) (*object.Answer, error) {
			<-ctx.Done()
			close(woken)
			return nil, ctx.Err()
		})
		within(t, 3*time.Second, func() {
			_, err := client.Open(t.Context(), "owner", &object.Ask{})
			if !errors.Is(err, object.ErrUnreachable) {
				t.Errorf("error %v", err)
			}
			<-woken
		})
	})
}

// An owner that waits for S3, before its answer or within it, is not given up.
func TestAnOwnerThatWaitsForS3IsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testObject(3 * maxDataBytes)
		client, _ := startPiped(t, func(context.Context, *object.Ask) (*object.Answer, error) {
			time.Sleep(17 * time.Second)
			return &object.Answer{Info: infoOf(o), Length: o.Size, Body: &slowBody{Reader: o.Reader(), by: 40 * time.Second}}, nil
		})
		for range 2 { // the second on the same connection
			a, err := client.Open(t.Context(), "owner", &object.Ask{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := o.CheckReader(a.Body, 0, o.Size); err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			time.Sleep(10 * time.Second)
		}
		if n := client.dials.Get(); n != 1 {
			t.Errorf("%d connections, want one", n)
		}
	})
}

// slowBody takes its time for each read.
type slowBody struct {
	io.Reader
	by time.Duration
}

func (b *slowBody) Read(p []byte) (int, error) {
	time.Sleep(b.by)
	return b.Reader.Read(p)
}

func (b *slowBody) Close() error { return nil }

func TestTheAskersTimeIsTheHandlersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan time.Duration, 1)
		client, _ := startPiped(t, func(ctx context.Context, _ *object.Ask) (*object.Answer, error) {
			d, _ := ctx.Deadline()
			left <- time.Until(d)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		within(t, 1500*time.Millisecond, func() {
			_, err := client.Open(ctx, "owner", &object.Ask{})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		})
		if d := <-left; d != 1500*time.Millisecond {
			t.Errorf("the handler had %v", d)
		}
	})
}

func TestAnOwnerThatStopsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		client, _ := startFrozen(t, hangingHandler(closed))
		a := openScript(t, t.Context(), client)
		within(t, 3*time.Second, func() {
			if _, err := a.Body.Read(make([]byte, 1)); !errors.Is(err, object.ErrUnreachable) {
				t.Errorf("error %v", err)
			}
			<-closed
		})
		a.Body.Close()
	})
}

func TestCloseDoesNotWaitForASlowOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testObject(maxDataBytes + 10) // little is left, so Close would drain it
		client, _ := startPiped(t, func(ctx context.Context, _ *object.Ask) (*object.Answer, error) {
			return &object.Answer{Info: infoOf(o), Length: o.Size, Body: &script{
				closed: make(chan struct{}),
				steps:  []func([]byte) (int, error){gives(o, 0, maxDataBytes), hangs(ctx)},
			}}, nil
		})
		a := openScript(t, t.Context(), client)
		within(t, drainTime, func() { a.Body.Close() })
		if n := client.pool.size(); n != 0 {
			t.Errorf("%d connections kept", n)
		}
	})
}

func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, s := startPiped(t, holder(testObject(10)))
		if _, err := client.Open(t.Context(), "owner", &object.Ask{HeadOnly: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if client.pool.size() != 1 || s.size() != 1 {
			t.Errorf("after 59 s: %d and %d connections, want one", client.pool.size(), s.size())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if client.pool.size() != 0 || s.size() != 0 {
			t.Errorf("after 119 s: %d and %d connections, want none", client.pool.size(), s.size())
		}
	})
}

func TestAnIdleAskerIsClosedByTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, s := startPiped(t, holder(testObject(10)))
		if _, err := client.Open(t.Context(), "owner", &object.Ask{HeadOnly: true}); err != nil {
			t.Fatal(err)
		}
		idleTo(t, client) // taken, and never used
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if s.size() != 0 {
			t.Errorf("%d connections left", s.size())
		}
	})
}

func TestAConnectionThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		s := startServer(t, ServerOptions{Listener: p, Handler: holder(testObject(1))})
		conn, err := p.dial(t.Context(), "", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		within(t, 30*time.Second, func() {
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				t.Error("the server spoke first")
			}
		})
		synctest.Wait()
		if s.size() != 0 {
			t.Errorf("%d connections left", s.size())
		}
	})
}

func TestNobodyAtTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes() // nobody accepts
		c := NewClient(ClientOptions{Self: "asker", Identity: identity(t, "asker"), Dial: p.dial, Resolve: func(string) (string, bool) { return "", true }})
		defer c.Close()
		within(t, 250*time.Millisecond, func() {
			if _, err := c.Open(t.Context(), "owner", &object.Ask{}); !errors.Is(err, object.ErrUnreachable) {
				t.Errorf("error %v", err)
			}
		})
	})
}

func TestAcceptErrorsAreSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		flaky := &flakyListener{pipes: p}
		flaky.failures.Store(3)
		s := startServer(t, ServerOptions{Listener: flaky, Handler: holder(testObject(1))})
		within(t, 35*time.Millisecond, func() { // 5 + 10 + 20
			if _, err := p.dial(t.Context(), "", time.Second); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if s.size() != 1 {
			t.Errorf("%d connections", s.size())
		}
	})
}

// flakyListener fails at first.
type flakyListener struct {
	*pipes
	failures atomic.Int64
}

func (f *flakyListener) Accept() (net.Conn, error) {
	if f.failures.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return f.pipes.Accept()
}
