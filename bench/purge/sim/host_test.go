package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/node"
	"rookery/purge"
	"rookery/ring"
	"rookery/store"
)

const (
	lease = 2 * time.Second
	// longBucket is fresh for long, shortBucket for a moment.
	longBucket, shortBucket = "long", "short"
)

var hostNames = []string{"rook-0", "rook-1", "rook-2", "rook-3"}

// host is a machine: a disk, a clock, a place on the network, and a process from
// time to time.
type host struct {
	name  string
	world *world
	gate  gate
	lag   atomic.Int64 // nanoseconds that a message from or to it takes longer
	ring  ring.Ring    // as this host sees it
	// began and rate are its clock: the rates of two hosts differ by 8 % at most.
	began time.Time
	rate  float64

	struck  sync.Mutex // held by what happens to the host
	disk    *vfs.MemFS // guarded by struck
	lives   int        // guarded by struck
	look    int        // guarded by struck: which of its configurations it has
	process atomic.Pointer[instance]
}

// instance is one life of a host's process.
type instance struct {
	name  string // of this life
	node  *node.Node
	store *store.Store
	state *purge.State
	seat  seat
}

func (h *host) now() time.Time {
	return h.began.Add(time.Duration(float64(time.Since(h.began)) * h.rate))
}

// running is the host's process, nil if there is none.
func (h *host) running() *instance { return h.process.Load() }

// start runs a process on the host's disk. struck is held.
func (h *host) start() error {
	s, err := store.Open(store.Options{
		Dir: "/cache", FS: carefulFS{h.disk}, Capacity: 64 << 20, SegmentBytes: 4 << 20, IndexMemory: 4 << 20, HotBytes: 8 << 20, Now: h.now,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	state := purge.NewState()
	n, err := node.New(node.Options{
		Name: h.name, Store: s, Ring: &h.ring, Purges: state, Peers: &peers{h.world, h}, FlightBytes: 32 << 20, DocumentBytes: 4 << 20,
		Now: h.now, Buckets: h.buckets(),
	})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	place, err := h.world.council.sit(h, state)
	if err != nil {
		return errors.Join(err, n.Close(), s.Close())
	}
	h.lives++
	h.process.Store(&instance{name: fmt.Sprintf("%s life %d", h.name, h.lives), node: n, store: s, state: state, seat: place})
	return nil
}

// end ends the process in good order. struck is held.
func (h *host) end() error {
	i := h.process.Swap(nil)
	if i == nil {
		return nil
	}
	i.seat.leave()
	return errors.Join(i.node.Close(), i.store.Close())
}

// kill ends the process at once: of what it has not synced, the disk has some.
// struck is held.
func (h *host) kill() error {
	left := h.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rand.IntN(101), RNG: rand.New(rand.NewPCG(rand.Uint64(), 0))})
	err := h.end()
	h.disk = left
	return err
}

// lose makes a host's disk an empty one. struck is held.
func (w *world) lose(h *host) error {
	h.disk = vfs.NewCrashableMem()
	w.council.lost(h)
	return nil
}
