package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// counters are the node's metrics. Safe for concurrent use.
type counters struct{ skipped *metrics.Counter }

// bucketCounters count what this node answered for one bucket, for its own
// clients and for other nodes.
type bucketCounters struct {
	hot, disk, handed, misses, bypassed, collapsed *metrics.Counter
	handedBytes                                    *metrics.Counter // taken over from former owners
	// What owners gave this node: with what they held, or from S3.
	peerHits, peerMisses *metrics.Counter
}

func newCounters(set *metrics.Set, f *flights) *counters {
	set.NewGauge("rookery_flights", func() float64 { n, _ := f.load(); return float64(n) })
	set.NewGauge("rookery_flight_bytes", func() float64 { _, b := f.load(); return float64(b) })
	return &counters{skipped: set.NewCounter("rookery_owners_passed_over_total")}
}

func newBucketCounters(set *metrics.Set, name string) *bucketCounters {
	counter := func(format string) *metrics.Counter { return set.GetOrCreateCounter(fmt.Sprintf(format, name)) }
	return &bucketCounters{
		hot:       counter(`rookery_cache_hits_total{bucket=%q,source="hot"}`),
		disk:      counter(`rookery_cache_hits_total{bucket=%q,source="disk"}`),
		handed:    counter(`rookery_cache_hits_total{bucket=%q,source="peer"}`),
		misses:    counter(`rookery_cache_misses_total{bucket=%q}`),
		bypassed:  counter(`rookery_cache_bypassed_total{bucket=%q}`),
		collapsed: counter(`rookery_collapsed_reads_total{bucket=%q}`),

		handedBytes: counter(`rookery_handed_over_bytes_total{bucket=%q}`),

		peerHits:   counter(`rookery_peer_reads_total{bucket=%q,outcome="hit"}`),
		peerMisses: counter(`rookery_peer_reads_total{bucket=%q,outcome="miss"}`),
	}
}

// answered counts what this node gave with its own memory and disk, or from S3.
func (b *bucketCounters) answered(a *object.Answer) {
	switch {
	case a.Outcome == object.Bypass:
		b.bypassed.Inc()
	case a.Source == object.SourceHot:
		b.hot.Inc()
	case a.Source == object.SourceDisk:
		b.disk.Inc()
	case a.Source == object.SourcePeer:
		b.handed.Inc()
	default:
		b.misses.Inc()
	}
	if a.Collapsed {
		b.collapsed.Inc()
	}
}

// given counts what another node gave to this one.
func (b *bucketCounters) given(a *object.Answer) {
	if a.OwnerSource == object.SourceOrigin || a.OwnerSource == object.SourceNone {
		b.peerMisses.Inc()
	} else {
		b.peerHits.Inc()
	}
}

// Reads counts how reads of one bucket were answered since the node started.
type Reads struct {
	Hot, Disk, Misses, Bypassed, Collapsed uint64 // as an owner, for clients and other nodes
	PeerHits, PeerMisses                   uint64 // by other nodes, for this node's clients
}

// Reads returns the counts of every configured bucket.
func (n *Node) Reads() map[string]Reads {
	buckets := n.buckets.Load().byName
	all := make(map[string]Reads, len(buckets))
	for name, known := range buckets {
		if known.gone {
			continue
		}
		b := known.count
		all[name] = Reads{
			Hot: b.hot.Get(), Disk: b.disk.Get(), Misses: b.misses.Get(), Bypassed: b.bypassed.Get(),
			Collapsed: b.collapsed.Get(), PeerHits: b.peerHits.Get(), PeerMisses: b.peerMisses.Get(),
		}
	}
	return all
}

// passedOver counts an owner that gave no answer.
func (c *counters) passedOver(ctx context.Context, err error) {
	if ctx.Err() == nil && errors.Is(err, object.ErrUnreachable) {
		c.skipped.Inc()
	}
}
