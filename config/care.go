package config

import (
	"time"

	"github.com/goccy/go-yaml"
)

// Care is how an origin is spared.
type Care struct {
	Retry Retry
}

func defaultCare() Care {
	return Care{
		Retry: Retry{MaxAttempts: 3, InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second},
	}
}

// Retry is how often a request to S3 is sent again that failed for a while.
type Retry struct {
	MaxAttempts    int           // in all
	InitialBackoff time.Duration // in whole milliseconds, as the next
	MaxBackoff     time.Duration
}

// readRetry keeps the names and units of Yatagarasu.
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

func (r *Retry) effective() yaml.MapSlice {
	return yaml.MapSlice{
		{Key: "max_attempts", Value: r.MaxAttempts},
		{Key: "initial_backoff_ms", Value: r.InitialBackoff.Milliseconds()},
		{Key: "max_backoff_ms", Value: r.MaxBackoff.Milliseconds()},
	}
}
