package gateway

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// meter counts what is not one bucket's.
type meter struct {
	inFlight atomic.Int64
	unrouted *bucketMeter // requests that found no bucket, probes among them
	shed     *metrics.Counter
	byClient *metrics.Counter
	bySource *metrics.Counter
}

func newMeter(set *metrics.Set) *meter {
	m := &meter{
		unrouted: newBucketMeter(set, ""),
		shed:     set.GetOrCreateCounter(`rookery_limits_hit_total{limit="client_requests"}`),
		byClient: set.GetOrCreateCounter(`rookery_bodies_aborted_total{reason="` + abortClient + `"}`),
		bySource: set.GetOrCreateCounter(`rookery_bodies_aborted_total{reason="` + abortSource + `"}`),
	}
	set.NewGauge("rookery_requests_in_flight", func() float64 { return float64(m.inFlight.Load()) })
	return m
}

const (
	sources  = int(object.SourceOrigin) + 1
	outcomes = int(object.Bypass) + 2 // and one for answers that the cache had no part in
	classes  = 6                      // 0 for none, 1xx to 5xx
)

// bucketMeter is one bucket's name and its series. Each is made when it is first needed, and
// found by its numbers from then on: a request formats no labels.
type bucketMeter struct {
	set      *metrics.Set
	bucket   string
	requests [sources][outcomes][classes]atomic.Pointer[metrics.Counter]
	sent     [sources]atomic.Pointer[metrics.Counter]
	duration [sources]atomic.Pointer[metrics.PrometheusHistogram]
}

func newBucketMeter(set *metrics.Set, bucket string) *bucketMeter {
	return &bucketMeter{set: set, bucket: bucket}
}

// durationBounds, in seconds: a hit from memory takes 0.1 ms, a large body minutes.
var durationBounds = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}

// count adds one finished answer.
func (m *bucketMeter) count(a *Answer, sent int64, took time.Duration) {
	source, outcome, class := int(a.source), outcomes-1, a.Status/100
	if source >= sources {
		source = int(object.SourceNone)
	}
	if a.cached && int(a.outcome) < outcomes-1 {
		outcome = int(a.outcome)
	}
	if class >= classes {
		class = 0
	}
	requests := &m.requests[source][outcome][class]
	if requests.Load() == nil {
		m.register(source, outcome, class)
	}
	requests.Load().Inc()
	m.sent[source].Load().AddInt64(sent)
	m.duration[source].Load().Update(took.Seconds())
}

// register makes the series that an answer of that kind needs. The Set gives the
// same series to whoever asks twice, so a race is harmless.
func (m *bucketMeter) register(source, outcome, class int) {
	labels := fmt.Sprintf("bucket=%q,source=%q", m.bucket, object.Source(source))
	m.sent[source].Store(m.set.GetOrCreateCounter("rookery_sent_bytes_total{" + labels + "}"))
	m.duration[source].Store(m.set.GetOrCreatePrometheusHistogramExt("rookery_request_duration_seconds{"+labels+"}", durationBounds))
	m.requests[source][outcome][class].Store(m.set.GetOrCreateCounter(
		fmt.Sprintf("rookery_requests_total{%s,outcome=%q,code=\"%dxx\"}", labels, outcomeLabel(outcome), class)))
}

func outcomeLabel(outcome int) string {
	if outcome == outcomes-1 {
		return "none"
	}
	return strings.ToLower(object.Outcome(outcome).String())
}

// denied counts a request that the bucket's guard refused.
func (m *bucketMeter) denied(reason string) {
	m.set.GetOrCreateCounter(fmt.Sprintf("rookery_denied_total{bucket=%q,reason=%q}", m.bucket, reason)).Inc()
}
