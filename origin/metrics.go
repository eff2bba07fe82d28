package origin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// kind of a request.
type kind string

const (
	getKind  kind = "get"
	headKind kind = "head"
	// listKind, attributesKind and taggingKind are queries: they give a document.
	listKind       kind = "list"
	attributesKind kind = "attributes"
	taggingKind    kind = "tagging"
	// probeKind is a HEAD that asks whether the origin is well.
	probeKind kind = "probe"
)

var outcomes = [...]string{"ok", "not_modified", "client_error", "error", "canceled"}

// counters are one bucket's. They exist from the start, so that a rate over them
// begins at zero.
type counters struct {
	requests map[kind]map[string]*metrics.Counter
	seconds  map[kind]*metrics.PrometheusHistogram
	bytes    *metrics.Counter
}

func newCounters(l labels) counters {
	c := counters{
		requests: map[kind]map[string]*metrics.Counter{},
		seconds:  map[kind]*metrics.PrometheusHistogram{},
		bytes:    l.counter("rookery_origin_bytes_total", ""),
	}
	for _, k := range [...]kind{getKind, headKind, listKind, attributesKind, taggingKind, probeKind} {
		c.requests[k] = map[string]*metrics.Counter{}
		for _, o := range outcomes {
			c.requests[k][o] = l.counter("rookery_origin_requests_total", fmt.Sprintf(`,kind=%q,outcome=%q`, k, o))
		}
		c.seconds[k] = l.set.GetOrCreatePrometheusHistogram(l.name("rookery_origin_request_duration_seconds", fmt.Sprintf(`,kind=%q`, k)))
	}
	return c
}

// request counts an answer whose headers are judged, and how long they took.
func (c *counters) request(k kind, err error, took time.Duration) {
	c.requests[k][outcome(err)].Inc()
	c.seconds[k].Update(took.Seconds())
}

func outcome(err error) string {
	var refused *object.OriginError
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, object.ErrNotModified):
		return "not_modified"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	case errors.As(err, &refused) && refused.Status < 500, errors.Is(err, object.ErrGone):
		return "client_error"
	}
	return "error"
}
