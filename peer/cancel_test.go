package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

func TestAnAskerThatLeavesWakesTheHandler(t *testing.T) {
	waiting, woken := make(chan struct{}), make(chan error, 1)
	client, _ := startPair(t, func(ctx context.Context, _ *object.Ask) (*object.Answer, error) {
		close(waiting)
		<-ctx.Done()
		woken <- ctx.Err()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-waiting
		cancel()
	}()
	if _, err := client.Open(ctx, "owner", &object.Ask{}); !errors.Is(err, context.Canceled) || errors.Is(err, object.ErrUnreachable) {
		t.Errorf("the asker's own cancel is %v", err)
	}
	if err := <-woken; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler was woken with %v", err)
	}
}

// openScript asks for o, of which the owner has only the first frame; the rest
// of the body hangs until its context ends.
func openScript(t *testing.T, ctx context.Context, client *Client) *object.Answer {
	t.Helper()
	a, err := client.Open(ctx, "owner", &object.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(a.Body, make([]byte, maxDataBytes)); err != nil {
		t.Fatal(err)
	}
	return a
}

// hangingHandler gives one frame of a large body, then waits for its context.
func hangingHandler(closed chan struct{}) handlerFunc {
	o := testObject(10 << 20)
	return func(ctx context.Context, _ *object.Ask) (*object.Answer, error) {
		return &object.Answer{Info: infoOf(o), Length: o.Size, Body: &script{
			closed: closed,
			steps:  []func([]byte) (int, error){gives(o, 0, maxDataBytes), hangs(ctx)},
		}}, nil
	}
}

func TestCancelInTheMiddleOfABody(t *testing.T) {
	closed := make(chan struct{})
	client, _ := startPair(t, hangingHandler(closed))
	ctx, cancel := context.WithCancel(t.Context())
	a := openScript(t, ctx, client)
	go cancel()
	if _, err := a.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the cancel: %v", err)
	}
	<-closed
	a.Body.Close()
}

func TestClosingABodyEarlyWakesTheOwner(t *testing.T) {
	closed := make(chan struct{})
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: hangingHandler(closed)})
	client := startClient(t, s.Addr().String(), ClientOptions{Metrics: set})
	a := openScript(t, t.Context(), client)
	a.Body.Close()
	<-closed
	if _, err := a.Body.Read(make([]byte, 1)); !errors.Is(err, errBodyClosed) {
		t.Errorf("read of a closed body: %v", err)
	}
	a.Body.Close() // twice is no harm
	if n := client.pool.size(); n != 0 {
		t.Errorf("%d connections left after an answer was cut short", n)
	}
}

func TestAServerKilledInTheMiddleOfABody(t *testing.T) {
	for _, way := range []string{"Read", "WriteTo"} {
		t.Run(way, func(t *testing.T) {
			closed := make(chan struct{})
			client, s := startPair(t, hangingHandler(closed))
			a := openScript(t, t.Context(), client)
			go s.Close()
			var err error
			if way == "Read" {
				_, err = io.ReadFull(a.Body, make([]byte, maxDataBytes))
			} else {
				_, err = io.Copy(io.Discard, a.Body)
			}
			if !errors.Is(err, object.ErrUnreachable) {
				t.Errorf("the rest of the body: %v", err)
			}
			<-closed
			a.Body.Close()
		})
	}
}

func TestAClosedClientEndsItsAnswers(t *testing.T) {
	closed := make(chan struct{})
	client, _ := startPair(t, hangingHandler(closed))
	a := openScript(t, t.Context(), client)
	client.Close()
	if _, err := a.Body.Read(make([]byte, 1)); !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("read after the client's Close: %v", err)
	}
	<-closed
	a.Body.Close()
	if _, err := client.Open(t.Context(), "owner", &object.Ask{}); !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("ask after the client's Close: %v", err)
	}
}

func TestShutdownLetsAnswersFinish(t *testing.T) {
	o := testObject(2 * maxDataBytes)
	begun, goOn := make(chan struct{}), make(chan struct{})
	client, s := startPair(t, func(context.Context, *object.Ask) (*object.Answer, error) {
		return &object.Answer{Info: infoOf(o), Length: o.Size, Body: &script{
			closed: make(chan struct{}),
			steps: []func([]byte) (int, error){gives(o, 0, maxDataBytes), func(p []byte) (int, error) {
				close(begun)
				<-goOn
				return gives(o, maxDataBytes, o.Size)(p)
			}},
		}}, nil
	})
	a, err := client.Open(t.Context(), "owner", &object.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	down := make(chan error)
	go func() { down <- s.Shutdown(t.Context()) }()
	<-s.draining
	close(goOn)
	checkAnswer(t, a, o, 0, o.Size)
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := client.Open(t.Context(), "owner", &object.Ask{}); !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("ask after the shutdown: %v", err)
	}
}

func TestShutdownCutsShortWhatTakesTooLong(t *testing.T) {
	closed := make(chan struct{})
	client, s := startPair(t, hangingHandler(closed))
	a := openScript(t, t.Context(), client)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	<-closed
	a.Body.Close()
}

// An owner reads on while it makes an answer, or it would not notice that the
// asker is gone; so who sends more asks than one ahead is cut off.
func TestAsksOutOfTurnEndTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		canceled := make(chan struct{})
		s := startServer(t, ServerOptions{Listener: newPipes(), Handler: handlerFunc(func(ctx context.Context, _ *object.Ask) (*object.Answer, error) {
			<-ctx.Done()
			close(canceled)
			return nil, ctx.Err()
		})})
		near, far := net.Pipe()
		defer near.Close()
		session := newSession(s, far)
		session.wire.Conn, session.peer = far, "asker"
		var served sync.WaitGroup
		served.Go(session.serve)
		served.Go(func() { _, _ = io.Copy(io.Discard, near) })
		ask, err := appendAsk(beginFrame(nil, frameAsk), &object.Ask{HeadOnly: true}, 0)
		if err != nil {
			t.Fatal(err)
		}
		endFrame(ask, 0)
		for range 3 {
			if _, err := near.Write(ask); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		<-canceled
		served.Wait()
	})
}
