package run_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
)

// A bucket that asks a policy server gives what that says yes to, from the cache too, and
// nothing when it does not answer; S3 is not asked for what is refused.
func TestAPolicyServerDecides(t *testing.T) {
	var asked atomic.Int64
	policy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var q struct {
			Input struct{ Bucket, Path, Method string }
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/v1/data/authz/allow" || q.Input.Bucket != bucket {
			t.Errorf("%s: %+v, %v", r.URL.Path, q, err)
		}
		if strings.HasPrefix(q.Input.Path, "/open/") {
			_, _ = io.WriteString(w, `{"result": true}`)
			return
		}
		_, _ = io.WriteString(w, `{"result": false}`)
	}))
	defer policy.Close()
	c := newCluster(t, 2, func(cfg *config.Config, _ *run.Options) {
		cfg.Buckets[0].OPA = &config.OPA{URL: policy.URL, PolicyPath: "authz/allow", Timeout: 5 * time.Second}
	})
	o := c.put("open/o", 1000, s3test.Meta{})
	secret := c.put("closed/o", 1000, s3test.Meta{})
	for range 2 {
		for i := range c.nodes {
			c.read(i, o)
			if status, body := c.status(i, c.target(i, secret.Key).Path); status != http.StatusForbidden || !strings.Contains(body, "<Code>AccessDenied</Code>") {
				t.Errorf("what the policy refuses: %d %s", status, body)
			}
		}
	}
	if n := asked.Load(); n != 8 { // nothing is remembered
		t.Errorf("the policy server was asked %d times, want 8", n)
	}
	for _, r := range c.s3.Requests() {
		if strings.Contains(r.Key, "closed") {
			t.Errorf("S3 was asked for what is refused: %+v", r)
		}
	}
	policy.Close()
	if status, _ := c.status(0, c.target(0, o.Key).Path); status != http.StatusForbidden {
		t.Errorf("without a policy server: %d", status)
	}
}
