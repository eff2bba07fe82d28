package purge

import (
	"maps"
	"slices"
)

// Buckets returns the names of the buckets in which there were purges, sorted.
func (s *State) Buckets() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.buckets))
}

// Floors returns how many floors are kept for a bucket: its objects', prefixes'
// and tags'. The bucket's own, and the one over all buckets, are not among them:
// there is one of each, which no trim takes.
func (s *State) Floors(bucket string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.buckets[bucket]; b != nil {
		return b.count()
	}
	return 0
}

// AllFloors returns how many floors are kept for all buckets together.
func (s *State) AllFloors() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, b := range s.buckets {
		n += b.count()
	}
	return n
}

// Oldest returns the lowest number that a floor of the bucket has, which is the
// lowest mark with which a trim takes any; 0 if there is none. It looks at all of
// them.
func (s *State) Oldest(bucket string) uint64 {
	s.writing.Lock()
	defer s.writing.Unlock()
	var oldest uint64
	if b := s.buckets[bucket]; b != nil {
		b.each(func(f floor) bool {
			if oldest == 0 || f.newest() < oldest {
				oldest = f.newest()
			}
			return true
		})
	}
	return oldest
}

// MarkToKeep returns the lowest mark that leaves no more than keep of the bucket's
// floors; 0 if there are no more. It sorts all of them.
func (s *State) MarkToKeep(bucket string, keep int) uint64 {
	s.writing.Lock()
	defer s.writing.Unlock()
	b := s.buckets[bucket]
	if b == nil || b.count() <= keep {
		return 0
	}
	numbers := make([]uint64, 0, b.count())
	b.each(func(f floor) bool {
		numbers = append(numbers, f.newest())
		return true
	})
	slices.Sort(numbers)
	return numbers[len(numbers)-1-max(keep, 0)]
}
