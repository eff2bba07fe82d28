// Package node is one Rookery node's way of a read: hot set, own disk, owner,
// S3. It owns the decision where an object's bytes come from, the flights that
// bring them from S3, and the bound on the memory that flights hold. It knows
// no HTTP and no sockets: the origin and the other nodes are small interfaces.
//
// Read the way of a read in read.go (for a client), then local.go (what this
// node does itself, for a client or for another node), then flight.go.
package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sync/semaphore"

	"rookery/object"
	"rookery/purge"
	"rookery/ring"
	"rookery/store"
)

// Origin is a bucket's S3. Errors are *object.OriginError, object.ErrGone (the
// version asked for is not there any more), object.ErrBroken, or the context's.
// It bounds every wait for S3 itself. Safe for concurrent use.
type Origin interface {
	// Head returns the object's info. ifNoneMatch is not used by this package.
	Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error)
	// Get starts one GET. The caller closes the answer's Body, which gives exactly
	// Length bytes or an error.
	Get(ctx context.Context, fetch object.Fetch) (*object.Fetched, error)
	// Query gives a document in place of an object.
	Query(ctx context.Context, q object.Query) (*object.Document, error)
}

// Peers reads from other nodes. An error for which errors.Is(err,
// object.ErrUnreachable) holds means that the named node gave no answer and
// another may be asked. Safe for concurrent use.
type Peers interface {
	Open(ctx context.Context, node string, ask *object.Ask) (*object.Answer, error)
}

// Options of New. Store, Ring, Purges and Buckets are required; Peers may be nil for a
// node that is alone.
type Options struct {
	Name  string // this node's name in the ring
	Store *store.Store
	Ring  *ring.Ring
	// Purges is what this node knows of the council, which keeps it up to date.
	Purges  *purge.State
	Peers   Peers
	Buckets map[string]Bucket
	// FlightBytes bounds the memory that flights hold, in bytes; at least one
	// chunk.
	FlightBytes int64
	// FinishBytes: a flight that nobody reads any more goes on only while no more
	// than this is left of it.
	FinishBytes int64
	// MaxWaiting bounds how many reads wait for S3 or another node before their
	// first byte; further ones are object.ErrBusy. 0: no bound.
	MaxWaiting int
	Now        func() time.Time
	Log        *slog.Logger
	Metrics    *metrics.Set
}

// Node answers reads. Safe for concurrent use.
type Node struct {
	name      string
	store     *store.Store
	ring      *ring.Ring
	purges    *purge.State
	peers     Peers
	buckets   atomic.Pointer[Buckets]
	now       func() time.Time
	metrics   *metrics.Set
	log       *slog.Logger
	count     *counters
	flights   *flights
	handOff   *handOff
	standIns  *standIns
	deaf      *deaf
	negatives *negatives
	popular   popular
	sequences *sequences
	gate      *gate

	ctx    context.Context // ends with the node; fetches run on it
	cancel context.CancelFunc
	work   sync.WaitGroup // every goroutine of the node

	moment moment

	mu    sync.Mutex
	calls map[object.Hash]*call
}

// New returns a node that is ready to read. Close it before its Store.
func New(o Options) (*Node, error) {
	if o.Purges == nil {
		return nil, errors.New("node: without the purges it could serve what is dead")
	}
	if o.FlightBytes < object.ChunkBytes {
		return nil, errors.New("node: flights need room for at least one chunk")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	n := &Node{
		name: o.Name, store: o.Store, ring: o.Ring, purges: o.Purges, peers: o.Peers, metrics: o.Metrics,
		now: o.Now, log: o.Log, negatives: newNegatives(o.Now), sequences: newSequences(),
		calls: make(map[object.Hash]*call),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.flights = &flights{
		node: n, budget: semaphore.NewWeighted(o.FlightBytes), recent: recent{max: o.FlightBytes / 4},
		maxBytes: o.FlightBytes, finishBytes: o.FinishBytes, byVersion: make(map[versionKey][]*run),
	}
	n.handOff, n.standIns, n.deaf = newHandOff(n), newStandIns(n.now), newDeaf(n.now)
	n.gate = newGate(o.MaxWaiting, o.Metrics)
	n.count = newCounters(o.Metrics, n.flights)
	n.Use(&Buckets{node: n})
	n.Use(n.Prepare(o.Buckets))
	return n, nil
}

// Close ends all fetches and waits for them. Bodies that are still being read
// fail.
func (n *Node) Close() error {
	n.mu.Lock() // who starts work holds one of the two, and has looked at ctx
	n.flights.mu.Lock()
	n.cancel()
	n.flights.mu.Unlock()
	n.mu.Unlock()
	n.work.Wait()
	return nil
}

// Flights returns how many fetches from S3 are in progress, and the bytes of
// memory they hold.
func (n *Node) Flights() (count int, bytes int64) { return n.flights.load() }

// owners returns who holds an extent, the owner first.
func (n *Node) owners(key object.Key, extent int64) []string {
	return n.ring.Load().Owners(key, extent)
}

func (n *Node) owns(key object.Key, extent int64) bool {
	owners := n.owners(key, extent)
	return len(owners) == 0 || owners[0] == n.name
}
