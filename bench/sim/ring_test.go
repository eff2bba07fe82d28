package sim

import (
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"rookery/object"
	"rookery/ring"
)

// placement is who owns each of the sampled keys, and who would come next.
type placement struct{ owner, next []string }

func place(s *ring.Snapshot) placement {
	p := placement{make([]string, *keysFlag), make([]string, *keysFlag)}
	key := object.Key{Bucket: "sim"}
	for i := range p.owner {
		key.Name = strconv.Itoa(i)
		owners := s.Owners(key, 0)
		p.owner[i], p.next[i] = owners[0], owners[1]
	}
	return p
}

// spread is the fullest and the emptiest member's share over the average.
func (p placement) spread(members int) (most, least float64) {
	count := make(map[string]int, members)
	for _, o := range p.owner {
		count[o]++
	}
	low, high := len(p.owner), 0
	for _, n := range count {
		low, high = min(low, n), max(high, n)
	}
	if len(count) < members {
		low = 0
	}
	average := float64(len(p.owner)) / float64(members)
	return float64(high) / average, float64(low) / average
}

// change is what a change of the members moved.
type change struct {
	moved float64 // the share of all keys that has another owner now
	// needed is the share that had to move: to who joined, or from who went.
	needed float64
	// handedOn is the share of what moved that the nodes can hand on by asking one
	// node: the new owner was next in line before, or the old one is next now.
	handedOn float64
}

func compare(before, after placement, was, is []string) change {
	there := func(members []string) map[string]bool {
		set := make(map[string]bool, len(members))
		for _, m := range members {
			set[m] = true
		}
		return set
	}
	old, now := there(was), there(is)
	moved, needed, handedOn := 0, 0, 0
	for i := range before.owner {
		if !now[before.owner[i]] || !old[after.owner[i]] {
			needed++
		}
		if before.owner[i] == after.owner[i] {
			continue
		}
		moved++
		if before.next[i] == after.owner[i] || after.next[i] == before.owner[i] {
			handedOn++
		}
	}
	all := float64(len(before.owner))
	return change{float64(moved) / all, float64(needed) / all, float64(handedOn) / max(1, float64(moved))}
}

// buildCost is what one Build costs the goroutine that makes it.
func buildCost(members []string) (s *ring.Snapshot, took time.Duration, allocs, bytes uint64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	s = ring.Build(members)
	took = time.Since(start)
	runtime.ReadMemStats(&after)
	return s, took, after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
}

// What the ring of many members is like, and what moves when one joins, one
// leaves, and a tenth fails at once.
func TestRingAtScale(t *testing.T) {
	for _, n := range sizes(t) {
		members := names(n + 1)
		s, took, allocs, bytes := buildCost(members[:n])
		before := place(s)
		most, least := before.spread(n)
		t.Logf("%4d nodes: fullest / average %.3f, emptiest / average %.3f; Build %v, %d allocations, %.1f MB",
			n, most, least, took.Round(100*time.Microsecond), allocs, float64(bytes)/1e6)
		failed := max(1, n/10)
		for _, c := range []struct {
			what    string
			members []string
			ideal   float64
		}{
			{"one joins", members, 1 / float64(n+1)},
			{"one leaves", slices.Delete(slices.Clone(members[:n]), n/2, n/2+1), 1 / float64(n)},
			{strconv.Itoa(failed) + " fail", members[failed:n], float64(failed) / float64(n)},
		} {
			got := compare(before, place(ring.Build(c.members)), members[:n], c.members)
			t.Logf("%4d nodes, %-10s: moved %.4f of the keys, ideal %.4f; that is %.3f times what had to move; %.4f of it to or from the next in line",
				n, c.what, got.moved, c.ideal, got.moved/got.needed, got.handedOn)
			if n <= 100 && got.moved > 1.25*got.needed {
				t.Errorf("%d nodes, %s: %.4f of the keys moved, %.4f had to", n, c.what, got.moved, got.needed)
			}
		}
		if n <= 100 && most > 1.30 {
			t.Errorf("%d nodes: the fullest has %.3f of the average", n, most)
		}
	}
}
