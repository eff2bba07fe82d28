package cluster

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/VictoriaMetrics/metrics"
)

// counters count what happens; the gauges read the members themselves.
type counters struct {
	ringChanges  *metrics.Counter
	joinFailures *metrics.Counter
	conflicts    *metrics.Counter
}

func (c *Cluster) register(set *metrics.Set) counters {
	for _, s := range [...]State{Joining, Ready, Draining, Failed} {
		c.gauge(set, fmt.Sprintf("rookery_cluster_members{state=%q}", s), func(m *Member) bool { return m.State == s })
	}
	c.gauge(set, "rookery_cluster_unfit_members", func(m *Member) bool { return m.Unfit != "" })
	set.NewGauge("rookery_ring_members", func() float64 { return float64(len(c.opts.Ring.Load().Members())) })
	// The low half of the digest, which a float holds exactly: nodes that show
	// the same number have the same ring.
	set.NewGauge("rookery_ring_digest", func() float64 { return float64(uint32(c.opts.Ring.Load().Digest())) })
	set.NewGauge(fmt.Sprintf("rookery_ring_info{fingerprint=%q}", c.opts.Fingerprint), func() float64 { return 1 })
	return counters{
		ringChanges:  set.NewCounter("rookery_ring_changes_total"),
		joinFailures: set.NewCounter("rookery_cluster_join_failures_total"),
		conflicts:    set.NewCounter("rookery_cluster_name_conflicts_total"),
	}
}

func (c *Cluster) gauge(set *metrics.Set, name string, counts func(*Member) bool) {
	set.NewGauge(name, func() float64 {
		n := 0
		for _, m := range *c.members.Load() {
			if counts(&m) {
				n++
			}
		}
		return float64(n)
	})
}

// logChange writes one line for a change of a member, and one for the reason
// why it is not read from.
func (c *Cluster) logChange(ch change) {
	log, before, after := c.opts.Log, ch.before, ch.after
	switch {
	case after.Name == "":
		log.Info("cluster member is gone", "member", before.Name, "was", before.State.String())
	case before.Name == "" || before.State != after.State:
		level := slog.LevelInfo
		if after.State == Failed {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "cluster member is "+after.State.String(),
			"member", after.Name, "zone", after.Zone, "gossip", after.GossipAddress, "peer", after.PeerAddress)
	}
	if after.Unfit != before.Unfit && after.Unfit != "" {
		log.Warn("cluster member does not fit, no reads to or from it", "member", after.Name, "reason", after.Unfit)
	}
}

// report logs two nodes under one name, again only when the other one changes:
// memberlist finds the same conflict with every message.
func (c *Cluster) report(conflicts map[string]conflict) {
	for name, two := range conflicts {
		if c.conflicts[name] == two {
			continue
		}
		c.conflicts[name] = two
		c.counters.conflicts.Inc()
		c.opts.Log.Error("two nodes have the same name; the second is ignored until the first is gone for 30 s",
			"name", name, "first", two.known, "second", two.other)
	}
}
