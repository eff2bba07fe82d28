package run

import (
	"fmt"
	"strings"
	"time"

	"rookery/admin"
	"rookery/cluster"
)

// stage is how far a node is on its way to be ready.
type stage int32

const (
	awaitsOthers stage = iota
	awaitsLease
)

// health says how well the node does. Nothing in it is a reason to restart it.
func (n *Node) health() admin.Health {
	h := admin.Health{State: admin.HealthOK, Node: n.cfg.Node.Name, Version: n.options.Version}
	if s := n.store.Stats(); s.Full {
		h.Reasons = append(h.Reasons, "nothing can be stored, bytes pass through: "+s.Reason)
	}
	now := n.now()
	for _, b := range now.cfg.Buckets {
		if !now.origins[b.Name].Healthy() {
			h.Reasons = append(h.Reasons, "S3 fails, only what is cached is served of bucket "+b.Name)
		}
	}
	if !n.cfg.Cluster.Alone() && !n.cluster.Joined() {
		h.Reasons = append(h.Reasons, "no other node has answered yet: see cluster.join and cluster.gossip_key")
	}
	if n.joined() && !n.purges.Leased(time.Now()) {
		h.Reasons = append(h.Reasons, "no lease, each hit is confirmed by S3: "+n.withoutLease())
	}
	if others := n.strangers(); len(others) > 0 {
		h.Reasons = append(h.Reasons, "nodes of another council: a purge through this node does not reach them, nor one through them this node: "+strings.Join(others, ", "))
	}
	if kept := n.bench.Status().Waiting; kept > 0 {
		h.Reasons = append(h.Reasons, fmt.Sprintf("purges that wait on this node for a quorum: %d", kept))
	}
	n.identityHealth(&h)
	if len(h.Reasons) > 0 {
		h.State = admin.HealthDegraded
	}
	return h
}

// strangers are the nodes that are there and belong to another council than this one.
func (n *Node) strangers() (names []string) {
	own := n.bench.Status().ID
	all, _ := n.members.all()
	for _, m := range all {
		if m.State != cluster.Failed && own != [16]byte{} && m.Council != [16]byte{} && m.Council != own {
			names = append(names, m.Name)
		}
	}
	return names
}

// withoutLease says what keeps the node from a lease, as far as it knows.
func (n *Node) withoutLease() string {
	s := n.bench.Status()
	switch {
	case s.ID == [16]byte{}:
		return fmt.Sprintf("it is in no council yet; %s begins one when %d nodes are there (cluster.founder, cluster.expect)",
			n.cfg.Cluster.Founder, max(n.cfg.Cluster.Expect, 1))
	case s.Leader == "":
		return "the council has no leader that this node hears of: is there a quorum of " + strings.Join(s.Voters, ", ") + "?"
	}
	return s.Leader + ", which leads the council, has granted none"
}

// readiness says whether clients may come, or what the node waits for.
func (n *Node) readiness() admin.Ready {
	r := admin.Ready{Ready: n.Ready()}
	switch {
	case n.draining.Load():
		r.Reasons = append(r.Reasons, "the node is draining")
	case n.joined():
	case stage(n.stage.Load()) == awaitsLease:
		r.Reasons = append(r.Reasons, "the node waits for its first lease: "+n.withoutLease())
	default:
		there, _ := n.members.live()
		r.Reasons = append(r.Reasons, fmt.Sprintf("the node waits for the others: %d of %d are there (cluster.expect)",
			there, max(n.cfg.Cluster.Expect, 1)))
	}
	return r
}
