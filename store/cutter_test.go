package store

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// cutter keeps what power cuts leave of a disk.
type cutter struct {
	disk *vfs.MemFS
	on   atomic.Bool

	mu   sync.Mutex
	rng  *rand.Rand
	cuts int
	left []*vfs.MemFS // at most cutsKept, each cut with the same chance
}

// beforeSyncs returns a hook that cuts the power before each sync.
func (c *cutter) beforeSyncs() errorfs.Injector {
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if c.on.Load() {
				c.cut()
			}
		}
		return nil
	})
}

// cut keeps a copy of the disk with a random share of what is not synced.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
	place := len(c.left)
	if place == cutsKept {
		if place = c.rng.IntN(c.cuts); place >= cutsKept {
			return
		}
	} else {
		c.left = append(c.left, nil)
	}
	c.left[place] = c.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(101), RNG: c.rng})
}

func (c *cutter) taken() []*vfs.MemFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}
