package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// tally checks how many connections a client opened, used again and found dead.
func tally(t *testing.T, set *metrics.Set, dials, reused, retried int) {
	t.Helper()
	d, u, r := count(set, "rookery_peer_dials_total"), count(set, "rookery_peer_reused_connections_total"), count(set, "rookery_peer_retried_requests_total")
	if d != dials || u != reused || r != retried {
		t.Errorf("%d opened, %d used again, %d found dead; want %d, %d, %d", d, u, r, dials, reused, retried)
	}
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	o := testObject(300_000)
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{Metrics: set})
	buf := make([]byte, o.Size)
	for i, use := range []func(*object.Answer){
		func(a *object.Answer) { checkAnswer(t, a, o, 0, o.Size) },
		// All bytes, but not the EOF behind them.
		func(a *object.Answer) {
			if _, err := io.ReadFull(a.Body, buf); err != nil {
				t.Error(err)
			}
		},
		// Little enough is left to be read and thrown away.
		func(a *object.Answer) {
			if _, err := io.ReadFull(a.Body, buf[:o.Size-drainBytes+10]); err != nil {
				t.Error(err)
			}
			if err := o.Check(buf[:o.Size-drainBytes+10], 0); err != nil {
				t.Error(err)
			}
		},
		func(a *object.Answer) {
			if n, err := io.Copy(io.Discard, a.Body); n != o.Size || err != nil {
				t.Error(n, err)
			}
		},
	} {
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err != nil {
			t.Fatal(err)
		}
		use(a)
		a.Body.Close()
		tally(t, set, 1, i, 0)
	}
	// Too much is left: this one is closed, and the next ask opens another.
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if _, err = client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), HeadOnly: true}); err != nil {
		t.Fatal(err)
	}
	tally(t, set, 2, 4, 0)
}

func TestAConnectionIsFreeBeforeItsLastBytesAreRead(t *testing.T) {
	o := testObject(1000)
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{Metrics: set})
	first, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	second, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	tally(t, set, 1, 1, 0)
	checkAnswer(t, second, o, 0, o.Size)
	rest, err := io.ReadAll(first.Body)
	if err != nil || o.Check(rest, 1) != nil || len(rest) != 999 {
		t.Errorf("the first body's other %d bytes: %v, %v", len(rest), err, o.Check(rest, 1))
	}
	first.Body.Close()
}

func TestAConnectionThatDiedIdleIsReplacedSilently(t *testing.T) {
	o := testObject(1000)
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: holder(o)})
	addr := s.Addr().String()
	client := startClient(t, addr, ClientOptions{Metrics: set})
	ask := func() error {
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
		if err == nil {
			checkAnswer(t, a, o, 0, o.Size)
		}
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	again := startServer(t, ServerOptions{Listener: l, Handler: holder(o)})
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	tally(t, set, 2, 1, 1)
	// Only once: with nobody there the ask fails.
	again.Close()
	if err := ask(); !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("error %v", err)
	}
	tally(t, set, 3, 2, 2)
}

func TestIdleConnectionsAreFewAndYoung(t *testing.T) {
	o := testObject(10)
	var all sync.WaitGroup
	all.Add(5)
	s := startServer(t, ServerOptions{Handler: handlerFunc(func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
		all.Done()
		all.Wait() // five at once, so five connections
		return holder(o)(ctx, ask)
	})})
	now := time.Unix(1000, 0)
	client := startClient(t, s.Addr().String(), ClientOptions{MaxIdlePerNode: 3, IdleTimeout: time.Hour, Now: func() time.Time { return now }})
	var asks sync.WaitGroup
	for range 5 {
		asks.Go(func() {
			if _, err := client.Open(t.Context(), "owner", &object.Ask{HeadOnly: true}); err != nil {
				t.Error(err)
			}
		})
	}
	asks.Wait()
	if n := client.pool.size(); n != 3 {
		t.Errorf("%d connections kept, want 3", n)
	}
	client.pool.sweep(now.Add(time.Hour - 1))
	if n := client.pool.size(); n != 3 {
		t.Errorf("%d connections kept before they are old, want 3", n)
	}
	last := idleTo(t, client)
	client.pool.put(last, now.Add(time.Minute))
	client.pool.sweep(now.Add(time.Hour))
	if n := client.pool.size(); n != 1 || idleTo(t, client) != last {
		t.Errorf("%d connections kept, want the one that was used last", n)
	}
}

func TestTooManyConnectionsAreClosed(t *testing.T) {
	closed := make(chan struct{})
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: hangingHandler(closed), MaxConns: 1, Metrics: set})
	client := startClient(t, s.Addr().String(), ClientOptions{})
	a := openScript(t, t.Context(), client)
	if _, err := client.Open(t.Context(), "owner", &object.Ask{}); !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("error %v", err)
	}
	if n := count(set, "rookery_peer_connections_rejected_total"); n != 1 {
		t.Errorf("%d connections rejected, want 1", n)
	}
	a.Body.Close()
	<-closed
}
