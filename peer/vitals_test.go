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

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// startStopped is startPiped with an owner that can be stopped: connections come
// about all the same, as they do with SIGSTOP, and nobody reads them.
func startStopped(t *testing.T) (c *Client, stopped *atomic.Bool) {
	c, _ = startPiped(t, holder(testObject(100)))
	stopped = new(atomic.Bool)
	dial := c.opts.Dial
	c.opts.Dial = func(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error) {
		if stopped.Load() {
			near, _ := net.Pipe()
			return near, nil
		}
		return dial(ctx, addr, timeout)
	}
	stopped.Store(true)
	return c, stopped
}

func headOf(t *testing.T, c *Client) error {
	a, err := c.Open(t.Context(), "owner", &object.Ask{HeadOnly: true})
	if err == nil && a.Body != nil {
		t.Error("an info has a body")
	}
	return err
}

func wantUnreachable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, object.ErrUnreachable) {
		t.Errorf("%v, want unreachable", err)
	}
}

func TestAHungNodeCostsOneAskASecondItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, stopped := startStopped(t)
		within(t, 3*time.Second, func() { wantUnreachable(t, headOf(t, client)) })
		within(t, 0, func() {
			for range 10 {
				wantUnreachable(t, headOf(t, client))
			}
		})

		time.Sleep(time.Second)
		var probe sync.WaitGroup
		probe.Go(func() {
			within(t, 3*time.Second, func() { wantUnreachable(t, headOf(t, client)) })
		})
		synctest.Wait()
		within(t, 0, func() { wantUnreachable(t, headOf(t, client)) })
		probe.Wait()

		stopped.Store(false)
		within(t, 0, func() { wantUnreachable(t, headOf(t, client)) })
		time.Sleep(time.Second)
		within(t, 0, func() {
			for range 10 {
				if err := headOf(t, client); err != nil {
					t.Error(err)
				}
			}
		})
		if found, skipped := client.vitals.found.Get(), client.vitals.skipped.Get(); found != 1 || skipped != 12 {
			t.Errorf("%d silences, %d asks skipped, want 1 and 12", found, skipped)
		}
	})
}

// A probe whose asker goes away has found out nothing: the next ask does.
func TestAProbeThatIsCanceledLeavesRoomForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, stopped := startStopped(t)
		wantUnreachable(t, headOf(t, client))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Open(ctx, "owner", &object.Ask{HeadOnly: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		stopped.Store(false)
		if err := headOf(t, client); err != nil {
			t.Error(err)
		}
	})
}

func TestANodeThatRefusesConnectionsIsRemembered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	set := metrics.NewSet()
	var shift atomic.Int64
	client := startClient(t, addr, ClientOptions{Metrics: set, Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }})
	wantUnreachable(t, headOf(t, client))
	shift.Store(-int64(time.Hour)) // or the second would pass while a busy machine asks
	for range 10 {
		wantUnreachable(t, headOf(t, client))
	}
	if n := count(set, "rookery_peer_dials_total"); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Skip("the port was taken meanwhile: ", err)
	}
	startServer(t, ServerOptions{Listener: l, Handler: holder(testObject(100))})
	shift.Store(int64(silenceMemory))
	if err := headOf(t, client); err != nil {
		t.Error(err)
	}
}

// The kernel of a stopped process goes on accepting; nothing answers.
func TestAStoppedProcessIsRemembered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	set := metrics.NewSet()
	var shift atomic.Int64
	client := startClient(t, l.Addr().String(), ClientOptions{
		Metrics: set, FirstByte: 50 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) },
	})
	wantUnreachable(t, headOf(t, client))
	shift.Add(-int64(time.Hour)) // or the second would pass while a busy machine asks
	for range 10 {
		wantUnreachable(t, headOf(t, client))
	}
	if n := count(set, "rookery_peer_dials_total"); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
	shift.Add(int64(time.Hour + silenceMemory))
	wantUnreachable(t, headOf(t, client))
	if n := count(set, "rookery_peer_dials_total"); n != 2 {
		t.Errorf("%d dials after a second, want 2", n)
	}
}

func TestANodeThatIsGoneIsKnownAfterTheConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := NewClient(ClientOptions{
			Self: "asker", Identity: identity(t, "asker"), Resolve: func(string) (string, bool) { return "", true },
			Dial: func(_ context.Context, _ string, timeout time.Duration) (net.Conn, error) {
				time.Sleep(timeout)
				return nil, os.ErrDeadlineExceeded
			},
		})
		defer client.Close()
		var asks sync.WaitGroup
		for range 100 { // eight dial, the others wait for them, and none longer
			asks.Go(func() {
				within(t, 250*time.Millisecond, func() { wantUnreachable(t, headOf(t, client)) })
			})
		}
		asks.Wait()
	})
}

