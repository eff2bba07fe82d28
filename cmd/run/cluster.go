package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"rookery/cluster"
	"rookery/peer"
)

// aloneAfter is how long a node that expects others waits for them before it
// serves without them.
const aloneAfter = 10 * time.Second

// askerStall is how long another node may take no bytes. It is more than the
// gateway gives a client, for whose sake the other node may be waiting.
const askerStall = 90 * time.Second

// openPeerClient makes the client that the node asks others with. It resolves
// names through the cluster, which starts later: until then nobody is known.
func (n *Node) openPeerClient() error {
	if err := n.openIdentity(); err != nil {
		return err
	}
	n.client = peer.NewClient(peer.ClientOptions{
		Self: n.cfg.Node.Name, Identity: n.self, Fingerprint: n.options.fingerprint, CouncilID: n.councilID, Resolve: n.members.address,
		FirstByte: n.cfg.Cluster.PeerTimeout, Log: n.log, Metrics: n.metrics,
	})
	n.opened("connections to other nodes", func(context.Context) error { return n.client.Close() })
	return nil
}

// joinCluster opens the peers' listener, then gossip, which tells the others
// where it is.
func (n *Node) joinCluster(ctx context.Context) error {
	c := &n.cfg.Cluster
	o := cluster.Options{
		Name: n.cfg.Node.Name, Zone: n.cfg.Node.Zone, Version: n.options.Version,
		Label: c.Label, Bind: c.Bind, Advertise: c.Advertise, PeerAddress: c.PeerAdvertise(), Join: c.Join,
		PeerProtocol: peer.Protocol, PeerProtocolMin: peer.MinProtocol, Fingerprint: n.options.fingerprint,
		Ring: n.ring, OnChange: n.members.set, Log: n.log, Metrics: n.metrics,
	}
	if n.options.Loopback {
		o.Profile = cluster.Loopback
	}
	if !c.Alone() {
		keys := n.gossipKeys()
		o.GossipKey, o.OtherKeys = keys[0], keys[1:]
		addr, err := n.servePeers(ctx)
		if err != nil {
			return err
		}
		o.PeerAddress = boundAddress(o.PeerAddress, addr)
	}
	var err error
	if n.cluster, err = cluster.Start(ctx, o); err != nil {
		return err
	}
	n.opened("cluster", n.leaveCluster)
	n.followIdentity()
	return nil
}

// leaveCluster says goodbye, so that the others neither take this node for
// failed nor refuse its name when it comes back at another address.
func (n *Node) leaveCluster(ctx context.Context) error {
	if err := n.cluster.Leave(ctx); err != nil && !errors.Is(err, cluster.ErrClosed) {
		n.log.Warn("the others could not be told that this node is gone", "err", err)
	}
	return n.cluster.Close()
}

func (n *Node) servePeers(ctx context.Context) (net.Addr, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", n.cfg.Cluster.PeerBind)
	if err != nil {
		return nil, fmt.Errorf("listen for other nodes (cluster.peer_bind): %w", err)
	}
	n.peers = peer.Serve(peer.ServerOptions{
		Listener: ln, Identity: n.self, Self: n.cfg.Node.Name, Fingerprint: n.options.fingerprint, CouncilID: n.councilID,
		Member: n.isMember, Handler: n.node, Council: n.serveCouncil, StallTimeout: askerStall,
		MaxAnswers: n.cfg.Server.MaxConcurrentRequests, MaxConns: 2 * n.cfg.Server.MaxConcurrentRequests,
		BufferBytes: shares(n.cfg.Cache.MemoryBytes).buffers, Turns: n.turns, Log: n.log, Metrics: n.metrics,
	})
	n.opened("listener for other nodes", func(ctx context.Context) error {
		if err := n.peers.Shutdown(ctx); err != nil {
			n.log.Warn("reads of other nodes cut off at the end", "err", err)
		}
		return n.peers.Close()
	})
	return ln.Addr(), nil
}

// boundAddress is the advertised address with the port that was bound, which
// matters when the configured one is 0.
func boundAddress(advertised string, bound net.Addr) string {
	host, _, err := net.SplitHostPort(advertised)
	_, port, portErr := net.SplitHostPort(bound.String())
	if err != nil || portErr != nil {
		return bound.String()
	}
	return net.JoinHostPort(host, port)
}

// becomeReady puts the node into the ring as soon as the others are there, or
// after a while without them. It runs until it has, or the node closes.
func (n *Node) becomeReady(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n.waitForOthers(ctx) {
			n.stage.Store(int32(awaitsLease))
			n.waitForLease(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err := n.cluster.SetState(cluster.Ready); err != nil {
			n.log.Error("ready, but the others could not be told yet", "err", err)
		}
		close(n.ready)
		n.log.Info("ready", "clients", n.public.Addr().String(), "operators", n.operators.Addr().String())
	}()
	n.opened("place in the ring", func(context.Context) error {
		cancel()
		<-done
		n.leaveRing()
		return nil
	})
	return nil
}

// waitForOthers returns when as many nodes are there as are expected; false if it
// has waited in vain.
func (n *Node) waitForOthers(ctx context.Context) bool {
	if n.cfg.Cluster.Alone() {
		return true
	}
	timer := time.NewTimer(aloneAfter)
	defer timer.Stop()
	for {
		count, changed := n.members.live()
		if count >= max(n.cfg.Cluster.Expect, 1) && n.cluster.Joined() {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			n.log.Warn("serving without others: too few nodes are there, or none answers", "expected", n.cfg.Cluster.Expect,
				"there", count, "joined", n.cluster.Joined())
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// leaveRing tells the others that this node drains, so that they ask it for
// nothing new; what it serves goes on.
func (n *Node) leaveRing() {
	if err := n.cluster.SetState(cluster.Draining); err != nil {
		n.log.Warn("the others could not be told that this node leaves", "err", err)
	}
}

// GossipAddress is where others join this node; "" for a node alone.
func (n *Node) GossipAddress() string { return n.cluster.Self().GossipAddress }

// AwaitReady waits until this node serves and its ring has so many members.
func (n *Node) AwaitReady(ctx context.Context, ringMembers int) error {
	select {
	case <-n.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		_, changed := n.members.live()
		if len(n.ring.Load().Members()) >= ringMembers {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
