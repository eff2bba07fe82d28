package run

import (
	"io"

	"github.com/VictoriaMetrics/metrics"

	"rookery/admin"
	"rookery/cluster"
	"rookery/node"
	"rookery/object"
)

// adminOptions gives the operators' listener its views of this node.
func (n *Node) adminOptions() admin.Options {
	return admin.Options{
		Settings: func() *admin.Settings { return n.now().admin }, Reload: n.tryReload,
		Health: n.health, Ready: n.readiness, WriteMetrics: n.writeMetrics, Cluster: n.clusterView,
		Owners: func(key object.Key, extent int64) []string { return n.ring.Load().Owners(key, extent) },
		Stats:  n.stats, Held: n.held, Log: n.log, Metrics: n.metrics,
		Council: &n.bench, LeaseEnd: n.purges.LeaseEnd, Drain: n.options.Drain,
	}
}

func (n *Node) writeMetrics(w io.Writer) {
	n.metrics.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

func (n *Node) clusterView() admin.Cluster {
	v := admin.Cluster{Fingerprint: n.options.fingerprint, Generation: n.now().number}
	for _, m := range n.cluster.Members() {
		v.Members = append(v.Members, memberView(m))
	}
	return v
}

func memberView(m cluster.Member) admin.Member {
	return admin.Member{
		Name: m.Name, State: m.State.String(), Zone: m.Zone, PeerAddress: m.PeerAddress, Version: m.Version, Unfit: m.Unfit,
	}
}

func (n *Node) stats() admin.Stats {
	s := n.store.Stats()
	count, bytes := n.node.Flights()
	v := admin.Stats{
		Disk: admin.Disk{
			CapacityBytes: s.Capacity, UsedBytes: s.Used, Segments: s.Segments, Full: s.Full,
			Evictions: s.EvictedRecords, ReclaimedBytes: s.ReclaimedBytes, ReinsertedBytes: s.ReinsertedBytes, CorruptRecords: s.CorruptRecords,
		},
		Hot:     admin.Hot{CapacityBytes: s.HotCapacity, UsedBytes: s.HotBytes, Entries: s.HotEntries},
		Flights: admin.Flights{Count: count, Bytes: bytes},
		Buckets: make(map[string]admin.Reads),
	}
	origins := n.now().origins
	for bucket, r := range n.node.Reads() {
		o := origins[bucket]
		if o == nil { // a reload is just putting it in or taking it out
			continue
		}
		requests, received := o.Counts()
		reads := readsView(r)
		reads.Origin = admin.Origin{Requests: requests, Bytes: received}
		v.Buckets[bucket] = reads
		v.Reads = addReads(v.Reads, reads)
	}
	return v
}

// readsView turns a node's counts into tiers: what one tier misses, the next is
// asked for.
func readsView(r node.Reads) admin.Reads {
	below := r.Misses + r.Bypassed
	return admin.Reads{
		Hot:  admin.Tier{Hits: r.Hot, Misses: r.Disk + below},
		Disk: admin.Tier{Hits: r.Disk, Misses: below},
		Peer: admin.Tier{Hits: r.PeerHits, Misses: r.PeerMisses},

		Bypassed: r.Bypassed, Collapsed: r.Collapsed,
	}
}

func addReads(a, b admin.Reads) admin.Reads {
	tier := func(a, b admin.Tier) admin.Tier {
		return admin.Tier{Hits: a.Hits + b.Hits, Misses: a.Misses + b.Misses}
	}
	return admin.Reads{
		Hot: tier(a.Hot, b.Hot), Disk: tier(a.Disk, b.Disk), Peer: tier(a.Peer, b.Peer),
		Origin: admin.Origin{Requests: a.Origin.Requests + b.Origin.Requests, Bytes: a.Origin.Bytes + b.Origin.Bytes},

		Bypassed: a.Bypassed + b.Bypassed, Collapsed: a.Collapsed + b.Collapsed,
	}
}

// held is what this node has of one object, memory and disk together.
func (n *Node) held(key object.Key) (admin.Held, bool) {
	key = n.node.Placed(key)
	hot, inMemory := n.store.Hot(key)
	info, onDisk := n.store.Info(key)
	switch {
	case !inMemory && !onDisk:
		return admin.Held{}, false
	case !onDisk:
		info = hot.Info
	}
	return admin.Held{
		Info: info, Hot: inMemory, Fresh: n.freshness(key.Bucket).Lifetime(&info).Fresh,
		HasChunk: func(chunk int64) bool { return n.store.Has(key, info.Version, chunk) },
	}, true
}

func (n *Node) freshness(bucket string) object.Freshness {
	for _, b := range n.now().cfg.Buckets {
		if b.Name == bucket {
			return b.Freshness
		}
	}
	return object.Freshness{}
}
