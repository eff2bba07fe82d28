package turns

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// crowded are turns where as many goroutines wait for a processor as the test says.
func crowded(most int) (*Turns, *atomic.Int64) {
	var now atomic.Int64
	turns := New(metrics.NewSet())
	turns.runnable, turns.most = func() int { return int(now.Load()) }, most
	return turns, &now
}

func TestNobodyWaitsWhereProcessorsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, now := crowded(4)
		now.Store(3)
		began := time.Now()
		for range 100 {
			turns.Wait(t.Context())
		}
		(*Turns)(nil).Wait(t.Context())
		if waited := time.Since(began); waited != 0 {
			t.Fatalf("they waited for %s", waited)
		}
	})
}

func TestTurnsAreTakenInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, now := crowded(4)
		now.Store(4)
		const clients = 10
		order := make(chan int, clients)
		for n := range clients {
			go func() {
				turns.Wait(t.Context())
				order <- n
			}()
			synctest.Wait() // it waits before the next comes
		}
		time.Sleep(every)
		if synctest.Wait(); len(order) != 0 {
			t.Fatalf("%d had their turns where no processor was free", len(order))
		}
		now.Store(3) // room for one at each look
		for want := range clients - 3 {
			time.Sleep(every)
			if synctest.Wait(); len(order) != 1 {
				t.Fatalf("%d had their turns at one look, want 1", len(order))
			}
			if got := <-order; got != want {
				t.Fatalf("client %d had its turn where %d had it coming", got, want)
			}
		}
		now.Store(0) // room for four
		turns.Wait(t.Context())
		if synctest.Wait(); len(order) != 3 {
			t.Fatalf("%d of 3 had their turns when who came last had", len(order))
		}
	})
}

func TestTurnsComeHoweverCrowdedItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, now := crowded(4)
		now.Store(1_000_000)
		began := time.Now()
		for range 3 {
			turns.Wait(t.Context())
		}
		if waited, want := time.Since(began), 3*anyway*every; waited != want {
			t.Fatalf("three took %s, want %s", waited, want)
		}
	})
}

func TestWhoLeavesKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, now := crowded(4)
		now.Store(4)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			turns.Wait(ctx)
			close(gone)
		}()
		synctest.Wait()
		leave()
		<-gone
		now.Store(3) // room for one at each look
		began := time.Now()
		turns.Wait(t.Context())
		if waited := time.Since(began); waited > 2*every {
			t.Fatalf("it waited for %s behind one that had left", waited)
		}
	})
}

// What is counted is what is meant: goroutines that could run, and those alone.
func TestGoroutinesThatWaitForAProcessorAreCounted(t *testing.T) {
	var stop atomic.Bool
	var running sync.WaitGroup
	defer running.Wait()
	defer stop.Store(true)
	crowd := 20 * runtime.GOMAXPROCS(0)
	for range crowd {
		running.Go(func() {
			for !stop.Load() {
				runtime.Gosched()
			}
		})
	}
	for range 1000 {
		if runtime.Gosched(); runnable() > crowd/2 {
			return
		}
	}
	t.Fatalf("%d goroutines wait for %d processors, and %d are counted", crowd, runtime.GOMAXPROCS(0), runnable())
}

func BenchmarkWait(b *testing.B) {
	turns := New(metrics.NewSet())
	for b.Loop() {
		turns.Wait(b.Context())
	}
}
