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
	max     atomic.Int64 // 0: no bound
	waiting atomic.Int64
	refused *metrics.Counter
}

func newGate(maxWaiting int, set *metrics.Set) *gate {
	g := &gate{refused: set.NewCounter(`rookery_limits_hit_total{limit="waiting_reads"}`)}
	g.max.Store(int64(maxWaiting))
	set.NewGauge("rookery_waiting_reads", func() float64 { return float64(g.waiting.Load()) })
	return g
}

// enter is for who is about to wait, and leaves when that is over. It is an
// object.ErrBusy, and the caller has not entered, when too many wait already.
func (g *gate) enter() error {
	if n, most := g.waiting.Add(1), g.max.Load(); most > 0 && n > most {
		g.waiting.Add(-1)
		g.refused.Inc()
		return fmt.Errorf("%d reads wait for S3 or other nodes: %w", most, object.ErrBusy)
	}
	return nil
}

func (g *gate) leave() { g.waiting.Add(-1) }
