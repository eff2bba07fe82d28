package config

import (
	"reflect"
	"testing"
	"time"
)

func TestRateLimits(t *testing.T) {
	const text = `
server:
  rate_limits:
    total: {requests_per_second: 500, burst: 2000, bytes_per_second: 1GiB}
    per_address: {requests_per_second: 2, window: 30s}
buckets:
  - name: b
    s3: {bucket: o}
    max_concurrent_requests: 40
    rate_limits: {per_subject: {bytes_per_second: 5MiB}}
`
	c := mustParse(t, text, environment())
	server := RateLimits{
		Total:      RateLimit{Requests: 500, Burst: 2000, Bytes: 1 << 30},
		PerAddress: RateLimit{Requests: 2, Window: 30 * time.Second},
	}
	b := c.Buckets[0]
	if c.Server.RateLimits != server || b.MaxConcurrentRequests != 40 || b.RateLimits != (RateLimits{PerSubject: RateLimit{Bytes: 5 << 20}}) {
		t.Errorf("%+v\n%+v", c.Server, b)
	}
	again := mustParse(t, string(c.Effective()), environment())
	if !reflect.DeepEqual(again, c) {
		t.Errorf("%+v\n%s", again, c.Effective())
	}
}

// The old section does what it says where it says that it is on.
func TestOldRateLimit(t *testing.T) {
	for text, want := range map[string]RateLimits{
		`{enabled: false, global: {requests_per_second: 100}, per_ip: {requests_per_second: 10}}`: {},
		`{enabled: true, global: {requests_per_second: 100}, per_ip: {requests_per_second: 10}}`: {
			Total: RateLimit{Requests: 100}, PerAddress: RateLimit{Requests: 10},
		},
		`{enabled: true, per_ip: {requests_per_second: 10}}`: {PerAddress: RateLimit{Requests: 10}},
	} {
		if got := mustParse(t, "server: {rate_limit: "+text+"}"+oneBucket, environment()).Server.RateLimits; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
