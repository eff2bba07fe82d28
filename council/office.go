package council

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// office is one time of being the leader: what it has granted, and since when.
type office struct {
	since time.Time
	// open is set once an entry of this leader's own is applied here, and with it
	// all that earlier leaders have committed: what they have granted is known, as
	// far as how long their leases may run.
	open atomic.Bool

	mu       sync.Mutex     // guards all below
	asking   map[string]int // requests for a lease that are not answered yet
	granted  map[string]time.Time
	removing map[string]bool
	gone     map[string]time.Time // since when a member is not there
}

// watchOffice follows raft, which waits for it: no change of leaders is missed.
func (s *seat) watchOffice(notify <-chan bool) {
	for {
		select {
		case leads := <-notify:
			var now *office
			if leads {
				now = &office{
					since: s.c.o.Now(), asking: map[string]int{}, granted: map[string]time.Time{},
					removing: map[string]bool{}, gone: map[string]time.Time{},
				}
			}
			s.office.Store(now)
			select {
			case s.elected <- struct{}{}:
			default:
			}
		case <-s.down:
			return
		}
	}
}

// ask notes that a member has asked for a lease, and returns what ends that; an
// error if it is none, or is being removed. It is noted before the tick is
// proposed: a purge that is committed between the tick and the grant must wait for
// the member, and nobody removes it meanwhile.
func (f *office) ask(id string, s *seat) (answered func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.removing[id] || !memberOf(s.members(), id) {
		return nil, errNotMember
	}
	f.asking[id]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.asking[id]--; f.asking[id] == 0 {
			delete(f.asking, id)
		}
	}, nil
}

// grant notes that a member is granted a lease now; false if this office has ended.
func (f *office) grant(id string, s *seat) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.office.Load() != f {
		return false
	}
	f.granted[id] = s.c.o.Now()
	return true
}

// leaseless reports whether a member can hold no lease: this leader has granted it
// none for longer than any runs, and neither can an earlier one have. mu is held.
func (f *office) leaseless(id string, now time.Time, largest time.Duration) bool {
	if f.asking[id] > 0 {
		return false
	}
	last := f.since
	if g, ok := f.granted[id]; ok {
		last = g
	}
	return now.Sub(last) > margin(largest)
}

// bar keeps a member that can hold no lease from getting one while it is removed;
// false if it may hold one.
func (f *office) bar(id string, now time.Time, largest time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.leaseless(id, now, largest) {
		return false
	}
	f.removing[id] = true
	return true
}

func (f *office) unbar(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.removing, id)
}

// leads returns the office of this node, if it is the leader and knows all that
// earlier ones have committed.
func (s *seat) leads() (*office, error) {
	if f := s.office.Load(); f != nil && f.open.Load() {
		return f, nil
	}
	return nil, errNotLeader
}

// standing is what a node needs to follow a purge: who counts, who of them can
// hold no lease, and how long a lease may run.
type standing struct {
	Members   []string // raft ids
	Leaseless []string
	Largest   time.Duration
	Applied   uint64 // by the leader
}

func (s *seat) standing(f *office) standing {
	_, largest := s.machine.leases()
	now := s.c.o.Now()
	st := standing{Largest: largest, Applied: s.c.o.State.Note().Applied}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range s.members() {
		id := string(m.ID)
		st.Members = append(st.Members, id)
		if f.leaseless(id, now, largest) {
			st.Leaseless = append(st.Leaseless, id)
		}
	}
	return st
}

func memberOf(members []raft.Server, id string) bool {
	for _, m := range members {
		if string(m.ID) == id {
			return true
		}
	}
	return false
}
