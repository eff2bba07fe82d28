package purge

import (
	"fmt"
	"testing"
	"time"

	"rookery/object"
)

// underFloors is a state with so many floors of prefixes in bucket "b", twenty
// of which lie over keys like deepName.
func underFloors(n int) *State {
	s := joined()
	for i := range n {
		name := fmt.Sprintf("photos/%04d/%04d/", i/100, i%100)
		if i < 20 {
			name = deepName[:len(deepName)*(i+1)/20]
		}
		s.Apply(uint64(i)+1, order(i%2 == 0, Scope{Prefix, "b", name}))
	}
	s.Apply(uint64(n)+1, order(false, Scope{Prefix, "b", "another/"})) // newer than any note
	return s
}

const deepName = "videos/2026/11/25/camera-0017/segments/part-000123.ts"

// judgedKeys are a name without floors, one under a few, and one under many.
var judgedKeys = []object.Key{
	keyOf("b", "photos/0050/0077/picture.jpg"),
	keyOf("b", "documents/2026/a name of usual length.pdf"),
	keyOf("b", deepName),
}

func BenchmarkJudge(b *testing.B) {
	for _, floors := range []int{0, 100, 10_000, 100_000} {
		s := underFloors(floors)
		for _, key := range judgedKeys {
			b.Run(fmt.Sprintf("%d floors/%.6s", floors, key.Name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.Judge(key, nil, noted(uint64(floors)))
				}
			})
		}
	}
}

func BenchmarkJudgeTags(b *testing.B) {
	s := joined()
	for i := range uint64(10_000) {
		s.Apply(i+1, order(false, Scope{Tag, "b", fmt.Sprint("tag", i)}))
	}
	tags := tagged("one", "two", "tag77")
	b.ReportAllocs()
	for b.Loop() {
		s.Judge(keyOf("b", "k"), tags, noted(5000))
	}
}

// BenchmarkApply shows that a purge costs the same whatever is there already.
func BenchmarkApply(b *testing.B) {
	for _, floors := range []int{0, 10_000, 100_000} {
		s := underFloors(floors)
		o := order(false, Scope{Prefix, "b", "photos/0050/"})
		b.Run(fmt.Sprintf("%d floors", floors), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Apply(s.Note().Applied+1, o)
			}
		})
	}
}

// TestAHitAllocatesNothing: Judge is on the way of every hit.
func TestAHitAllocatesNothing(t *testing.T) {
	s := underFloors(1000)
	s.Apply(5000, order(false, Scope{Object, "b", "k"}, Scope{Bucket, "c", ""}))
	for _, key := range judgedKeys {
		if n := testing.AllocsPerRun(100, func() { s.Judge(key, nil, noted(999)) }); n > 0 {
			t.Errorf("Judge of %v: %v allocations", key, n)
		}
	}
}

// BenchmarkSnapshot and BenchmarkTrim are of as many floors as a council keeps.
func BenchmarkSnapshot(b *testing.B) {
	s := underFloors(200_000)
	snapshot := s.AppendSnapshot(nil)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			s.AppendSnapshot(snapshot[:0])
		}
		b.ReportMetric(float64(len(snapshot)), "bytes")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			if err := joined().Restore(snapshot); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTrim also says how long a hit waits at the most meanwhile.
func BenchmarkTrim(b *testing.B) {
	s := underFloors(200_000)
	stop, waited := make(chan struct{}), make(chan time.Duration)
	go func() {
		var longest time.Duration
		for {
			select {
			case <-stop:
				waited <- longest
				return
			default:
			}
			began := time.Now()
			s.Judge(judgedKeys[0], nil, noted(200_000))
			longest = max(longest, time.Since(began))
		}
	}()
	for b.Loop() {
		s.Trim(s.Note().Applied+1, "b", 1)
	}
	close(stop)
	b.ReportMetric(float64((<-waited).Microseconds()), "µs-longest-wait")
}
