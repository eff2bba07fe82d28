package council

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// errClosed: the Council has been closed.
var errClosed = errors.New("the council is closed")

// Council is one node's part in the council. Its methods are safe for any number
// of goroutines. Whoever opened it closes it.
type Council struct {
	o      Options
	id     string // this node's raft id
	pool   *pool
	kept   *kept
	follow *follower
	counts counts
	told   atomic.Int64 // when a failing disk was last told of

	moving sync.Mutex // held on the way from one council to another

	mu   sync.Mutex // guards all below
	own  allegiance
	seat *seat // nil while there is no council
	shut bool

	ready     chan struct{}
	readyOnce sync.Once
	closing   context.Context
	close     context.CancelFunc
	running   sync.WaitGroup
}

// Open opens the council of a node. A node that was in one before is in it again;
// others wait until they are invited, or found one if that is for them to do.
func Open(o Options) (*Council, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	id, err := o.raftID()
	if err != nil {
		return nil, fmt.Errorf("open the council: %w", err)
	}
	own, err := sworn(o.Disk)
	if err != nil {
		return nil, fmt.Errorf("open the council: %w", err)
	}
	o.State.Join([16]byte{}) // whatever an earlier disk had: it is as new as the log
	c := &Council{o: o, id: id, own: own, ready: make(chan struct{})}
	c.closing, c.close = context.WithCancel(context.Background())
	c.pool = newPool(c.connect, o.Now)
	if c.kept, err = openKept(o.Disk); err != nil {
		return nil, fmt.Errorf("open the council: %w", err)
	}
	c.follow = newFollower(c)
	c.counts = c.register(o.Metrics)
	if own.council != ([16]byte{}) {
		if c.seat, err = c.sit(own); err != nil {
			c.close()
			c.counts.close()
			return nil, fmt.Errorf("open the council: %w", err)
		}
	}
	o.Announce(own.council, id)
	if own.council == ([16]byte{}) && (o.Founder || o.Alone) {
		c.running.Go(c.foundWhenTime)
	}
	return c, nil
}

// Ready returns a channel that is closed when the node is a member that has been
// granted its first lease: it knows every purge from before then.
func (c *Council) Ready() <-chan struct{} { return c.ready }

// ID returns this node's raft id.
func (c *Council) ID() string { return c.id }

// Status returns what this node knows.
func (c *Council) Status() Status {
	c.mu.Lock()
	own, s := c.own, c.seat
	c.mu.Unlock()
	status := Status{ID: own.council, Applied: c.o.State.Note().Applied, Waiting: c.kept.count()}
	if s == nil {
		return status
	}
	_, leader := s.raft.LeaderWithID()
	status.Leader, status.Term, status.Commit = nameOf(string(leader)), s.raft.CurrentTerm(), s.raft.CommitIndex()
	status.Lease, _ = s.machine.leases()
	voters, members := map[string]bool{}, map[string]bool{}
	for _, m := range s.members() {
		members[nameOf(string(m.ID))] = true
		if m.Suffrage == raft.Voter {
			voters[nameOf(string(m.ID))] = true
		}
	}
	status.Voters, status.Members = sortedKeys(voters), sortedKeys(members)
	return status
}

// Close ends the node's part: its lease, its vote until it is opened again, and
// all that the Council has begun. It may be called again.
func (c *Council) Close() error {
	c.close()
	c.moving.Lock()
	c.mu.Lock()
	s, again := c.seat, c.shut
	c.seat, c.shut = nil, true
	c.mu.Unlock()
	c.moving.Unlock()
	c.pool.close()
	if s != nil {
		s.close()
	}
	c.running.Wait()
	if !again {
		c.counts.close()
		c.o.State.Revoke()
	}
	return nil
}

// present returns the seat and the council's id, or why there is none.
func (c *Council) present() (*seat, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.shut:
		return nil, errClosed
	case c.seat == nil:
		return nil, ErrNoCouncil
	}
	return c.seat, nil
}

// move makes the node one of another council, if it is still in the one that the
// decision was taken in. It is the only way from one to another, and none leads
// back.
func (c *Council) move(from [16]byte, to allegiance, found bool) error {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.mu.Lock()
	old, own := c.seat, c.own
	if c.shut || own.council != from {
		defer c.mu.Unlock()
		if c.shut {
			return errClosed
		}
		return errOtherCouncil
	}
	c.seat = nil
	c.mu.Unlock()
	if old != nil {
		old.close()
	}
	c.pool.drop()
	if to.council != own.council { // or it is there, and only has to sit down
		if err := swear(c.o.Disk, to, found); err != nil {
			return errors.Join(err, c.sitDown(own))
		}
	}
	return c.sitDown(to)
}

// sitDown takes the node's place in a council that it has sworn to. moving is held.
func (c *Council) sitDown(a allegiance) error {
	if a.council == ([16]byte{}) {
		return nil
	}
	s, err := c.sit(a)
	c.mu.Lock()
	c.own, c.seat = a, s
	c.mu.Unlock()
	if err != nil {
		return err
	}
	c.o.Announce(a.council, c.id)
	return nil
}

// place returns which council the node has sworn to, and its seat if it has one.
func (c *Council) place() (allegiance, *seat, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return allegiance{}, nil, errClosed
	}
	return c.own, c.seat, nil
}

// spawn runs do in a goroutine that Close waits for; false if that has begun.
func (c *Council) spawn(do func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return false
	}
	c.running.Go(do)
	return true
}

// nameOf returns the name of the node with a raft id.
func nameOf(id string) string {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i]
	}
	return id
}

// resolve returns where the node with a raft id is.
func (c *Council) resolve(id string) (node, address string, err error) {
	name := nameOf(id)
	for _, m := range c.directory() {
		if m.Name != name {
			continue
		}
		if m.RaftID != "" && m.RaftID != id {
			return "", "", errOtherNode
		}
		return m.Name, m.PeerAddress, nil
	}
	return "", "", fmt.Errorf("%s is not known", name)
}

// directory returns what gossip says; a node alone says it of itself.
func (c *Council) directory() []Member {
	if c.o.Alone {
		c.mu.Lock()
		defer c.mu.Unlock()
		return []Member{{Name: c.o.Name, RaftID: c.id, Council: c.own.council}}
	}
	return c.o.Directory()
}

// connect opens a connection to the member with a raft id.
func (c *Council) connect(ctx context.Context, id string, h hello) (net.Conn, error) {
	if c.o.Alone {
		return nil, errors.New("this node is alone")
	}
	node, address, err := c.resolve(id)
	if err != nil {
		return nil, err
	}
	conn, err := c.o.Dial(ctx, node, address)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", node, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	h.wanted, h.from = id, c.id
	err = greet(conn, &h, helloTimeout)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("call %s: %w", node, err)
	}
	return conn, nil
}
