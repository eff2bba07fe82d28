package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestConcurrentUse has writers, readers, the keeper and a failing disk at once,
// in a capacity that is always being reclaimed. Run it with the race detector.
func TestConcurrentUse(t *testing.T) {
	for name, rate := range map[string]float64{"good disk": 0, "bad disk": 0.003} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			bad := &faults{rng: rand.New(rand.NewPCG(1, 5))}
			opt := tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock)
			s := mustOpen(t, opt)
			defer mustClose(t, s)
			bad.set(rate, nil)
			var workers sync.WaitGroup
			var hits atomic.Int64
			for w := range uint64(4) {
				workers.Go(func() {
					n, err := churn(s, w, 300)
					hits.Add(n)
					if err != nil {
						t.Error(err)
					}
				})
			}
			workers.Go(func() {
				for range 40 {
					clock.Advance(retryAfter / 4)
					s.tick()
					if st := s.Stats(); st.Used > st.Capacity {
						t.Errorf("%d used of %d", st.Used, st.Capacity)
					}
				}
			})
			workers.Wait()
			bad.set(0, nil)
			settle(t, s, clock)
			if st := s.Stats(); st.EvictedRecords == 0 || hits.Load() == 0 {
				t.Errorf("%d evictions, %d hits", st.EvictedRecords, hits.Load())
			}
		})
	}
}

// churn puts and reads objects that all workers share. It returns how many
// reads hit.
func churn(s *Store, seed uint64, rounds int) (hits int64, err error) {
	rng := rand.New(rand.NewPCG(seed, 6))
	for range rounds {
		n := rng.Int64N(60)
		o := newThing(fmt.Sprint(n), "v", 1000+n*900)
		info := o.info()
		for _, err := range []error{
			s.PutInfo(o.key(), &info),
			s.PutChunk(o.key(), o.version(), o.Size, 0, o.note(), o.chunk(0)),
			s.DropInfo(o.key(), o.version()),
		} {
			if err != nil && !errors.Is(err, ErrFull) {
				return hits, err
			}
		}
		m := rng.Int64N(60)
		held, err := newThing(fmt.Sprint(m), "v", 1000+m*900).checkChunk(s, 0)
		if err != nil {
			return hits, err
		}
		if held {
			hits++
		}
	}
	return hits, nil
}
