package council

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/purge"
)

// Member is what gossip says of a node.
type Member struct {
	Name        string
	RaftID      string // what the node announced; "" until it has
	PeerAddress string
	Council     [16]byte // zero: it belongs to none
	Draining    bool     // it is about to leave, or has left
	Failed      bool     // it has gone silent
}

// Options are what a Council needs. Those without a comment on their default are
// required.
type Options struct {
	Name  string
	Disk  Disk
	State *purge.State
	// DiskID names the disk, and changes when the disk has lost what it kept.
	// Default: an id that is kept on it.
	DiskID [16]byte

	// Founder is set on the one node that may found the council, which it does as
	// its sole voter when Expect names, its own among them, are in the Directory
	// and none of the nodes there has a council.
	Founder bool
	Expect  int // default 1

	// Alone is a node without peers: it is never called and calls nobody.
	Alone bool

	// Lease is for how long a node may serve what it holds after it has last heard
	// from the council; the leader's counts. Default 5 s.
	Lease time.Duration
	// ForgetAfter is after how long a member that is gone is removed. Default 1 h.
	ForgetAfter time.Duration
	// ReplaceAfter is after how long a voter that is gone is replaced. Default 1 min.
	ReplaceAfter time.Duration
	// Heartbeat is after how long without one the voters elect another leader.
	// Default 1 s.
	Heartbeat time.Duration

	// Directory returns what gossip knows, this node included. It must not wait.
	Directory func() []Member
	// Changed returns a channel that is closed when the Directory changes; nil
	// means that the Directory is looked at now and then.
	Changed func() <-chan struct{}
	// Announce tells gossip which council this node belongs to and under which id.
	Announce func(council [16]byte, raftID string)
	// Dial connects to a node's ServeConn, and to no other node's.
	Dial func(ctx context.Context, node, address string) (net.Conn, error)

	// SnapshotEvery and KeepEntries are after how many entries the log is cut, and
	// how many stay for those who are a little late. Default 4096 and 2048.
	SnapshotEvery, KeepEntries uint64

	// MaxFloors is how many floors there may be before the leader has the oldest of
	// them forgotten. Default 200,000.
	MaxFloors int

	Now     func() time.Time // default time.Now
	Log     *slog.Logger
	Metrics *metrics.Set
}

func (o *Options) complete() error {
	switch {
	case o.Name == "" || o.Disk == nil || o.State == nil || o.Log == nil || o.Metrics == nil:
		return errors.New("council: a name, a disk, a state, a log and metrics are needed")
	case !o.Alone && (o.Directory == nil || o.Dial == nil):
		return errors.New("council: a node with peers needs a directory and a way to them")
	}
	if o.Announce == nil {
		o.Announce = func([16]byte, string) {}
	}
	if o.Changed == nil {
		o.Changed = func() <-chan struct{} { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Expect = max(o.Expect, 1)
	o.Lease = fallback(o.Lease, 5*time.Second)
	o.ForgetAfter = fallback(o.ForgetAfter, time.Hour)
	o.ReplaceAfter = fallback(o.ReplaceAfter, time.Minute)
	o.Heartbeat = fallback(o.Heartbeat, time.Second)
	o.SnapshotEvery, o.KeepEntries = fallback(o.SnapshotEvery, 4096), fallback(o.KeepEntries, 2048)
	o.MaxFloors = fallback(o.MaxFloors, 200_000)
	return nil
}

func fallback[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// askEvery is how often a member asks for a lease: five times while one runs.
func (o *Options) askEvery() time.Duration { return o.Lease / 5 }

// tickEvery is how long the leader gathers requests before a tick, so that many
// members cost the log no more than a few.
func (o *Options) tickEvery() time.Duration { return o.Lease / 50 }

// margin is a duration as another clock may measure it, which runs at most a
// tenth slower or faster.
func margin(d time.Duration) time.Duration { return d + d/10 }
