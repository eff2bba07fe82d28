package origin

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// fakeSource is an S3 without sockets, for what is about time alone.
type fakeSource struct {
	mu    sync.Mutex
	asked int
	takes func(n int) time.Duration // to the headers of the nth request
}

func (f *fakeSource) wait(ctx context.Context) error {
	f.mu.Lock()
	f.asked++
	var takes time.Duration
	if f.takes != nil {
		takes = f.takes(f.asked)
	}
	f.mu.Unlock()
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeSource) Head(ctx context.Context, _ object.Key, _ string) (*object.Info, error) {
	return &object.Info{}, f.wait(ctx)
}

func (f *fakeSource) Get(ctx context.Context, _ object.Fetch) (*object.Fetched, error) {
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return &object.Fetched{Body: io.NopCloser(strings.NewReader("body"))}, nil
}

func (f *fakeSource) Query(ctx context.Context, _ object.Query) (*object.Document, error) {
	return &object.Document{Text: []byte("document")}, f.wait(ctx)
}

func testLabels() labels {
	return newLabels(Options{Name: "route", Replica: primary, Metrics: metrics.NewSet()})
}

func TestWaitsForAPlaceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{}
		l := newLimit(s, 1, time.Now, newLimitCounters(testLabels()))
		held, err := l.Get(t.Context(), object.Fetch{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var waiters sync.WaitGroup
		for range waitersPerPlace {
			waiters.Go(func() {
				_, err := l.Head(t.Context(), object.Key{}, "")
				unsent(t, err, "SlowDown", 1)
				if waited := time.Since(start); waited != maxWait {
					t.Errorf("waited for %v", waited)
				}
			})
		}
		synctest.Wait()
		_, err = l.Head(t.Context(), object.Key{}, "")
		unsent(t, err, "SlowDown", 1)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("one too many waited for %v", waited)
		}
		waiters.Wait()
		held.Body.Close()
		if _, err := l.Head(t.Context(), object.Key{}, ""); err != nil || s.asked != 2 {
			t.Errorf("%v after %d requests", err, s.asked)
		}
		if n := l.count.rejected.Get(); n != waitersPerPlace+1 {
			t.Errorf("%d rejections counted", n)
		}
	})
}

func TestRequestsAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{takes: func(int) time.Duration { return time.Second }}
		l := newLimit(s, 3, time.Now, newLimitCounters(testLabels()))
		start := time.Now()
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if _, err := l.Head(t.Context(), object.Key{}, ""); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("30 requests of a second, three at once, took %v", took)
		}
	})
}

// Places that open again after a SlowDown go to those who wait, not to who has
// just come.
func TestNobodyOvertakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(&fakeSource{}, 8, time.Now, newLimitCounters(testLabels()))
		l.heed(&object.OriginError{Status: 503})
		for range 4 {
			if err := l.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var turns []int
		var all sync.WaitGroup
		come := func(n int) {
			all.Go(func() {
				if err := l.enter(t.Context()); err != nil {
					t.Error(err)
				}
				turns = append(turns, n)
			})
			synctest.Wait()
		}
		come(1)
		time.Sleep(4 * time.Second) // of the bubble: a fifth place has opened
		come(2)
		if len(turns) != 1 || turns[0] != 1 {
			t.Errorf("%v have a place, want the first", turns)
		}
		l.leave()
		all.Wait()
	})
}

func TestRequestsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{}
		p := newPace(s, 10, newLimitCounters(testLabels()))
		start := time.Now()
		for range 30 {
			got, err := p.Get(t.Context(), object.Fetch{})
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("30 requests, ten of them at once, took %v", took)
		}
		var all sync.WaitGroup
		for range 100 { // all that may wait
			all.Go(func() {
				if _, err := p.Head(t.Context(), object.Key{}, ""); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := p.Head(t.Context(), object.Key{}, "")
		unsent(t, err, "SlowDown", 10)
		all.Wait()
		if s.asked != 130 {
			t.Errorf("%d requests were sent", s.asked)
		}
	})
}
