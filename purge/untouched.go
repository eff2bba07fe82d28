package purge

import "rookery/object"

// Untouched reports whether nothing in the bucket was purged since the note was taken,
// soft purges included, nor may have been: it says of what speaks of a whole bucket (a
// page of names) what Judge says of one object. A mark that stands for forgotten floors
// counts as one. It is only the truth under a lease that was looked at before.
func (s *State) Untouched(bucket string, note object.Note) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if note.Council != s.council {
		return false
	}
	newest := s.all.newest()
	if b := s.buckets[bucket]; b != nil {
		newest = max(newest, b.newest)
	}
	return note.Applied >= newest
}
