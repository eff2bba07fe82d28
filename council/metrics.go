package council

import (
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// counts are the council's metrics. A node may open its council again over the
// same Set: the counters go on, and the gauges are the open one's.
type counts struct {
	purges, ticks, leaseErrors, diskErrors *metrics.Counter
	complete                               *metrics.PrometheusHistogram
	set                                    *metrics.Set
	gauges                                 []string
}

func (c *Council) register(set *metrics.Set) counts {
	k := counts{
		set:         set,
		purges:      set.GetOrCreateCounter("rookery_purges_total"),
		ticks:       set.GetOrCreateCounter("rookery_council_ticks_total"),
		leaseErrors: set.GetOrCreateCounter("rookery_council_lease_errors_total"),
		diskErrors:  set.GetOrCreateCounter("rookery_council_disk_errors_total"),
		complete: set.GetOrCreatePrometheusHistogramExt("rookery_purge_complete_seconds",
			[]float64{.005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10}),
	}
	gauge := func(name string, read func() float64) {
		set.NewGauge(name, read)
		k.gauges = append(k.gauges, name)
	}
	seated := func(name string, read func(s *seat) float64) {
		gauge(name, func() float64 {
			s, err := c.present()
			if err != nil {
				return 0
			}
			return read(s)
		})
	}
	seated("rookery_council_leader", func(s *seat) float64 {
		if s.office.Load() != nil {
			return 1
		}
		return 0
	})
	seated("rookery_council_members", func(s *seat) float64 { return float64(len(s.members())) })
	seated("rookery_council_commit", func(s *seat) float64 { return float64(s.raft.CommitIndex()) })
	gauge("rookery_council_applied", func() float64 { return float64(c.o.State.Note().Applied) })
	gauge("rookery_council_lease_seconds", func() float64 {
		return max(0, c.o.State.LeaseEnd().Sub(c.o.Now()).Seconds())
	})
	gauge("rookery_purges_waiting", func() float64 { return float64(c.kept.count()) })
	return k
}

func (k counts) completed(after time.Duration) { k.complete.Update(after.Seconds()) }

// close takes the gauges away.
func (k counts) close() {
	for _, name := range k.gauges {
		k.set.UnregisterMetric(name)
	}
}
