package origin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// cared is an origin of one or more scripted S3s that hold the same object.
type cared struct {
	*Origin
	t      *testing.T
	s3     []*s3test.Server
	object pattern.Object
	key    object.Key
	set    *metrics.Set
	clock  *clock
}

// clock is moved by the test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func careFor(t *testing.T, replicas int, care Care, change func(*Options)) *cared {
	t.Helper()
	c := &cared{
		t: t, set: metrics.NewSet(), clock: &clock{at: time.Now()},
		object: pattern.Object{Bucket: "b", Key: "k", Size: 300_000},
		key:    object.Key{Bucket: "route", Name: "k"},
	}
	var all []Options
	for i := range replicas {
		s := s3test.Start(t)
		s.Put(c.object, s3test.Meta{})
		o := Options{
			Name: "route", Bucket: "b", Endpoint: s.URL, PathStyle: true, Anonymous: true,
			Timeout: 500 * time.Millisecond, Metrics: c.set, Now: c.clock.now,
		}
		if i > 0 {
			o.Replica = string(rune('a' + i))
		}
		if change != nil {
			change(&o)
		}
		c.s3, all = append(c.s3, s), append(all, o)
	}
	var err error
	if c.Origin, err = Open(t.Context(), care, all...); err != nil {
		t.Fatal(err)
	}
	c.Show()
	t.Cleanup(c.Close)
	return c
}

// read gets the whole object and checks it.
func (c *cared) read(ctx context.Context) (*object.Info, error) {
	got, err := c.Get(ctx, object.Fetch{Key: c.key})
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	_, err = c.object.CheckReader(got.Body, 0, c.object.Size)
	return got.Info, err
}

func (c *cared) mustRead() *object.Info {
	c.t.Helper()
	info, err := c.read(within(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	return info
}

// asked checks how many requests came to each S3, probes left aside.
func (c *cared) asked(want ...int) {
	c.t.Helper()
	for i, s := range c.s3 {
		if got := s.Count("", "b", "k"); got != want[i] {
			c.t.Errorf("S3 %d got %d requests, want %d: %v", i, got, want[i], s.Requests())
		}
	}
}

func (c *cared) shows(lines ...string) {
	c.t.Helper()
	var page bytes.Buffer
	c.set.WritePrometheus(&page)
	for _, line := range lines {
		if !strings.Contains(page.String(), line+"\n") {
			c.t.Errorf("no line %q in\n%s", line, page.String())
		}
	}
}

// unsent checks that nothing was sent, and what the client is told.
func unsent(t *testing.T, err error, code string, retryAfter int) {
	t.Helper()
	refused := asOriginError(err)
	if refused == nil || !refused.Unsent || refused.Status != 503 || refused.Code != code || refused.RetryAfter != retryAfter {
		t.Errorf("got %#v from %v, want an unsent 503 %s with Retry-After %d", refused, err, code, retryAfter)
	}
}

func TestWhatOpensTheBreaker(t *testing.T) {
	end := func(how s3test.How) s3test.Step { return s3test.Step{End: &s3test.End{After: 1000, How: how}} }
	for name, c := range map[string]struct {
		step  s3test.Step
		opens bool
	}{
		"500":       {s3test.Step{Status: 500}, true},
		"503":       {s3test.Step{Status: 503, Code: "SlowDown"}, true},
		"no answer": {s3test.Step{Drop: true}, true},
		"cut":       {end(s3test.Cut), true},
		"reset":     {end(s3test.Reset), true},
		"stalled":   {end(s3test.Stall), true},
		"404":       {s3test.Step{Status: 404, Code: "NoSuchKey"}, false},
		"403":       {s3test.Step{Status: 403, Code: "AccessDenied"}, false},
		"redirect":  {s3test.Step{Status: 307}, false},
		"no length": {s3test.Step{NoLength: true}, false},
		"right":     {s3test.Step{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := careFor(t, 1, Care{Breaker: Breaker{FailureThreshold: 3}}, func(o *Options) { o.Timeout = 100 * time.Millisecond })
			o.s3[0].Everything(&c.step)
			for range 3 {
				_, _ = o.read(within(t))
			}
			before := o.s3[0].Count("", "", "")
			_, err := o.read(within(t))
			if opened := errors.Is(err, errOpen); opened != c.opens {
				t.Errorf("open: %t, want %t: %v", opened, c.opens, err)
			}
			if after := o.s3[0].Count("", "", ""); c.opens && after != before {
				t.Errorf("%d requests were sent through an open breaker", after-before)
			}
		})
	}
}

func TestACallerThatLeavesDoesNotOpenTheBreaker(t *testing.T) {
	o := careFor(t, 1, Care{Breaker: Breaker{FailureThreshold: 2}}, func(o *Options) { o.Timeout = 10 * time.Second })
	gate := o.s3[0].Hold("b", "k", 1000)
	for range 3 {
		ctx, leave := context.WithCancel(within(t))
		got, err := o.Get(ctx, object.Fetch{Key: o.key})
		if err != nil {
			t.Fatal(err)
		}
		<-gate.Reached()
		leave()
		if _, err := io.Copy(io.Discard, got.Body); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		got.Body.Close()
	}
	gate.Open()
	o.mustRead()
	o.asked(4)
}

// The breaker's life: closed, open, a trial that fails, trials that succeed.
func TestTheBreakerOpensAndCloses(t *testing.T) {
	o := careFor(t, 1, Care{}, nil)
	s := o.s3[0]
	s.Script("b", "k", s3test.Step{Status: 500}, s3test.Step{Status: 500}, s3test.Step{Status: 500}, s3test.Step{Status: 500})
	for range 4 {
		_, err := o.read(within(t))
		failed(t, err)
	}
	o.mustRead() // four in a row are not five
	fail := make([]s3test.Step, 6)
	for i := range fail {
		fail[i].Status = 503
	}
	s.Script("b", "k", fail...)
	for range 5 {
		_, err := o.read(within(t))
		failed(t, err)
	}
	o.asked(10)
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 2`)
	_, err := o.read(within(t))
	unsent(t, err, "ServiceUnavailable", 60)
	o.clock.pass(58500 * time.Millisecond)
	_, err = o.Head(within(t), o.key, "")
	unsent(t, err, "ServiceUnavailable", 2)
	o.asked(10)
	o.clock.pass(1500 * time.Millisecond)
	_, err = o.read(within(t)) // the sixth 503
	if refused := asOriginError(err); refused == nil || refused.Unsent {
		t.Errorf("no trial after the breaker's time: %v", err)
	}
	_, err = o.read(within(t))
	unsent(t, err, "ServiceUnavailable", 60)
	o.clock.pass(time.Minute)
	o.mustRead()
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 1`)
	o.mustRead()
	o.asked(13)
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 0`,
		`rookery_origin_breaker_opened_total{bucket="route",replica="primary"} 2`,
		`rookery_origin_breaker_refused_total{bucket="route",replica="primary"} 3`)
}

func TestTrialsAreFew(t *testing.T) {
	o := careFor(t, 1, Care{Breaker: Breaker{FailureThreshold: 1, HalfOpenRequests: 2}}, func(o *Options) { o.Timeout = 10 * time.Second })
	o.s3[0].Script("b", "k", s3test.Step{Status: 500})
	_, err := o.read(within(t))
	failed(t, err)
	o.clock.pass(time.Minute)
	gate := o.s3[0].Hold("b", "k", s3test.BeforeHeaders)
	ctx, leave := context.WithCancel(within(t))
	var trials sync.WaitGroup
	for range 2 {
		trials.Go(func() { _, _ = o.read(ctx) })
		<-gate.Reached()
	}
	_, err = o.read(within(t))
	unsent(t, err, "ServiceUnavailable", 1)
	leave() // both trials end without a verdict, and others take their places
	trials.Wait()
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 1`)
	gate.Open()
	o.mustRead()
	o.mustRead()
	o.asked(5)
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 0`)
}

// What was sent before the breaker opened tells nothing of the time after.
func TestAnOldAnswerIsNoTrial(t *testing.T) {
	o := careFor(t, 1, Care{Breaker: Breaker{FailureThreshold: 1, SuccessThreshold: 1}}, nil)
	var old []io.Closer
	for range 2 {
		got, err := o.Get(within(t), object.Fetch{Key: o.key})
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, got.Body)
	}
	o.s3[0].Script("b", "k", s3test.Step{Status: 500})
	_, err := o.read(within(t))
	failed(t, err)
	old[0].Close() // open: no success counts
	o.clock.pass(time.Minute)
	trial, err := o.Get(within(t), object.Fetch{Key: o.key})
	if err != nil {
		t.Fatal(err)
	}
	old[1].Close()
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 1`)
	trial.Body.Close()
	o.shows(`rookery_origin_breaker_state{bucket="route",replica="primary"} 0`)
}

