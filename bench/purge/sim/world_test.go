package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/bench/purge/history"
	"rookery/object"
	"rookery/ring"
)

// world is everything that is simulated.
type world struct {
	record  history.Recorder
	things  *things
	network *network
	hosts   map[string]*host
	council assembly
	keys    []object.Key
	rings   []*ring.Snapshot // of all sets of members, the last of all hosts

	left    atomic.Int64 // operations to go
	serial  atomic.Int64 // of purges
	counts  counts
	failing sync.Once
	// striking is what is being done to hosts.
	striking sync.WaitGroup
	defect   atomic.Pointer[error] // of the simulation, or a node that does not start
}

// counts are what there was beside the history.
type counts struct {
	mu       sync.Mutex
	refused  int             // GETs that got no answer, or an error
	answered map[string]int  // by outcome and source
	troubles map[string]int  // by name
	took     []time.Duration // of purges, until they were complete
	events   []event         // for who looks for the reason of a violation
}

// event is something that happened to the world.
type event struct {
	at   history.Moment
	time time.Time
	what string
}

func newWorld(seed uint64, council func(*world) assembly) (*world, error) {
	w := &world{network: &network{cut: make(map[[2]string]bool)}, hosts: make(map[string]*host)}
	w.things = &things{record: &w.record, versions: make(map[object.Key][]*version)}
	w.counts.answered, w.counts.troubles = make(map[string]int), make(map[string]int)
	w.council = council(w)
	for set := 1; set < 1<<len(hostNames); set++ {
		var members []string
		for i, name := range hostNames {
			if set&(1<<i) != 0 {
				members = append(members, name)
			}
		}
		w.rings = append(w.rings, ring.Build(members))
	}
	w.keys = keys()
	r := rand.New(rand.NewPCG(seed, 0))
	for _, key := range w.keys {
		w.overwrite(r, key)
	}
	var errs []error
	for _, name := range hostNames {
		h := &host{name: name, world: w, began: time.Now(), rate: 0.96 + 0.08*r.Float64(), disk: vfs.NewCrashableMem()}
		h.ring.Store(w.rings[len(w.rings)-1])
		w.hosts[name] = h
	}
	for _, name := range hostNames {
		errs = append(errs, w.hosts[name].start())
	}
	time.Sleep(5 * lease) // the council is founded
	return w, errors.Join(errs...)
}

// close ends all processes.
func (w *world) close() error {
	w.network.heal()
	var errs []error
	for _, h := range w.hosts {
		h.struck.Lock()
		errs = append(errs, h.gate.goOn(), h.end())
		h.struck.Unlock()
	}
	return errors.Join(errs...)
}

// fail keeps the first defect, and ends the run.
func (w *world) fail(err error) {
	w.failing.Do(func() { w.defect.Store(&err) })
	w.left.Store(0)
}

// run does so many operations with so many clients, and brings trouble meanwhile.
func (w *world) run(seed uint64, operations, clients int) error {
	w.left.Store(int64(operations))
	ctx, cancel := context.WithCancel(context.Background())
	var working, troubling sync.WaitGroup
	troubling.Go(func() { w.trouble(ctx, rand.New(rand.NewPCG(seed, 1))) })
	for i := range clients {
		r := rand.New(rand.NewPCG(seed, uint64(i)+2))
		working.Go(func() {
			for w.left.Add(-1) >= 0 {
				w.one(r)
			}
		})
	}
	working.Wait()
	cancel()
	troubling.Wait()
	if err := w.defect.Load(); err != nil {
		return *err
	}
	return w.calm(rand.New(rand.NewPCG(seed, 2)))
}

// calm is what comes after all trouble: a purge of everything, and a read of
// everything through everybody.
func (w *world) calm(r *rand.Rand) error {
	w.network.heal()
	w.things.prompt.Store(true)
	time.Sleep(5 * lease)
	w.purge(r, hostNames[0], everything, false)
	for _, key := range w.keys {
		for _, name := range hostNames {
			if !w.get(r, name, key) && !w.get(r, name, key) {
				return fmt.Errorf("%s gives no answer about %s after all trouble", name, key)
			}
		}
	}
	return nil
}
