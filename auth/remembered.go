package auth

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/golang/groupcache/lru"
)

// What verified tokens may take in memory, by estimate: a token's claims as Go values
// take several times its length.
const (
	rememberedBytes = 8 << 20
	shards          = 16
	valueBytes      = 512 // of an entry beside its token and claims
	claimsFactor    = 5   // of the token's length, with the token itself
)

// remembered are the tokens that were verified lately, the longest unused forgotten
// first. They are found by a hash that nobody outside can foresee, and compared whole.
type remembered struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	lru   lru.Cache // of *memory by the token's hash
	bytes int
}

type memory struct {
	token    string
	issuer   *issuer
	verified *verified
}

func (m *memory) bytes() int { return valueBytes + claimsFactor*len(m.token) }

func newRemembered() *remembered {
	r := &remembered{seed: maphash.MakeSeed()}
	for i := range r.shards {
		s := &r.shards[i]
		s.lru.OnEvicted = func(_ lru.Key, value any) { s.bytes -= value.(*memory).bytes() }
	}
	return r
}

func (r *remembered) find(token string) (*shard, uint64) {
	hash := maphash.String(r.seed, token)
	return &r.shards[hash%shards], hash
}

// get returns what a token proved, and to whom; nil if it is not known.
func (r *remembered) get(token string) (*issuer, *verified) {
	s, hash := r.find(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.lru.Get(hash)
	if !ok {
		return nil, nil
	}
	m := value.(*memory)
	if m.token != token {
		return nil, nil
	}
	return m.issuer, m.verified
}

func (r *remembered) put(token string, i *issuer, v *verified) {
	m := &memory{token: strings.Clone(token), issuer: i, verified: v} // a part of a request's header keeps all of it
	s, hash := r.find(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Remove(hash)
	s.lru.Add(hash, m)
	for s.bytes += m.bytes(); s.bytes > rememberedBytes/shards; {
		s.lru.RemoveOldest()
	}
}
