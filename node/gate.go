package node

import (
	"fmt"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// gate bounds how many reads wait for S3 or for another node before their first
// byte. A read beyond it is refused at once; one that memory or disk answer does
// not come by here, so hits are served when misses are not any more. Safe for
// concurrent use.
type gate struct {
	max     int64 // 0: no bound
	waiting atomic.Int64
	refused *metrics.Counter
}

func newGate(maxWaiting int, set *metrics.Set) *gate {
	g := &gate{max: int64(maxWaiting), refused: set.NewCounter(`rookery_limits_hit_total{limit="waiting_reads"}`)}
	set.NewGauge("rookery_waiting_reads", func() float64 { return float64(g.waiting.Load()) })
	return g
}

// enter is for who is about to wait, and leaves when that is over. It is an
// object.ErrBusy, and the caller has not entered, when too many wait already.
func (g *gate) enter() error {
	if n := g.waiting.Add(1); g.max > 0 && n > g.max {
		g.waiting.Add(-1)
		g.refused.Inc()
		return fmt.Errorf("%d reads wait for S3 or other nodes: %w", g.max, object.ErrBusy)
	}
	return nil
}

func (g *gate) leave() { g.waiting.Add(-1) }