// While an answer is being made the owner gives signs of life, so a connection
// that does not come about is the fault of how busy both are.
func TestADialThatTimesOutAtALivingNodeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		o := testObject(100)
		client, _ := startPiped(t, func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
			if ask.RequestID == "first" {
				<-busy
			}
			return holder(o)(ctx, ask)
		})
		var first sync.WaitGroup
		first.Go(func() {
			if _, err := client.Open(t.Context(), "owner", &object.Ask{HeadOnly: true, RequestID: "first"}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		dial, left := client.opts.Dial, 3
		client.opts.Dial = func(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error) {
			if left--; left >= 0 {
				time.Sleep(timeout)
				return nil, os.ErrDeadlineExceeded
			}
			return dial(ctx, addr, timeout)
		}
		within(t, 750*time.Millisecond, func() {
			if err := headOf(t, client); err != nil {
				t.Error(err)
			}
		})
		close(busy)
		first.Wait()
	})
}

// One connection is silent for 12 s while another shows that the node lives.
func TestASilentConnectionToALivingNodeIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testObject(100)
		client, _ := startFrozen(t, func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
			switch ask.RequestID {
			case "slow":
				time.Sleep(12 * time.Second)
			case "never":
				<-ctx.Done()
			}
			return holder(o)(ctx, ask)
		})
		var slow sync.WaitGroup
		slow.Go(func() {
			a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), RequestID: "slow"})
			if err != nil {
				t.Error(err)
				return
			}
			checkAnswer(t, a, o, 0, o.Size)
		})
		for range 13 {
			time.Sleep(time.Second)
			if err := headOf(t, client); err != nil {
				t.Error(err)
			}
		}
		slow.Wait()
		// It is not waited for without end.
		slow.Go(func() {
			within(t, 15*time.Second, func() {
				_, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), RequestID: "never"})
				wantUnreachable(t, err)
			})
		})
		for range 16 {
			time.Sleep(time.Second)
			_ = headOf(t, client)
		}
		slow.Wait()
	})
}

// A connection that has been silent for longer than the node says nothing of the
// node: nobody else has asked it meanwhile.
func TestASilentConnectionDoesNotMakeANodeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := startFrozen(t, func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
			if ask.RequestID == "never" {
				<-ctx.Done()
			}
			return holder(testObject(100))(ctx, ask)
		})
		var never sync.WaitGroup
		never.Go(func() {
			within(t, 6*time.Second, func() {
				_, err := client.Open(t.Context(), "owner", &object.Ask{RequestID: "never"})
				wantUnreachable(t, err)
			})
		})
		time.Sleep(time.Second)
		if err := headOf(t, client); err != nil {
			t.Error(err)
		}
		never.Wait()
		within(t, 0, func() {
			if err := headOf(t, client); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestACrowdMakesFewConnectionsAtOnce(t *testing.T) {
	o := testObject(100)
	release := make(chan struct{})
	s := startServer(t, ServerOptions{Handler: handlerFunc(func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
		<-release
		return holder(o)(ctx, ask)
	})})
	var now, most, dials atomic.Int64
	client := startClient(t, s.Addr().String(), ClientOptions{Dial: func(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error) {
		dials.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		conn, err := dialTCP(ctx, addr, timeout)
		now.Add(-1)
		return conn, err
	}})
	const crowd = 200
	var asks sync.WaitGroup
	for i := range crowd {
		asks.Go(func() {
			if i == crowd/2 {
				close(release) // with half of them under way, the others may get their connections
			}
			a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
			if err != nil {
				t.Error(err)
				return
			}
			checkAnswer(t, a, o, 0, o.Size)
		})
	}
	asks.Wait()
	if most.Load() > maxDials || dials.Load() > crowd {
		t.Errorf("%d connections made, %d at once, want %d at most", dials.Load(), most.Load(), maxDials)
	}
	if n := len(client.pool.queues["owner"].waiting); n != 0 || client.pool.queues["owner"].dialing != 0 {
		t.Errorf("%d wait, %d dial", n, client.pool.queues["owner"].dialing)
	}
}

// Who gives up passes on what it was given.
func TestAWaiterThatGivesUpPassesItsTurnOn(t *testing.T) {
	p := newPool(1, time.Minute, func(*conn) bool { return true })
	for range maxDials {
		if c, err := p.get(t.Context(), "n", false); c != nil || err != nil {
			t.Fatal(c, err)
		}
	}
	near, far := net.Pipe()
	defer far.Close()
	c := &conn{wire: wire{Conn: near, raw: near}, node: "n"}
	p.add(c)
	gone, turns := make(chan turn, 1), make(chan turn, 1)
	q := p.queues["n"]
	q.waiting = []chan turn{gone, turns}
	p.put(c, time.Now())
	p.giveUp("n", gone)
	if got := <-turns; got.conn != c {
		t.Error("the connection is lost")
	}
	q.waiting = []chan turn{gone, turns}
	p.dialed("n")
	p.giveUp("n", gone)
	if got := <-turns; got != (turn{}) || q.dialing != maxDials {
		t.Errorf("the right to dial is lost: %d dial", q.dialing)
	}
	q.waiting = []chan turn{gone}
	p.giveUp("n", gone)
	if len(q.waiting) != 0 {
		t.Error("still waits")
	}
	p.close()
	if _, err := io.ReadAll(far); err != nil {
		t.Error(err)
	}
}
