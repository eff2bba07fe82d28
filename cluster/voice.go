package cluster

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// introduction makes this node's metadata.
func (o *Options) introduction(gossip netip.Addr) (*meta, error) {
	peer := o.PeerAddress
	if peer != "" {
		var err error
		if peer, err = peerAddress(peer, gossip); err != nil {
			return nil, fmt.Errorf("peer address: %w", err)
		}
	}
	m := &meta{
		protocol: o.PeerProtocol, protocolMin: o.PeerProtocolMin,
		zone: o.Zone, version: o.Version, peerAddress: peer, fingerprint: o.Fingerprint,
	}
	if n := len(m.encode()); n > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("zone, version, peer address and fingerprint take %d bytes of metadata, %d are to be had", n, memberlist.MetaMaxSize)
	}
	return m, nil
}

// say puts m in force for this node and tells its own goroutine.
func (c *Cluster) say(m *meta) {
	c.own.Store(m)
	c.inbox.put(c.opts.Name, sighting{meta: m.encode(), address: c.address})
}

// voice is what memberlist asks for when it speaks of this node: its metadata,
// and nothing else.
type voice struct{ own *atomic.Pointer[meta] }

var _ memberlist.Delegate = voice{}

// NodeMeta returns the metadata.
func (v voice) NodeMeta(int) []byte { return v.own.Load().encode() }

// NotifyMsg ignores messages: no node sends any.
func (voice) NotifyMsg([]byte) {}

// GetBroadcasts has none.
func (voice) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState adds nothing to memberlist's.
func (voice) LocalState(bool) []byte { return nil }

// MergeRemoteState ignores what another program may have added.
func (voice) MergeRemoteState([]byte, bool) {}

// SetState makes the node Ready or Draining; a state only ever goes forward.
// When it returns this node's own ring has it and the others are being told.
// Errors: a step back, and ErrClosed.
func (c *Cluster) SetState(s State) error {
	return c.update(func(m *meta) error {
		if s > Draining || s < m.state {
			return fmt.Errorf("a node that is %s does not become %s", m.state, s)
		}
		m.state = s
		return nil
	})
}

// SetCouncil tells the others which council this node belongs to, and by which disk
// that knows it, as SetState tells its state.
func (c *Cluster) SetCouncil(id, disk [16]byte) error {
	return c.update(func(m *meta) error {
		m.council, m.disk = id, disk
		return nil
	})
}

func (c *Cluster) update(edit func(*meta) error) error {
	c.announce.Lock()
	defer c.announce.Unlock()
	if c.closing.Err() != nil {
		return ErrClosed
	}
	m := *c.own.Load()
	if err := edit(&m); err != nil {
		return err
	}
	if m == *c.own.Load() {
		return nil
	}
	c.say(&m)
	if err := c.settle(); err != nil {
		return err
	}
	if c.gossip == nil {
		return nil
	}
	// This puts the change in force and into memberlist's queue. Its error says
	// that a nanosecond was too short to wait for it to be sent: the joiner sees
	// to that.
	_ = c.gossip.UpdateNode(time.Nanosecond)
	select {
	case c.news <- struct{}{}:
	default:
	}
	return nil
}

// settle waits until the run goroutine has looked at everything in the inbox.
func (c *Cluster) settle() error {
	looked := make(chan struct{})
	select {
	case c.flush <- looked:
	case <-c.closing.Done():
		return ErrClosed
	}
	<-looked
	return nil
}
