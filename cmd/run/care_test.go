package run_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// refused asks node i for an object that is to be refused with a 503.
func (c *testCluster) refused(i int, key, code string) (retryAfter int) {
	c.t.Helper()
	response, text := c.do(i, http.MethodGet, c.target(i, key), nil)
	retryAfter, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "<Code>"+code+"</Code>") || err != nil {
		c.t.Errorf("%s: %s, Retry-After %q, %s; want a 503 %s", key, response.Status, response.Header.Get("Retry-After"), text, code)
	}
	return retryAfter
}

// What S3 asks of its clients reaches ours, through whichever node they ask; and
// when its breaker is open it is asked nothing.
func TestClientsAreToldWhenToComeBack(t *testing.T) {
	c := newCluster(t, 2, nil)
	hit := c.put("hit", 3*mib, s3test.Meta{})
	c.put("slow", 10, s3test.Meta{})
	owner, others := c.owner("slow", 0)
	c.read(owner, hit)
	c.s3.Everything(&s3test.Step{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {"7"}}})
	for n := range 5 {
		if after := c.refused(others[0], "slow", "SlowDown"); after != 7 {
			t.Errorf("Retry-After is %d, want S3's 7", after)
		}
		c.requests("slow", 0, n+1) // so long a wait is the client's
	}
	for _, i := range []int{owner, others[0]} {
		if after := c.refused(i, "slow", "ServiceUnavailable"); after < 30 || after > 60 {
			t.Errorf("Retry-After is %d, want what is left of the breaker's minute", after)
		}
		c.read(i, hit)
	}
	c.requests("slow", 0, 5)
	if _, text := c.operators(owner, "/health", nil); !strings.Contains(text, `"degraded"`) || !strings.Contains(text, "S3 fails, only what is cached is served of bucket b") {
		t.Errorf("health says %s", text)
	}
	if state := c.metrics(owner)[`rookery_origin_breaker_state{bucket="b",replica="primary"}`]; state != 2 {
		t.Errorf("the breaker's state is %v", state)
	}
}

// The first replica hangs, the second answers; the first gets well, and answers
// again.
func TestAReplicaTakesOverAndGivesBack(t *testing.T) {
	second := s3test.Start(t)
	c := newCluster(t, 2, func(cfg *config.Config, _ *run.Options) {
		far := config.Replica{Name: "far", Priority: 2, Place: cfg.Buckets[0].S3.Place}
		far.Endpoint = second.URL
		cfg.Buckets[0].S3.Replicas = []config.Replica{far}
	})
	put := func(key string) pattern.Object {
		o := c.put(key, 3*mib, s3test.Meta{})
		second.Put(o, s3test.Meta{})
		return o
	}
	o := put("hangs")
	c.s3.Everything(&s3test.Step{Method: http.MethodHead, Status: 500}) // probes
	gate := c.s3.Hold(bucket, o.Key, s3test.BeforeHeaders)
	start := time.Now()
	c.read(0, o)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the failover took %v", took)
	}
	owner, _ := c.owner(o.Key, 0)
	healthy := func() float64 {
		return c.metrics(owner)[`rookery_origin_healthy{bucket="b",replica="primary"}`]
	}
	if healthy() != 0 {
		t.Error("the first replica counts as well")
	}
	gate.Open()
	c.s3.Everything(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	probes := func(all []s3test.Request) bool {
		well := 0
		for _, r := range all {
			if r.Method == http.MethodHead && r.Status == http.StatusNotFound {
				well++
			}
		}
		return well >= 2
	}
	if err := c.s3.Await(ctx, probes); err != nil {
		t.Fatal("the first replica is not probed", err)
	}
	until(t, "the first replica is well", func() bool { return healthy() == 1 })
	for n := range 50 {
		later := put("later" + strconv.Itoa(n))
		if i, _ := c.owner(later.Key, 0); i != owner {
			continue
		}
		c.read(1, later)
		c.requests(later.Key, 0, 1)
		return
	}
	t.Fatal("the node owns nothing")
}
