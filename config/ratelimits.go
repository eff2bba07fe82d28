package config

import (
	"time"

	"github.com/goccy/go-yaml"
)

// RateLimits are what clients may ask of this node, or of one bucket on it.
type RateLimits struct {
	Total      RateLimit // everybody together
	PerAddress RateLimit // each IPv4 address, each /64 of IPv6
	PerSubject RateLimit // each that has proved who it is
}

// RateLimit is one of them; the zero RateLimit is no limit.
type RateLimit struct {
	Requests int           // a second
	Burst    int           // at once after a pause; 0 is as many as Requests
	Window   time.Duration // of a sliding window; 0 is a token bucket
	Bytes    int64         // sent, a second
}

func readRateLimits(s *section, l *RateLimits) {
	readRateLimit(s.section("total"), &l.Total)
	readRateLimit(s.section("per_address"), &l.PerAddress)
	readRateLimit(s.section("per_subject"), &l.PerSubject)
}

const mostPerSecond = 1_000_000

func readRateLimit(s *section, l *RateLimit) {
	s.integer("requests_per_second", &l.Requests, 1, mostPerSecond)
	s.integer("burst", &l.Burst, 1, mostPerSecond)
	s.duration("window", &l.Window, time.Second, time.Hour)
	s.size("bytes_per_second", &l.Bytes, 1)
	switch {
	case !s.given || s.opaque:
	case !s.has("requests_per_second") && !s.has("bytes_per_second"):
		s.doc.fail(s.at, "%s: limits nothing: give requests_per_second or bytes_per_second", s.name())
	case s.has("burst") && s.has("window"):
		s.fail("burst", "burst and window contradict each other: a window has no bursts")
	case s.has("burst") && !s.has("requests_per_second"):
		s.fail("burst", "requests_per_second is missing beside it")
	}
}

// readOldRateLimit reads the old program's section, whose default was to be off: one
// that does not say whether it is on is refused.
func readOldRateLimit(s, newer *section, l *RateLimits) {
	var on bool
	s.boolean("enabled", &on)
	if on {
		for _, key := range []string{"total", "per_address"} {
			if newer.has(key) {
				s.fail("enabled", "%s says the same (line %d): give one of them", newer.key(key), newer.keyAt(key).line)
			}
		}
	}
	var given RateLimits
	s.section("global").integer("requests_per_second", &given.Total.Requests, 1, mostPerSecond)
	s.section("per_ip").integer("requests_per_second", &given.PerAddress.Requests, 1, mostPerSecond)
	switch {
	case !s.given || s.opaque:
	case !s.has("enabled"):
		s.doc.fail(s.at, "%s: say enabled: true or enabled: false", s.name())
	case on && given == (RateLimits{}):
		s.fail("enabled", "limits nothing: give global.requests_per_second or per_ip.requests_per_second")
	case on:
		l.Total.Requests, l.PerAddress.Requests = given.Total.Requests, given.PerAddress.Requests
	}
}

func (l *RateLimits) effective() (section yaml.MapSlice) {
	for _, one := range []struct {
		key string
		is  RateLimit
	}{{"total", l.Total}, {"per_address", l.PerAddress}, {"per_subject", l.PerSubject}} {
		if one.is != (RateLimit{}) {
			section = append(section, yaml.MapItem{Key: one.key, Value: one.is.effective()})
		}
	}
	return section
}

func (l *RateLimit) effective() (section yaml.MapSlice) {
	if l.Requests > 0 {
		section = append(section, yaml.MapItem{Key: "requests_per_second", Value: l.Requests})
	}
	if l.Burst > 0 {
		section = append(section, yaml.MapItem{Key: "burst", Value: l.Burst})
	}
	if l.Window > 0 {
		section = append(section, yaml.MapItem{Key: "window", Value: formatDuration(l.Window)})
	}
	if l.Bytes > 0 {
		section = append(section, yaml.MapItem{Key: "bytes_per_second", Value: formatSize(l.Bytes)})
	}
	return section
}

// effectiveBounds are the bounds of a bucket that are set.
func (b *Bucket) effectiveBounds() (items yaml.MapSlice) {
	if b.MaxConcurrentRequests > 0 {
		items = append(items, yaml.MapItem{Key: "max_concurrent_requests", Value: b.MaxConcurrentRequests})
	}
	if limits := b.RateLimits.effective(); len(limits) > 0 {
		items = append(items, yaml.MapItem{Key: "rate_limits", Value: limits})
	}
	if b.AuditReads {
		items = append(items, yaml.MapItem{Key: "audit", Value: "reads"})
	}
	return items
}
