package origin

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/internal/s3test"
	"rookery/object"
)

func testHedge(s source, p Hedge, places *limit) *hedge {
	return newHedge(s, p, places, newHedgeCounters(newLabels(Options{Name: "route", Replica: primary, Metrics: metrics.NewSet()})))
}

// The first twenty-odd take 10 ms and 5 ms, so that a request is late after 10 ms;
// the one that would take a second is asked twice and answered after 15 ms.
func TestALateRequestIsHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{takes: func(n int) time.Duration {
			switch {
			case n <= hedgeMinSamples:
				return 10 * time.Millisecond
			case n == hedgeMinSamples+5:
				return time.Second
			}
			return 5 * time.Millisecond
		}}
		h := testHedge(s, Hedge{Quantile: 0.8, MaxExtra: 0.2}, nil)
		for range hedgeMinSamples + 4 {
			if _, err := h.Head(t.Context(), object.Key{}, ""); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		got, err := h.Get(t.Context(), object.Fetch{})
		if took := time.Since(start); err != nil || took != 15*time.Millisecond {
			t.Fatalf("%v after %v", err, took)
		}
		if text, err := io.ReadAll(got.Body); err != nil || string(text) != "body" {
			t.Errorf("%q, %v", text, err)
		}
		got.Body.Close()
		h.losers.Wait()
		if took := time.Since(start); took != 15*time.Millisecond {
			t.Errorf("the loser went on for %v", took)
		}
		if s.asked != hedgeMinSamples+6 || h.count.won.Get() != 1 || h.count.lost.Get() != 0 {
			t.Errorf("%d requests, %d hedges won, %d lost", s.asked, h.count.won.Get(), h.count.lost.Get())
		}
	})
}

// However late they are, second requests are a share of all at most.
func TestHedgesHaveACap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{takes: func(n int) time.Duration { return time.Duration(n) * time.Millisecond }} // each later than all before
		h := testHedge(s, Hedge{Quantile: 0.5}, nil)
		for range 1000 {
			if _, err := h.Head(t.Context(), object.Key{}, ""); err != nil {
				t.Fatal(err)
			}
		}
		h.losers.Wait()
		if extra := s.asked - 1000; extra < 40 || extra > 50 {
			t.Errorf("%d second requests of 1000, want at most 50", extra)
		}
		if h.count.withheld.Get() == 0 {
			t.Error("none was withheld")
		}
	})
}

func TestAHedgeNeedsAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{takes: func(n int) time.Duration { return time.Duration(n) * time.Millisecond }}
		places := newLimit(nil, 1, time.Now, newLimitCounters(testLabels()))
		h := testHedge(s, Hedge{Quantile: 0.5, MaxExtra: 1}, places)
		places.source = h
		for range 100 {
			if _, err := places.Head(t.Context(), object.Key{}, ""); err != nil {
				t.Fatal(err)
			}
		}
		if s.asked != 100 {
			t.Errorf("%d requests with one place", s.asked)
		}
		places.max, places.slowed = 2, 2
		for range 10 {
			if _, err := places.Head(t.Context(), object.Key{}, ""); err != nil {
				t.Fatal(err)
			}
		}
		h.losers.Wait()
		if _, used, _ := places.load(); s.asked != 120 || used != 0 {
			t.Errorf("%d requests with two places, %d still held", s.asked, used)
		}
	})
}

// Over sockets: the first GET is held before its headers, the second gives the
// body, and the loser is cancelled at S3.
func TestTheLoserOfARaceIsCancelled(t *testing.T) {
	o := careFor(t, 1, Care{MaxRequests: 8, Hedge: Hedge{Quantile: 0.9, MaxExtra: 1}}, func(o *Options) { o.Timeout = 10 * time.Second })
	for range hedgeMinSamples {
		o.mustRead()
	}
	gate := o.s3[0].Hold("b", "k", s3test.BeforeHeaders)
	done := make(chan error)
	go func() {
		_, err := o.read(within(t))
		done <- err
	}()
	<-gate.Reached()
	<-gate.Reached() // the second has come too
	o.asked(hedgeMinSamples + 2)
	gate.Open()
	if err := <-done; err != nil {
		t.Error(err)
	}
	o.members[0].hedge.losers.Wait()
	if _, used, _ := o.members[0].source.(*limit).load(); used != 0 {
		t.Errorf("%d places are still held", used)
	}
}
