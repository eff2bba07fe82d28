package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/hashicorp/memberlist"

	"rookery/ring"
)

// Options say who this node is and how it finds the others. What is not marked
// as optional must be given.
type Options struct {
	Name    string // unique in the cluster, at most 128 bytes
	Zone    string // optional
	Version string // of the program; optional

	// GossipKey encrypts the gossip: 16, 24 or 32 bytes. Without one the node
	// gossips with nobody: it opens no socket and is a cluster of its own, Bind
	// and Advertise mean nothing, and a Join is refused (ErrUnencrypted).
	GossipKey []byte
	// OtherKeys decrypt gossip, too: keys that some nodes encrypt with by now, or still.
	OtherKeys [][]byte
	// Label names the cluster: nodes with another one, or none, are not of it, whatever
	// keys they have. At most 63 bytes; optional.
	Label string
	// Bind is the host:port of the gossip's TCP and UDP sockets; port 0 takes a
	// free one.
	Bind string
	// Advertise is the host or host:port at which the others reach Bind. Empty:
	// the bound address, or if that is unspecified a private address of this
	// machine, or else any that leads out.
	Advertise string
	// PeerAddress is the host:port at which the others read from this node. Where
	// its host is empty or unspecified, the host of Advertise is told to them.
	PeerAddress string
	// Join names nodes to find the others through: host:port or dns+host:port.
	// Every address that a name has is tried, again and again.
	Join []string

	// PeerProtocol is the newest protocol that this node speaks between peers,
	// PeerProtocolMin the oldest (0: the same).
	PeerProtocol, PeerProtocolMin uint16
	// Fingerprint is the ring's scheme; empty: ring.Fingerprint().
	Fingerprint string

	// Ring is given a new snapshot whenever the ready and fitting members change.
	Ring *ring.Ring
	// OnChange, if not nil, is called with all members, sorted by name, after
	// every change and after the ring has it. Calls come from one goroutine, the
	// first maybe before Start returns; the slice is the callee's. It must not
	// call SetState, SetCouncil, Leave or Close, and holds up the membership
	// while it runs.
	OnChange func([]Member)

	Profile Profile
	Log     *slog.Logger     // nil: no logs
	Metrics *metrics.Set     // nil: counted, but not shown; one cluster per Set
	Now     func() time.Time // nil: time.Now

	// Transport takes the place of the sockets, for tests; Bind is not opened
	// then. Close shuts it down.
	Transport memberlist.Transport

	tune   func(*memberlist.Config) // tests: faster gossip
	lookup lookupFunc               // tests: another DNS

	strangers *strangers
}

// Profile is how patient the gossip is.
type Profile uint8

// The profiles.
const (
	// LAN finds a silent node within about 7 s in a small cluster.
	LAN Profile = iota
	// Loopback is for nodes on one machine: within about 3 s.
	Loopback
)

// ErrUnencrypted says that a node is to gossip with others, without a key.
var ErrUnencrypted = errors.New("gossip with other nodes needs a gossip key")

const (
	maxNameBytes  = 128
	maxLabelBytes = 63
)

// complete checks what was given and fills in what is optional.
func (o *Options) complete() error {
	if err := checkKeys(o.OtherKeys); err != nil {
		return err
	}
	switch n := len(o.GossipKey); {
	case o.Name == "" || len(o.Name) > maxNameBytes:
		return fmt.Errorf("node name %q: 1 to %d bytes are wanted", o.Name, maxNameBytes)
	case o.Ring == nil:
		return errors.New("no ring to feed")
	case len(o.Label) > maxLabelBytes:
		return fmt.Errorf("label of %d bytes: at most %d are wanted", len(o.Label), maxLabelBytes)
	case n == 0 && (len(o.Join) > 0 || o.Transport != nil):
		return ErrUnencrypted
	case n != 0:
		if err := checkKeys([][]byte{o.GossipKey}); err != nil {
			return err
		}
	}
	if o.PeerProtocolMin == 0 {
		o.PeerProtocolMin = o.PeerProtocol
	}
	if o.Fingerprint == "" {
		o.Fingerprint = ring.Fingerprint()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.lookup == nil {
		o.lookup = lookupDNS
	}
	o.strangers = newStrangers(o)
	return nil
}

// alone reports whether the node gossips with nobody.
func (o *Options) alone() bool { return len(o.GossipKey) == 0 }

// gossip returns memberlist's configuration, but for its addresses.
func (o *Options) gossip() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.TCPTimeout = 5 * time.Second
	// A node that is busy answers late: 14 s, in place of memberlist's 5, before it
	// is taken for failed. Reads do not wait for that: who does not answer is
	// passed over at once, while a ring without it moves its keys.
	c.ProbeInterval, c.ProbeTimeout, c.SuspicionMult = 2*time.Second, time.Second, 6
	if o.Profile == Loopback {
		c.TCPTimeout = time.Second
		c.ProbeInterval = 400 * time.Millisecond
		c.ProbeTimeout = 200 * time.Millisecond
		c.SuspicionMult = 4
		c.GossipInterval = 50 * time.Millisecond
		c.PushPullInterval = 10 * time.Second
	}
	c.Name = o.Name
	c.Label = o.Label
	c.Logger = gossipLog(o.Log, o.strangers)
	// Without it a pod that comes back with another address is refused forever.
	c.DeadNodeReclaimTime = 30 * time.Second
	if o.tune != nil {
		o.tune(c)
	}
	return c
}
