package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

func slowDown(retryAfter int) error {
	return &object.OriginError{Status: 503, Code: "SlowDown", RetryAfter: retryAfter}
}

func TestWaitsBetweenAttempts(t *testing.T) {
	cases := map[string]struct {
		policy Retry
		errs   []error
		waits  []time.Duration // -1 where there is no further attempt
	}{
		"doubles, up to the attempts": {
			Retry{MaxAttempts: 4, InitialBackoff: 100 * time.Millisecond, MaxBackoff: 150 * time.Millisecond},
			[]error{slowDown(0), errors.New("reset"), slowDown(0), slowDown(0)},
			[]time.Duration{100 * time.Millisecond, 150 * time.Millisecond, 150 * time.Millisecond, -1},
		},
		"the defaults": {Retry{}, []error{slowDown(0), slowDown(0), slowDown(0)}, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, -1}},
		"no retry":     {Retry{MaxAttempts: 1}, []error{slowDown(0)}, []time.Duration{-1}},
		"as S3 asks":   {Retry{}, []error{slowDown(2)}, []time.Duration{2100 * time.Millisecond}},
		"S3 asks for long": {
			Retry{}, []error{slowDown(3), slowDown(4)}, []time.Duration{3100 * time.Millisecond, -1},
		},
		"never sent": {Retry{}, []error{&object.OriginError{Status: 503, Unsent: true}}, []time.Duration{-1}},
		"final":      {Retry{}, []error{&object.OriginError{Status: 404}}, []time.Duration{-1}},
		"gone":       {Retry{}, []error{object.ErrGone}, []time.Duration{-1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRetries(c.policy, "b", time.Now, metrics.NewSet())
				r.jitter = func(ceiling time.Duration) time.Duration { return ceiling }
				for i, err := range c.errs {
					start := time.Now()
					got := r.again(t.Context(), i+1, err)
					switch took := time.Since(start); {
					case c.waits[i] < 0 && (!errors.Is(got, err) || took != 0):
						t.Errorf("failure %d: %v after %v, want the error at once", i+1, got, took)
					case c.waits[i] >= 0 && (got != nil || took != c.waits[i]):
						t.Errorf("failure %d: %v after %v, want another attempt after %v", i+1, got, took, c.waits[i])
					}
				}
			})
		})
	}
}

func TestJitterIsFull(t *testing.T) {
	var low, high bool
	for range 1000 {
		d := fullJitter(time.Second)
		if d < 0 || d >= time.Second {
			t.Fatal(d)
		}
		low, high = low || d < 100*time.Millisecond, high || d > 900*time.Millisecond
	}
	if !low || !high {
		t.Error("the waits are not spread over the whole of it")
	}
}

func TestAWaitForS3EndsWithTheNode(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRetries(Retry{InitialBackoff: time.Hour, MaxBackoff: time.Hour}, "b", time.Now, metrics.NewSet())
	if err := r.again(ctx, 1, slowDown(0)); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}

// Retries are a fifth of the first attempts, and ten for those who ask little.
func TestRetriesHaveABudget(t *testing.T) {
	now := time.Unix(1_000, 0)
	set := metrics.NewSet()
	r := newRetries(Retry{InitialBackoff: 1, MaxBackoff: 1}, "b", func() time.Time { return now }, set)
	storm := func(requests int) (retried int) {
		for range requests {
			r.budget.asked()
			if r.again(t.Context(), 1, slowDown(0)) == nil {
				r.budget.asked()
				retried++
			}
		}
		return retried
	}
	for _, step := range []struct {
		pass              time.Duration
		requests, retried int
	}{
		{0, 10, 10},                        // the floor
		{0, 990, 200},                      // 10 + a fifth of 1000 in all
		{retryPeriod - 1, 100, 20},         // the same period
		{1, 100, 20},                       // the last one still counts
		{retryPeriod, 100, 30},             // 10 + a fifth of 200, less 20
		{2 * retryPeriod, 1, 1},            // nothing counts any more
		{2*retryPeriod + 1, 10_000, 2_010}, // however many
	} {
		now = now.Add(step.pass)
		if got := storm(step.requests); got != step.retried {
			t.Errorf("after %v more: %d retries of %d requests, want %d", step.pass, got, step.requests, step.retried)
		}
	}
	var page strings.Builder
	set.WritePrometheus(&page)
	for _, line := range []string{
		`rookery_origin_retries_total{bucket="b",outcome="again"} 2291`,
		`rookery_origin_retries_total{bucket="b",outcome="budget_spent"} 9010`,
		`rookery_origin_retries_total{bucket="b",outcome="attempts_spent"} 0`,
		`rookery_origin_retries_total{bucket="b",outcome="told_to_wait"} 0`,
	} {
		if !strings.Contains(page.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, page.String())
		}
	}
}
