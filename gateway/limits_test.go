package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rookery/auth"
	"rookery/gateway"
	"rookery/limit"
	"rookery/object"
)

// limitHits returns what has been counted for one limit.
func (f *front) limitHits(name string) uint64 {
	return f.set.GetOrCreateCounter(fmt.Sprintf("rookery_limits_hit_total{limit=%q}", name)).Get()
}

// Each limit refuses exactly what is beyond it, before the node is asked, with the
// answer by which SDKs know what to do; probes are never limited.
func TestRateLimits(t *testing.T) {
	two := limit.Rate{Requests: 1, Burst: 2}
	for name, set := range map[string]func(*gateway.Policy){
		"total_requests":          func(p *gateway.Policy) { p.Rates.Total = two },
		"address_requests":        func(p *gateway.Policy) { p.Rates.PerAddress = two },
		"subject_requests":        func(p *gateway.Policy) { p.Rates.PerSubject = two },
		"bucket_total_requests":   func(p *gateway.Policy) { p.Routes[0].Rates.Total = two },
		"bucket_address_requests": func(p *gateway.Policy) { p.Routes[0].Rates.PerAddress = two },
		"bucket_subject_requests": func(p *gateway.Policy) { p.Routes[0].Rates.PerSubject = two },
		"total_bytes":             func(p *gateway.Policy) { p.Rates.Total.Bytes = 750 },
		"address_bytes":           func(p *gateway.Policy) { p.Rates.PerAddress.Bytes = 750 },
		"subject_bytes":           func(p *gateway.Policy) { p.Rates.PerSubject.Bytes = 750 },
		"bucket_total_bytes":      func(p *gateway.Policy) { p.Routes[0].Rates.Total.Bytes = 750 },
		"bucket_address_bytes":    func(p *gateway.Policy) { p.Routes[0].Rates.PerAddress.Bytes = 750 },
		"bucket_subject_bytes":    func(p *gateway.Policy) { p.Routes[0].Rates.PerSubject.Bytes = 750 },
	} {
		t.Run(name, func(t *testing.T) {
			now := clock
			f := newFront(t, func(o *gateway.Options) {
				o.Policy.Routes[0].Guard = auth.NewGuard(true, []auth.Scheme{named{}}, nil)
				o.Now = func() time.Time { return now }
				set(&o.Policy)
			})
			f.node.hold(key("o"), "v", 500)
			ask := func() reply { return f.do("GET", "/public/o", "X-Name", "ann") }
			for range 2 {
				if got := ask(); got.status != 200 {
					t.Fatalf("%d: %s", got.status, got.body)
				}
			}
			got := ask()
			if got.status != 429 || got.header.Get("Retry-After") != "1" || !strings.Contains(string(got.body), "<Code>SlowDown</Code>") {
				t.Errorf("%d %v: %s", got.status, got.header, got.body)
			}
			if head := f.do("HEAD", "/public/o", "X-Name", "ann"); head.status != 429 || len(head.body) != 0 {
				t.Errorf("HEAD: %d %s", head.status, head.body)
			}
			if n := len(f.node.asked()); n != 2 {
				t.Errorf("the node was asked %d times, want 2", n)
			}
			if n := f.limitHits(name); n != 2 {
				t.Errorf("%d refusals counted, want 2", n)
			}
			for _, probe := range []string{"/health", "/ready"} {
				if got := f.do("GET", probe); got.status != 200 {
					t.Errorf("%s: %d", probe, got.status)
				}
			}
			now = now.Add(time.Second)
			if got := ask(); got.status != 200 {
				t.Errorf("a second later: %d %s", got.status, got.body)
			}
		})
	}
}

// Somebody else's limit is not mine: another subject, or nobody.
func TestSubjectsAreLimitedApart(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes[0].Guard = auth.NewGuard(true, []auth.Scheme{named{}}, nil)
		o.Policy.Rates.PerSubject = limit.Rate{Requests: 1}
	})
	f.node.hold(key("o"), "v", 10)
	for _, c := range []struct {
		name string
		want int
	}{{"ann", 200}, {"ann", 429}, {"bob", 200}, {"", 200}, {"", 200}, {"mallory", 403}, {"ann", 429}} {
		var header []string
		if c.name != "" {
			header = []string{"X-Name", c.name}
		}
		if got := f.do("GET", "/public/o", header...); got.status != c.want {
			t.Errorf("%q: %d, want %d", c.name, got.status, c.want)
		}
	}
}

// A policy that leaves the rates as they are gives nobody a new allowance; one that
// changes them counts from its beginning.
func TestALimitOutlivesAReload(t *testing.T) {
	var policy gateway.Policy
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Rates.Total = limit.Rate{Requests: 1}
		policy = o.Policy
	})
	f.node.hold(key("o"), "v", 10)
	for i, want := range []int{200, 429, 429, 200} {
		if i == 2 {
			if err := f.core.SetPolicy(policy); err != nil {
				t.Fatal(err)
			}
		}
		if i == 3 {
			policy.Rates.Total.Requests = 2
			if err := f.core.SetPolicy(policy); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.do("GET", "/public/o"); got.status != want {
			t.Errorf("request %d: %d, want %d", i, got.status, want)
		}
	}
}

// A bucket's own bound refuses as the node's does, and leaves the others alone.
func TestABucketsRequestsAreBounded(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes[0].MaxRequests = 1
		o.Policy.Routes = append(o.Policy.Routes, gateway.Route{Bucket: "other"})
	})
	f.node.hold(key("o"), "v", 10)
	f.node.hold(object.Key{Bucket: "other", Name: "o"}, "v", 10)
	asked, release := make(chan struct{}), make(chan struct{})
	f.node.before = func(n int, _ *object.Ask) {
		if n == 1 {
			close(asked)
			<-release
		}
	}
	first := make(chan int)
	go func() { first <- f.do("GET", "/public/o").status }()
	<-asked
	if got := f.do("GET", "/public/o"); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("a second: %d %v", got.status, got.header)
	}
	if got := f.do("GET", "/other/o"); got.status != 200 {
		t.Errorf("another bucket: %d", got.status)
	}
	close(release)
	if got := <-first; got != 200 {
		t.Errorf("the first: %d", got)
	}
	if got := f.do("GET", "/public/o"); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
	if n := f.limitHits("bucket_concurrent_requests"); n != 1 {
		t.Errorf("%d refusals counted, want 1", n)
	}
}
