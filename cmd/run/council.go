package run

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"rookery/cluster"
	"rookery/council"
	"rookery/object"
	"rookery/peer"
	"rookery/purge"
)

// leaseWithin is how long a node waits for its first lease before it serves
// without: every hit is then confirmed by S3.
const leaseWithin = 10 * time.Second

// bench is the node's place in the council. When the disk has lost the council's
// log the node takes another place, under another id: so it is asked for each time.
type bench struct {
	mu      sync.RWMutex
	council *council.Council // nil while it has none
}

func (b *bench) now() (*council.Council, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.council == nil {
		return nil, council.ErrNoCouncil
	}
	return b.council, nil
}

func (b *bench) set(c *council.Council) (old *council.Council) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, b.council = b.council, c
	return old
}

// joinCouncil takes the node's place in the council, and a new one whenever the disk
// has lost the old one.
func (n *Node) joinCouncil(ctx context.Context) error {
	room, err := n.sit(ctx)
	if err != nil {
		return err
	}
	own, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.sitAgain(own, room)
	}()
	n.opened("council", func(ctx context.Context) error {
		cancel()
		<-done
		return n.leaveCouncil(ctx)
	})
	return nil
}

// sit opens the council over the disk as it is now. lost is closed when that disk
// has forgotten it.
func (n *Node) sit(ctx context.Context) (lost <-chan struct{}, err error) {
	room, err := n.store.Durable(ctx, "council")
	if err != nil {
		return nil, fmt.Errorf("the council's log: %w", err)
	}
	c, err := council.Open(council.Options{
		Name: n.cfg.Node.Name, Disk: room, State: n.purges,
		Founder: n.cfg.Cluster.Founder == n.cfg.Node.Name, Expect: n.cfg.Cluster.Expect, Alone: n.cfg.Cluster.Alone(),
		Lease: n.cfg.Cluster.Lease, ForgetAfter: n.cfg.Cluster.ForgetAfter,
		Directory: n.directory, Changed: n.membersChanged, Announce: n.announce, Dial: n.dialCouncil,
		Log: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return nil, err
	}
	n.bench.set(c)
	return room.Lost(), nil
}

func (n *Node) sitAgain(ctx context.Context, lost <-chan struct{}) {
	for {
		select {
		case <-lost:
		case <-ctx.Done():
			return
		}
		n.log.Error("the disk has lost the council's log: this node begins anew as another member")
		n.standUp()
		var err error
		if lost, err = n.sit(ctx); err != nil {
			if ctx.Err() == nil {
				n.log.Error("this node has no place in the council: it confirms every hit with S3", "err", err)
			}
			return
		}
	}
}

// standUp gives the place up. What the node knew of purges is gone with its disk.
func (n *Node) standUp() {
	if c := n.bench.set(nil); c != nil {
		if err := c.Close(); err != nil {
			n.log.Warn("council not closed", "err", err)
		}
	}
}

// leaveCouncil hands this node's vote on, if it has one, and gives up the place.
func (n *Node) leaveCouncil(ctx context.Context) error {
	c, err := n.bench.now()
	if err != nil {
		return nil
	}
	if err := c.Leave(ctx); err != nil {
		n.log.Warn("this node's vote is nobody else's", "err", err)
	}
	n.standUp()
	return nil
}

// directory is what gossip knows, in the council's words.
func (n *Node) directory() []council.Member {
	list, _ := n.members.all()
	to := make([]council.Member, len(list))
	for i, m := range list {
		to[i] = council.Member{
			Name: m.Name, RaftID: raftID(m.Name, m.Disk), PeerAddress: m.PeerAddress, Council: m.Council,
			Draining: m.State == cluster.Draining, Failed: m.State == cluster.Failed,
		}
	}
	return to
}

func (n *Node) membersChanged() <-chan struct{} {
	_, changed := n.members.all()
	return changed
}

// raftID is how the council names a node: by its name and its disk's; "" if the
// node has not said which that is.
func raftID(name string, disk [16]byte) string {
	if disk == ([16]byte{}) {
		return ""
	}
	return name + "/" + hex.EncodeToString(disk[:])
}

// announce tells the others which council this node belongs to, and as whom.
func (n *Node) announce(id [16]byte, raftID string) {
	var disk [16]byte
	_, hexed, _ := strings.Cut(raftID, "/")
	if _, err := hex.Decode(disk[:], []byte(hexed)); err != nil {
		n.log.Error("the council's name for this node cannot be told", "id", raftID, "err", err)
		return
	}
	if err := n.cluster.SetCouncil(id, disk); err != nil && !errors.Is(err, cluster.ErrClosed) {
		n.log.Error("the others could not be told of the council", "err", err)
	}
}

func (n *Node) dialCouncil(ctx context.Context, node, address string) (net.Conn, error) {
	return peer.DialCouncil(ctx, n.self, node, address)
}

// councilID is the council whose purges this node knows.
func (n *Node) councilID() [16]byte { return n.purges.Note().Council }

// dead reports whether a purge covers what is stored, as far as the key alone tells:
// what only a tag covers leaves the disk in its turn.
func (n *Node) dead(key object.Key, _ object.Version, note object.Note) bool {
	return n.purges.Judge(key, nil, note) == purge.Dead
}

// serveCouncil takes a connection of another member.
func (n *Node) serveCouncil(conn net.Conn, node string) {
	c, err := n.bench.now()
	if is, _ := n.members.known(node); err != nil || !is && !n.inCouncil(node) {
		conn.Close()
		return
	}
	c.ServeConn(conn, node)
}

// waitForLease returns when this node may serve what it holds, or has waited long
// enough for that.
func (n *Node) waitForLease(ctx context.Context) {
	c, err := n.bench.now()
	if err != nil {
		return
	}
	timer := time.NewTimer(leaseWithin)
	defer timer.Stop()
	select {
	case <-c.Ready():
	case <-timer.C:
		n.log.Warn("serving without a lease: no council answers, so each hit is confirmed by S3", "founder", n.cfg.Cluster.Founder)
	case <-ctx.Done():
	}
}

// Purge and the following make the bench an admin.Council.
func (b *bench) Purge(ctx context.Context, o purge.Order, wait time.Duration) (*council.Report, error) {
	c, err := b.now()
	if err != nil {
		return nil, err
	}
	return c.Purge(ctx, o, wait)
}

func (b *bench) PurgeMany(ctx context.Context, orders []purge.Order, wait time.Duration) ([]*council.Report, error) {
	c, err := b.now()
	if err != nil {
		return nil, err
	}
	return c.PurgeMany(ctx, orders, wait)
}

func (b *bench) Progress(ctx context.Context, id string) (*council.Report, error) {
	c, err := b.now()
	if err != nil {
		return nil, err
	}
	return c.Progress(ctx, id)
}

func (b *bench) Status() council.Status {
	c, err := b.now()
	if err != nil {
		return council.Status{}
	}
	return c.Status()
}

func (b *bench) Forget(ctx context.Context, name string) error {
	c, err := b.now()
	if err != nil {
		return err
	}
	return c.Forget(ctx, name)
}

func (b *bench) Found(ctx context.Context) error {
	c, err := b.now()
	if err != nil {
		return err
	}
	return c.Found(ctx)
}
