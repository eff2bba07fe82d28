package purge

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"rookery/object"
)

// Tags are an object's cache tags.
type Tags = iter.Seq[string]

// Verdict is what the floors say of an entry.
type Verdict uint8

// The verdicts, from the mildest to the hardest.
const (
	// Alive: no purge covers it.
	Alive Verdict = iota
	// Stale: a soft purge covers it.
	Stale
	// Suspect: it may have been purged, which is no longer known: it was noted
	// under another council, or below the trim mark. S3 must confirm it first.
	Suspect
	// Dead: a purge covers it.
	Dead
)

// State is what one node knows of the council's purges, and its lease. The council
// writes, the node reads. Safe for concurrent use.
type State struct {
	lease lease

	// writing is held by whoever changes the state, and by who reads all of it, which
	// takes long. mu guards all below; with writing it is held for the change alone,
	// so that no hit waits for more.
	writing sync.Mutex
	mu      sync.RWMutex
	council [16]byte
	applied uint64
	all     floor
	newest  uint64 // of all floors and marks
	buckets map[string]*bucketFloors
	moved   chan struct{} // closed and replaced when council or applied changes

	note atomic.Pointer[object.Note] // council and applied, for those who read nothing else
}

// NewState returns the state of a node that has heard from no council.
func NewState() *State {
	s := &State{buckets: make(map[string]*bucketFloors), moved: make(chan struct{})}
	s.note.Store(new(object.Note))
	return s
}

// Note is what a fill writes down before it asks the origin: the council and the
// newest number whose floor is in place here.
func (s *State) Note() object.Note { return *s.note.Load() }

// Known is the Note itself: as long as it is the same one nothing has changed here, and
// neither has any verdict. It must not be changed.
func (s *State) Known() *object.Note { return s.note.Load() }

// Apply puts an order's floors in place and then shows its number. Numbers rise;
// a lower one than the newest changes nothing.
func (s *State) Apply(number uint64, o *Order) {
	defer s.change()()
	if number <= s.applied {
		return
	}
	s.newest = number
	for _, scope := range o.Scopes {
		if scope.Kind == All {
			s.all.raise(number, o.Soft)
			continue
		}
		s.bucket(scope.Bucket).raise(scope, number, o.Soft)
	}
	s.advance(number)
}

// Pass shows a number that left no floor (a tick, a change of members).
func (s *State) Pass(number uint64) {
	defer s.change()()
	if number > s.applied {
		s.advance(number)
	}
}

// Trim forgets the bucket's floors up to and including mark: from then on what was
// noted below it is suspect. number is the entry's own, which mark never exceeds.
func (s *State) Trim(number uint64, bucket string, mark uint64) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if number <= s.applied {
		return
	}
	mark = min(mark, number)
	old := s.buckets[bucket]
	if old == nil {
		old = newBucketFloors()
	}
	kept := old.after(mark)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucket] = kept
	s.newest = max(s.newest, mark)
	s.advance(number)
}

// change takes both locks, and returns what gives them back.
func (s *State) change() func() {
	s.writing.Lock()
	s.mu.Lock()
	return func() {
		s.mu.Unlock()
		s.writing.Unlock()
	}
}

// bucket returns the floors of a bucket. mu is held.
func (s *State) bucket(name string) *bucketFloors {
	b := s.buckets[name]
	if b == nil {
		b = newBucketFloors()
		s.buckets[name] = b
	}
	return b
}

// advance shows a number. mu is held.
func (s *State) advance(number uint64) {
	s.applied = number
	s.show()
}

// show tells readers and those who wait. mu is held.
func (s *State) show() {
	s.note.Store(&object.Note{Council: s.council, Applied: s.applied})
	close(s.moved)
	s.moved = make(chan struct{})
}

// Join makes the state that of another council (or of none, the zero id), of which
// nothing is known yet. What was noted under the old one is suspect from then on,
// and the lease is gone.
func (s *State) Join(council [16]byte) {
	defer s.change()()
	if council == s.council {
		return
	}
	s.lease.revoke()
	s.council, s.applied, s.newest, s.all = council, 0, 0, floor{}
	s.buckets = make(map[string]*bucketFloors)
	s.show()
}

// Judge says what the floors say of an entry about an object: an info, a whole
// small object in memory, or that there is none. tags may be nil where there are
// none. It is only the truth under a lease that was looked at before.
func (s *State) Judge(key object.Key, tags Tags, note object.Note) Verdict {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if note.Council != s.council {
		return Suspect
	}
	if note.Applied >= s.newest {
		return Alive
	}
	f, b := s.all, s.buckets[key.Bucket]
	var trim uint64
	if b != nil && note.Applied < b.newest {
		f.join(b.over(key.Name, tags))
		trim = b.trim
	}
	switch {
	case note.Applied < f.hard:
		return Dead
	case note.Applied < trim:
		return Suspect
	case note.Applied < f.soft:
		return Stale
	}
	return Alive
}

// Floor returns the number of the newest hard purge over an object, as a note of
// this council: bytes noted below it are dead. It has number 0 if there is none.
func (s *State) Floor(key object.Key, tags Tags) object.Note {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f := s.all
	if b := s.buckets[key.Bucket]; b != nil {
		f.join(b.over(key.Name, tags))
	}
	return object.Note{Council: s.council, Applied: f.hard}
}

// DeadUnder reports whether bytes with the note are dead under the floor: noted
// by the same council, below it. What another council noted is judged by its info.
func DeadUnder(note, floor object.Note) bool {
	return note.Council == floor.Council && note.Applied < floor.Applied
}

// Await waits until the floor's number is in place here. It returns ctx's error,
// and ErrOtherCouncil when the floor is another council's.
func (s *State) Await(ctx context.Context, floor object.Note) error {
	for {
		s.mu.RLock()
		same, there, moved := s.council == floor.Council, s.applied >= floor.Applied, s.moved
		s.mu.RUnlock()
		switch {
		case !same:
			return ErrOtherCouncil
		case there:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