func TestABodyHoldsItsPlace(t *testing.T) {
	o := careFor(t, 1, Care{MaxRequests: 2}, nil)
	var bodies []io.Closer
	for range 2 {
		got, err := o.Get(within(t), object.Fetch{Key: o.key})
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, got.Body)
	}
	third := make(chan error)
	go func() {
		_, err := o.read(within(t))
		third <- err
	}()
	limit := o.members[0].source.(*limit)
	for waiting := 0; waiting == 0; _, _, waiting = limit.load() {
	}
	o.asked(2)
	ctx, leave := context.WithCancel(within(t))
	leave()
	if _, err := o.Head(ctx, o.key, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("who left while waiting got %v", err)
	}
	bodies[0].Close()
	bodies[0].Close() // gives nothing back twice
	if err := <-third; err != nil {
		t.Error(err)
	}
	bodies[1].Close()
	if places, used, waiting := limit.load(); places != 2 || used != 0 || waiting != 0 {
		t.Errorf("%d of %d places are used and %d wait", used, places, waiting)
	}
	o.asked(3)
	o.shows(`rookery_origin_limit_waits_total{bucket="route",replica="primary",outcome="sent"} 1`)
}

func TestSlowDownHalvesThePlaces(t *testing.T) {
	slow := s3test.Step{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {"7"}}}
	o := careFor(t, 1, Care{MaxRequests: 8, Breaker: Breaker{FailureThreshold: 100}}, nil)
	limit := o.members[0].source.(*limit)
	for _, step := range []struct {
		pass time.Duration
		slow bool
		want int
	}{
		{0, false, 8},
		{0, true, 4},
		{time.Millisecond, true, 4}, // of the same moment
		{time.Second, true, 2},
		{time.Second, true, 1},
		{time.Second, true, 1}, // never none
		{calmAfter / 2, false, 5},
		{calmAfter / 2, false, 8},
		{calmAfter, true, 4},
	} {
		o.clock.pass(step.pass)
		if step.slow {
			o.s3[0].Script("b", "k", slow)
			_, err := o.read(within(t))
			if refused := asOriginError(err); refused == nil || refused.Code != "SlowDown" || refused.RetryAfter != 7 || refused.Unsent {
				t.Errorf("got %v", err)
			}
		} else {
			o.mustRead()
		}
		if places, _, _ := limit.load(); places != step.want {
			t.Errorf("%+v: %d places", step, places)
		}
	}
}
