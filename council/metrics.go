package council

import (
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// counts are the council's metrics.
type counts struct {
	purges, ticks, leaseErrors, diskErrors *metrics.Counter
	complete                               *metrics.PrometheusHistogram
}

func (c *Council) register(set *metrics.Set) counts {
	gauge := func(name string, read func(s *seat) float64) {
		set.NewGauge(name, func() float64 {
			s, err := c.present()
			if err != nil {
				return 0
			}
			return read(s)
		})
	}
	gauge("rookery_council_leader", func(s *seat) float64 {
		if s.office.Load() != nil {
			return 1
		}
		return 0
	})
	gauge("rookery_council_members", func(s *seat) float64 { return float64(len(s.members())) })
	gauge("rookery_council_commit", func(s *seat) float64 { return float64(s.raft.CommitIndex()) })
	set.NewGauge("rookery_council_applied", func() float64 { return float64(c.o.State.Note().Applied) })
	set.NewGauge("rookery_council_lease_seconds", func() float64 {
		return max(0, c.o.State.LeaseEnd().Sub(c.o.Now()).Seconds())
	})
	set.NewGauge("rookery_purges_waiting", func() float64 { return float64(c.kept.count()) })
	return counts{
		purges:      set.NewCounter("rookery_purges_total"),
		ticks:       set.NewCounter("rookery_council_ticks_total"),
		leaseErrors: set.NewCounter("rookery_council_lease_errors_total"),
		diskErrors:  set.NewCounter("rookery_council_disk_errors_total"),
		complete: set.NewPrometheusHistogramExt("rookery_purge_complete_seconds",
			[]float64{.005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10}),
	}
}

func (c counts) completed(after time.Duration) { c.complete.Update(after.Seconds()) }
