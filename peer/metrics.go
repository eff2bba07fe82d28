package peer

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// figures are the counts of one side, client or server, of a node.
type figures struct {
	requests *metrics.Counter
	bytes    *metrics.Counter
	errors   map[string]*metrics.Counter // by kind
	refused  [reasons]*metrics.Counter
}

// newFigures registers the counts of role; open says how many connections it has.
func newFigures(set *metrics.Set, role string, open func() float64) *figures {
	f := &figures{
		requests: set.NewCounter(fmt.Sprintf(`rookery_peer_requests_total{role=%q}`, role)),
		bytes:    set.NewCounter(fmt.Sprintf(`rookery_peer_body_bytes_total{role=%q}`, role)),
		errors:   make(map[string]*metrics.Counter),
	}
	for _, kind := range kinds() {
		f.errors[kind] = set.NewCounter(fmt.Sprintf(`rookery_peer_errors_total{role=%q,kind=%q}`, role, kind))
	}
	for why := refusedMalformed; why < reasons; why++ {
		f.refused[why] = set.NewCounter(fmt.Sprintf(`rookery_peer_refused_total{role=%q,reason=%q}`, role, why))
	}
	set.NewGauge(fmt.Sprintf(`rookery_peer_connections{role=%q}`, role), open)
	return f
}

func (f *figures) fail(err error) { f.errors[kindOf(err)].Inc() }

func (f *figures) refuse(why reason) {
	if why >= reasons { // a later protocol's
		why = refusedProtocol
	}
	f.refused[why].Inc()
}

// privateSet is for nodes, mostly in tests, that show no metrics.
func privateSet(set *metrics.Set) *metrics.Set {
	if set == nil {
		return metrics.NewSet()
	}
	return set
}
