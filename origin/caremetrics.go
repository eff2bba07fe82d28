package origin

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// primary is the name of a bucket's first S3, unless it has one.
const primary = "primary"

// labels are those of all metrics of one replica of one bucket.
type labels struct {
	set  *metrics.Set
	both string
}

// newLabels wants complete options.
func newLabels(o Options) labels {
	return labels{o.Metrics, fmt.Sprintf(`bucket=%q,replica=%q`, o.Name, o.Replica)}
}

// name is a metric's with further labels, which begin with a comma.
func (l labels) name(metric, further string) string { return metric + "{" + l.both + further + "}" }

func (l labels) counter(metric, further string) *metrics.Counter {
	return l.set.GetOrCreateCounter(l.name(metric, further))
}

// gauges are one member's, by their full names.
type gauges struct {
	set *metrics.Set
	of  map[string]func() float64
}

func (g gauges) show() {
	for name, value := range g.of {
		g.set.GetOrCreateGauge(name, value)
	}
}

func (g gauges) hide() {
	for name := range g.of {
		g.set.UnregisterMetric(name)
	}
}

// gauges returns the breaker's state and the limit's load; places may be nil.
func (l labels) gauges(b *breaker, places *limit) gauges {
	g := gauges{l.set, map[string]func() float64{}}
	gauge := func(metric string, value func() float64) { g.of[l.name(metric, "")] = value }
	gauge("rookery_origin_breaker_state", func() float64 { return float64(b.current()) })
	gauge("rookery_origin_healthy", func() float64 {
		if b.current() == closed {
			return 1
		}
		return 0
	})
	if places == nil {
		return g
	}
	gauge("rookery_origin_places", func() float64 { n, _, _ := places.load(); return float64(n) })
	gauge("rookery_origin_places_used", func() float64 { _, n, _ := places.load(); return float64(n) })
	gauge("rookery_origin_waiting", func() float64 { _, _, n := places.load(); return float64(n) })
	return g
}

type breakerCounters struct{ opened, refused *metrics.Counter }

func newBreakerCounters(l labels) breakerCounters {
	return breakerCounters{l.counter("rookery_origin_breaker_opened_total", ""), l.counter("rookery_origin_breaker_refused_total", "")}
}

// limitCounters are the limit's and the pace's together.
type limitCounters struct{ waited, rejected, slowed *metrics.Counter }

func newLimitCounters(l labels) limitCounters {
	return limitCounters{
		waited:   l.counter("rookery_origin_limit_waits_total", `,outcome="sent"`),
		rejected: l.counter("rookery_origin_limit_waits_total", `,outcome="rejected"`),
		slowed:   l.counter("rookery_origin_slowdowns_total", ""),
	}
}

type hedgeCounters struct{ won, lost, withheld *metrics.Counter }

func newHedgeCounters(l labels) hedgeCounters {
	const metric = "rookery_origin_hedges_total"
	return hedgeCounters{
		won:      l.counter(metric, `,outcome="won"`),
		lost:     l.counter(metric, `,outcome="lost"`),
		withheld: l.counter(metric, `,outcome="withheld"`),
	}
}

type memberCounters struct{ failovers *metrics.Counter }

func newMemberCounters(l labels) memberCounters {
	return memberCounters{l.counter("rookery_origin_failovers_total", "")}
}
