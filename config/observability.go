package config

import "time"

// readOldObservability gives the old program's keys for logs and traces the meaning that
// they have here.
func readOldObservability(s, log *section, l *Log) {
	s.refuseUnlessOff("tracing", "this version sends no traces")
	requests := s.section("request_logging")
	requests.notBeside("enabled", log, "access")
	requests.boolean("enabled", &l.Access)

	slow := s.section("slow_query")
	on := slow.given
	slow.boolean("enabled", &on)
	slow.opaque = slow.opaque || !on
	slow.notBeside("threshold_ms", log, "slow")
	if on && !log.has("slow") {
		l.Slow = time.Second
	}
	slow.whole("threshold_ms", &l.Slow, time.Millisecond, 1, 3_600_000)
}
