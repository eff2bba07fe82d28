package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

func TestAnswersAreBounded(t *testing.T) {
	const most = 3
	o := testObject(1000)
	set := metrics.NewSet()
	begun, release := make(chan struct{}), make(chan struct{})
	s := startServer(t, ServerOptions{MaxAnswers: most, Metrics: set, Handler: handlerFunc(func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
		if ask.RequestID == "waits" {
			begun <- struct{}{}
			<-release
		}
		return holder(o)(ctx, ask)
	})})
	client := startClient(t, s.Addr().String(), ClientOptions{})
	var waiting sync.WaitGroup
	for range most {
		waiting.Go(func() {
			a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), RequestID: "waits"})
			if err != nil {
				t.Error(err)
				return
			}
			checkAnswer(t, a, o, 0, o.Size)
		})
		<-begun
	}
	for range 3 {
		if _, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)}); !errors.Is(err, object.ErrBusy) || errors.Is(err, object.ErrUnreachable) {
			t.Errorf("%v, want busy", err)
		}
	}
	if n := count(set, `rookery_limits_hit_total{limit="peer_answers"}`); n != 3 {
		t.Errorf("%d refusals counted, want 3", n)
	}
	close(release)
	waiting.Wait()
	a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, a, o, 0, o.Size)
	if n := s.answers.Load(); n > 1 { // the last one's frames may have come before its end
		t.Errorf("%d answers under way", n)
	}
}

// What a slow asker does not take is held in one small buffer by its owner, once
// large ones are too many, and in none by the asker.
func TestSlowReadersHoldSmallBuffers(t *testing.T) {
	for budget, each := range map[int64]int64{0: bufferBytes, 1: smallBufferBytes, bufferBytes: bufferBytes} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := testObject(1 << 20)
				p := newPipes()
				s := startServer(t, ServerOptions{Listener: p, Handler: holder(o), BufferBytes: budget})
				id := identity(t, "asker")
				id.latest().sessions = nil
				c := NewClient(ClientOptions{Self: "asker", Identity: id, Dial: p.dial, Resolve: func(string) (string, bool) { return "", true }})
				defer c.Close()
				a, err := c.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				gathered := int64(0)
				if each == bufferBytes {
					gathered = bufferBytes // of one send, under TLS
				}
				if got := s.buffers.used.Load(); got != each+gathered {
					t.Errorf("the owner holds %d bytes, want %d", got, each+gathered)
				}
				if got := c.buffers.used.Load(); got != 0 {
					t.Errorf("the asker holds %d bytes", got)
				}
				checkAnswer(t, a, o, 0, o.Size)
				synctest.Wait()
				if got := s.buffers.used.Load() + c.buffers.used.Load(); got != 0 {
					t.Errorf("%d bytes held afterwards", got)
				}
			})
		})
	}
}

// An owner that waits for S3 holds no buffer for who asked, and neither does the
// asker.
func TestWhoWaitsHoldsNoBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		o := testObject(100)
		client, s := startPiped(t, func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
			<-release
			return holder(o)(ctx, ask)
		})
		var asks sync.WaitGroup
		for range 10 {
			asks.Go(func() {
				a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
				if err != nil {
					t.Error(err)
					return
				}
				checkAnswer(t, a, o, 0, o.Size)
			})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := s.buffers.used.Load() + client.buffers.used.Load(); got != 0 {
			t.Errorf("%d bytes held", got)
		}
		close(release)
		asks.Wait()
	})
}
