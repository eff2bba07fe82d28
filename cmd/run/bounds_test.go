package run_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
)

// When S3 stops giving, the reads that wait for it fill their bound, and then
// further ones are refused at once. Hits are served until all requests that may
// be under way are, and probes and operators are answered even then.
func TestOverloadIsShedHitsLast(t *testing.T) {
	const most, mayWait = 8, 7
	c := newCluster(t, 1, func(cfg *config.Config, _ *run.Options) { cfg.Server.MaxConcurrentRequests = most })
	hit, large := c.put("hit", 1000, s3test.Meta{}), c.put("large", 64*mib, s3test.Meta{})
	slow := c.put("slow", 300_000, s3test.Meta{})
	c.read(0, hit)
	c.read(0, large)
	gate := c.s3.Hold(bucket, "slow", s3test.BeforeHeaders)
	defer gate.Open()
	var waiting sync.WaitGroup
	for range mayWait {
		waiting.Go(func() {
			if _, err := c.fetch(0, slow, 0, slow.Size); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "as many reads wait as may", func() bool { return c.metrics(0)["rookery_waiting_reads"] == mayWait })
	for _, key := range []string{"slow", "unknown"} {
		c.shed(key)
	}
	c.read(0, hit)

	last := c.mustBegin(t.Context(), 0, large) // not read: it stays under way
	c.shed("hit")
	for path, where := range map[string]string{
		"/health": c.nodes[0].PublicAddr().String(), "/ready": c.nodes[0].PublicAddr().String(),
		"/metrics": c.nodes[0].AdminAddr().String(),
	} {
		if r, err := c.client.Get("http://" + where + path); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("%s%s: %v %v", where, path, r, err)
		} else {
			r.Body.Close()
		}
	}
	for _, path := range []string{"/health", "/ready"} {
		if status, text := c.operators(0, path, nil); status != http.StatusOK {
			t.Errorf("operators' %s: %d %s", path, status, text)
		}
	}
	page := c.metrics(0)
	if page[`rookery_limits_hit_total{limit="waiting_reads"}`] != 2 || page[`rookery_limits_hit_total{limit="client_requests"}`] != 1 {
		t.Errorf("limits hit: %v and %v", page[`rookery_limits_hit_total{limit="waiting_reads"}`], page[`rookery_limits_hit_total{limit="client_requests"}`])
	}
	if _, err := large.CheckReader(last.Body, 0, large.Size); err != nil {
		t.Error(err)
	}
	last.Body.Close()
	gate.Open()
	waiting.Wait()
	c.requests("slow", 0, 1)
	c.requests("unknown", 0, 0)
}

// shed checks that the node refuses a read at once.
func (c *testCluster) shed(key string) {
	c.t.Helper()
	r, body := c.do(0, http.MethodGet, c.target(0, key), nil)
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") != "1" || !strings.Contains(body, "<Code>SlowDown</Code>") {
		c.t.Errorf("%s: %d %v %s", key, r.StatusCode, r.Header, body)
	}
}
