package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"rookery/ring"
)

// announceTimeout bounds how long Leave waits for the gossip that this node
// drains to be sent, and after that for its farewell.
const announceTimeout = 2 * time.Second

// ErrClosed says that the cluster has been closed.
var ErrClosed = errors.New("cluster is closed")

// Cluster is this node's membership. Its methods are safe for any number of
// goroutines. Whoever starts one closes it.
type Cluster struct {
	opts   Options
	gossip *memberlist.Memberlist // nil for a node alone
	keys   *memberlist.Keyring    // the gossip's
	keying sync.Mutex             // one change of the keys at a time
	inbox  *inbox
	roster roster // the run goroutine's

	members   atomic.Pointer[[]Member] // sorted; immutable
	others    atomic.Bool              // another node has been seen
	nobody    atomic.Bool              // there is nobody to join
	counters  counters
	conflicts map[string]conflict // as last reported; the run goroutine's
	flush     chan chan struct{}
	news      chan struct{} // for the joiner; room for one

	// announce serialises announcements, so that the latest is the last. It is
	// held while memberlist sends; nothing on the way of a read takes it.
	announce sync.Mutex
	own      atomic.Pointer[meta] // what this node says of itself; written under announce
	address  string               // of this node's gossip

	closing  context.Context
	close    context.CancelFunc
	stopJoin context.CancelFunc
	life     sync.Mutex
	closed   bool
	farewell sync.WaitGroup // departures: memberlist's Leave must not come after its Shutdown
	running  sync.WaitGroup
}

// Start opens the gossip and begins to look for the other nodes. ctx bounds the
// start alone; the cluster lives until Close. Not finding anybody is no error:
// it goes on trying, and Joined says how it went. An address that cannot be
// bound is an error that names it. The node begins as Joining.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	entries, err := parseJoin(o.Join)
	if err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c := &Cluster{opts: o, inbox: newInbox(o.Name), conflicts: map[string]conflict{}}
	c.flush, c.news = make(chan chan struct{}), make(chan struct{}, 1)
	c.closing, c.close = context.WithCancel(context.Background())
	joining, stopJoin := context.WithCancel(c.closing)
	c.stopJoin = stopJoin
	c.nobody.Store(len(entries) == 0)
	c.members.Store(&[]Member{})

	at, err := c.open(ctx)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c.counters = c.register(o.Metrics)
	c.roster = roster{self: o.Name, own: *c.own.Load(), members: map[string]Member{}}
	c.running.Go(c.run)
	if c.gossip != nil {
		j := c.joiner(entries, at)
		c.running.Go(func() { j.run(joining) })
	}
	return c, nil
}

// Members returns what is known of all nodes, sorted by name, with those that
// went silent within the last hour. The slice is the caller's.
func (c *Cluster) Members() []Member { return slices.Clone(*c.members.Load()) }

// Self returns this node as the others are told of it; Since is not set.
func (c *Cluster) Self() Member {
	own := c.own.Load()
	return readMember(own, c.opts.Name, sighting{meta: own.encode(), address: c.address})
}

// Joined reports whether another node has been seen, or there is none to look
// for: no join entry names any address but this node's own.
func (c *Cluster) Joined() bool { return c.others.Load() || c.nobody.Load() }

// Leave tells the others that this node goes, so that they do not take it for
// failed; it becomes Draining if it is not yet. It waits until that is said, at
// most 4 s and no longer than ctx; its error means that the others may have to
// find out for themselves. Close after.
func (c *Cluster) Leave(ctx context.Context) error {
	said := make(chan error, 1)
	c.life.Lock()
	if c.closed {
		c.life.Unlock()
		return ErrClosed
	}
	c.farewell.Go(func() { said <- c.depart() })
	c.life.Unlock()
	var err error
	select {
	case err = <-said:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("leave the cluster: %w", err)
	}
	return nil
}

func (c *Cluster) depart() error {
	err := c.SetState(Draining)
	c.stopJoin()
	if err != nil || c.gossip == nil {
		return err
	}
	// The others tell a node that left from one that failed by its last state,
	// so that has to be out before the farewell takes its place in the queue.
	if err := c.gossip.UpdateNode(announceTimeout); err != nil {
		c.opts.Log.Warn("the others may take this node for failed", "error", err)
	}
	return c.gossip.Leave(announceTimeout)
}

// Close ends the gossip and waits for everything that Start and Leave began.
// Without a Leave before it the others take the node for failed. It may be
// called again.
func (c *Cluster) Close() error {
	c.life.Lock()
	first := !c.closed
	c.closed = true
	c.life.Unlock()
	c.farewell.Wait()
	c.close()
	var err error
	if first && c.gossip != nil {
		err = c.gossip.Shutdown()
	}
	c.running.Wait()
	return err
}

// run takes in the news until the cluster closes.
func (c *Cluster) run() {
	for {
		select {
		case <-c.inbox.wake:
			c.look()
		case looked := <-c.flush:
			c.look()
			close(looked)
		case <-c.closing.Done():
			return
		}
	}
}

// look brings ring, members and OnChange up to date, in this order: whoever sees
// a member gone sees a ring without it.
func (c *Cluster) look() {
	news, conflicts := c.inbox.take()
	c.report(conflicts)
	changes := c.roster.apply(news, c.opts.Now())
	if len(changes) == 0 {
		return
	}
	for _, change := range changes {
		c.logChange(change)
	}
	if owners := c.roster.owners(); !slices.Equal(owners, c.opts.Ring.Load().Members()) {
		c.opts.Ring.Store(ring.Build(owners))
		c.counters.ringChanges.Inc()
	}
	members := c.roster.list()
	c.members.Store(&members)
	if c.roster.others() {
		c.others.Store(true)
	}
	if c.opts.OnChange != nil {
		c.opts.OnChange(slices.Clone(members))
	}
}
