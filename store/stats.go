package store

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// Stats are figures of one moment; bytes where nothing else is said.
type Stats struct {
	Capacity int64
	// Used is what is on the disk: segments, preallocated as they are, those
	// unlinked but still open, and Pebble's files. It never exceeds Capacity.
	Used       int64
	IndexBytes int64 // Pebble's files alone
	Segments   int   // those that lookups find

	HotCapacity int64
	HotBytes    int64
	HotEntries  int

	// Since the store was opened:
	EvictedRecords  uint64
	ReclaimedBytes  uint64
	ReinsertedBytes uint64
	WrittenBytes    uint64
	CorruptRecords  uint64

	// Full says that the disk takes nothing at present; Reason says why.
	Full   bool
	Reason string
}

// counters are the store's metrics that count up.
type counters struct {
	evicted, hotEvicted, hotRefused *metrics.Counter
	reclaimed, reinserted, written  *metrics.Counter
	corrupt                         *metrics.Counter
	readErrors, writeErrors         *metrics.Counter
	indexReopens, indexResets       *metrics.Counter
	dead                            *metrics.Counter
	durable                         *metrics.PrometheusHistogram
}

func newCounters(set *metrics.Set) counters {
	return counters{
		evicted:      set.GetOrCreateCounter(`rookery_evictions_total{tier="disk"}`),
		hotEvicted:   set.GetOrCreateCounter(`rookery_evictions_total{tier="hot"}`),
		hotRefused:   set.GetOrCreateCounter(`rookery_hot_refused_total`),
		reclaimed:    set.GetOrCreateCounter(`rookery_reclaimed_bytes_total`),
		reinserted:   set.GetOrCreateCounter(`rookery_reinserted_bytes_total`),
		written:      set.GetOrCreateCounter(`rookery_disk_written_bytes_total`),
		corrupt:      set.GetOrCreateCounter(`rookery_corrupt_records_total`),
		readErrors:   set.GetOrCreateCounter(`rookery_disk_errors_total{op="read"}`),
		writeErrors:  set.GetOrCreateCounter(`rookery_disk_errors_total{op="write"}`),
		indexReopens: set.GetOrCreateCounter(`rookery_index_reopens_total`),
		indexResets:  set.GetOrCreateCounter(`rookery_index_resets_total`),
		dead:         set.GetOrCreateCounter(`rookery_dead_records_left_total`),
		durable:      set.GetOrCreatePrometheusHistogram(`rookery_durable_write_duration_seconds`),
	}
}

// Stats returns the store's figures.
func (s *Store) Stats() Stats {
	st := Stats{
		Capacity: s.opt.Capacity, Used: s.used(), Segments: s.segments.count(),
		HotCapacity: s.hot.max, HotBytes: s.hot.used.Load(),
		EvictedRecords: s.counts.evicted.Get(), ReclaimedBytes: s.counts.reclaimed.Get(),
		ReinsertedBytes: s.counts.reinserted.Get(), WrittenBytes: s.counts.written.Get(),
		CorruptRecords: s.counts.corrupt.Get(), IndexBytes: s.indexBytes(),
	}
	if s.hot.cache != nil {
		st.HotEntries = s.hot.cache.EstimatedSize()
	}
	if err := s.Healthy(); err != nil {
		st.Full, st.Reason = true, err.Error()
	}
	return st
}

// Healthy returns nil, or why the disk takes nothing at present (ErrFull). Reads
// of what is stored may still be answered; the store heals by itself.
func (s *Store) Healthy() error {
	if reason := s.full.err(); reason != nil {
		return fmt.Errorf("%w: %w", ErrFull, reason)
	}
	if ix := s.index.Load(); ix == nil {
		return fmt.Errorf("%w: %w", ErrFull, errIndexClosed)
	} else if err := ix.failed(); err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// gauges are the store's metrics that go up and down.
func (s *Store) gauges() map[string]func() float64 {
	return map[string]func() float64{
		"rookery_disk_capacity_bytes": func() float64 { return float64(s.opt.Capacity) },
		"rookery_disk_used_bytes":     func() float64 { return float64(s.used()) },
		"rookery_disk_segments":       func() float64 { return float64(s.segments.count()) },
		"rookery_index_bytes":         func() float64 { return float64(s.indexBytes()) },
		"rookery_hot_capacity_bytes":  func() float64 { return float64(s.hot.max) },
		"rookery_hot_used_bytes":      func() float64 { return float64(s.hot.used.Load()) },
		"rookery_disk_full": func() float64 {
			if s.Healthy() != nil {
				return 1
			}
			return 0
		},
	}
}

func (s *Store) registerGauges() {
	for name, read := range s.gauges() {
		s.opt.Metrics.NewGauge(name, read)
	}
}

// unregisterGauges leaves the set to another store of the same node.
func (s *Store) unregisterGauges() {
	for name := range s.gauges() {
		s.opt.Metrics.UnregisterMetric(name)
	}
}
