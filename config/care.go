package config

import (
	"time"

	"github.com/goccy/go-yaml"
)

// Care is how an origin is spared. The names and units of its keys are
// Yatagarasu's, as far as that has them.
type Care struct {
	Retry             Retry
	Breaker           Breaker
	RequestsPerSecond int // to each replica; 0 is no limit
	Hedge             Hedge
}

// Retry is how often a request to S3 is sent again that failed for a while.
type Retry struct {
	MaxAttempts    int           // in all
	InitialBackoff time.Duration // in whole milliseconds, as the next
	MaxBackoff     time.Duration
}

// Breaker is when a replica that fails is left alone.
type Breaker struct {
	FailureThreshold int           // failures in a row that open it
	SuccessThreshold int           // successes that close it again
	Timeout          time.Duration // it stays open so long; in whole seconds
	HalfOpenRequests int           // trials at once after that
}

// Hedge is when a request that takes long is sent a second time.
type Hedge struct {
	Enabled  bool
	Quantile float64 // of recent times to headers, after which it is
	MaxExtra float64 // share of all requests that may be second ones
}

func defaultCare() Care {
	return Care{
		Retry:   Retry{MaxAttempts: 3, InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second},
		Breaker: Breaker{FailureThreshold: 5, SuccessThreshold: 2, Timeout: time.Minute, HalfOpenRequests: 3},
		Hedge:   Hedge{Quantile: 0.95, MaxExtra: 0.05},
	}
}

func readCare(s *section, c *Care) {
	*c = defaultCare()
	readRetry(s.section("retry"), &c.Retry)
	b := s.section("circuit_breaker")
	b.integer("failure_threshold", &c.Breaker.FailureThreshold, 1, 10000)
	b.integer("success_threshold", &c.Breaker.SuccessThreshold, 1, 10000)
	b.whole("timeout_seconds", &c.Breaker.Timeout, time.Second, 1, 3600)
	b.integer("half_open_max_requests", &c.Breaker.HalfOpenRequests, 1, 10000)
	s.section("rate_limit").integer("requests_per_second", &c.RequestsPerSecond, 1, 1_000_000)
	h := s.section("hedge")
	c.Hedge.Enabled = h.given
	h.boolean("enabled", &c.Hedge.Enabled)
	h.share("quantile", &c.Hedge.Quantile)
	h.share("max_extra", &c.Hedge.MaxExtra)
}

func readRetry(s *section, r *Retry) {
	s.integer("max_attempts", &r.MaxAttempts, 1, 10)
	s.whole("initial_backoff_ms", &r.InitialBackoff, time.Millisecond, 1, 60_000)
	s.whole("max_backoff_ms", &r.MaxBackoff, time.Millisecond, 1, 60_000)
	if r.MaxBackoff < r.InitialBackoff {
		key := "max_backoff_ms"
		if !s.has(key) {
			key = "initial_backoff_ms"
		}
		s.fail(key, "max_backoff_ms (%d) is less than initial_backoff_ms (%d)", r.MaxBackoff.Milliseconds(), r.InitialBackoff.Milliseconds())
	}
}

func (c *Care) effective() yaml.MapSlice {
	section := yaml.MapSlice{
		{Key: "retry", Value: yaml.MapSlice{
			{Key: "max_attempts", Value: c.Retry.MaxAttempts},
			{Key: "initial_backoff_ms", Value: c.Retry.InitialBackoff.Milliseconds()},
			{Key: "max_backoff_ms", Value: c.Retry.MaxBackoff.Milliseconds()},
		}},
		{Key: "circuit_breaker", Value: yaml.MapSlice{
			{Key: "failure_threshold", Value: c.Breaker.FailureThreshold},
			{Key: "success_threshold", Value: c.Breaker.SuccessThreshold},
			{Key: "timeout_seconds", Value: int(c.Breaker.Timeout / time.Second)},
			{Key: "half_open_max_requests", Value: c.Breaker.HalfOpenRequests},
		}},
	}
	if c.RequestsPerSecond > 0 {
		section = append(section, yaml.MapItem{Key: "rate_limit", Value: yaml.MapSlice{
			{Key: "requests_per_second", Value: c.RequestsPerSecond},
		}})
	}
	return append(section, yaml.MapItem{Key: "hedge", Value: yaml.MapSlice{
		{Key: "enabled", Value: c.Hedge.Enabled},
		{Key: "quantile", Value: c.Hedge.Quantile},
		{Key: "max_extra", Value: c.Hedge.MaxExtra},
	}})
}
