package limit

import (
	"hash/maphash"
	"sync"
	"time"
)

// A table tells shards times perShard clients apart; an entry takes some 150 bytes.
const (
	shards   = 64
	perShard = 1024
	// looks is how many entries are looked at for an idle one when there is no room.
	looks = 8
)

// table has a meter for each client of one kind. Safe for concurrent use.
type table[K comparable] struct {
	plan   plan
	seed   maphash.Seed
	shards [shards]shard[K]
}

// shard is a part of a table under a lock of its own.
type shard[K comparable] struct {
	mu    sync.Mutex
	place map[K]int
	all   []entry[K]
	hand  int   // where idle entries are looked for next
	rest  meter // of all that find no place
}

type entry[K comparable] struct {
	key K
	meter
}

func newTable[K comparable](r Rate) *table[K] {
	if !r.Limited() {
		return nil
	}
	return &table[K]{plan: newPlan(r), seed: maphash.MakeSeed()}
}

func (t *table[K]) take(key K, now time.Duration) (Kind, time.Duration) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meter(key, &t.plan, now).take(&t.plan, now)
}

func (t *table[K]) charge(key K, now time.Duration, bytes int64) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter(key, &t.plan, now).charge(&t.plan, now, bytes)
}

func (t *table[K]) shard(key K) *shard[K] {
	return &t.shards[maphash.Comparable(t.seed, key)%shards]
}

// meter finds a client's meter, or makes one: in a new place, in that of one that is
// idle, or, where there is neither, the one that all such share.
func (s *shard[K]) meter(key K, p *plan, now time.Duration) *meter {
	if at, ok := s.place[key]; ok {
		return &s.all[at].meter
	}
	if s.place == nil {
		s.place = map[K]int{}
	}
	if len(s.all) < perShard {
		s.all = append(s.all, entry[K]{key: key})
		s.place[key] = len(s.all) - 1
		return &s.all[len(s.all)-1].meter
	}
	for range looks {
		at := s.hand
		s.hand = (s.hand + 1) % perShard
		if old := &s.all[at]; old.idle(p, now) {
			delete(s.place, old.key)
			*old = entry[K]{key: key}
			s.place[key] = at
			return &old.meter
		}
	}
	return &s.rest
}

// len returns how many clients are told apart.
func (t *table[K]) len() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.place)
		s.mu.Unlock()
	}
	return n
}
