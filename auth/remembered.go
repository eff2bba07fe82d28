package auth

import (
	"crypto/sha256"
	"sync"

	"github.com/golang/groupcache/lru"
)

// What verified tokens may take in memory, by estimate: a token's claims as Go values
// take several times its length.
const (
	rememberedBytes = 8 << 20
	shards          = 16
	valueBytes      = 512 // of an entry beside its claims
	claimsFactor    = 4   // of the token's length
)

// tokenName stands for a token: its SHA-256. The token itself is not kept.
type tokenName [sha256.Size]byte

func nameOf(token string) tokenName { return sha256.Sum256([]byte(token)) }

// remembered are the tokens that were verified lately, the longest unused forgotten
// first.
type remembered [shards]shard

type shard struct {
	mu    sync.Mutex
	lru   lru.Cache // of *memory by tokenName
	bytes int
}

type memory struct {
	issuer   *issuer
	verified *verified
	bytes    int
}

func newRemembered() *remembered {
	r := new(remembered)
	for i := range r {
		s := &r[i]
		s.lru.OnEvicted = func(_ lru.Key, value any) { s.bytes -= value.(*memory).bytes }
	}
	return r
}

func (r *remembered) shard(name tokenName) *shard { return &r[name[0]%shards] }

func (r *remembered) get(name tokenName) (*issuer, *verified) {
	s := r.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.lru.Get(name); ok {
		m := m.(*memory)
		return m.issuer, m.verified
	}
	return nil, nil
}

func (r *remembered) put(name tokenName, tokenBytes int, i *issuer, v *verified) {
	m := &memory{issuer: i, verified: v, bytes: valueBytes + claimsFactor*tokenBytes}
	s := r.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Remove(name)
	s.lru.Add(name, m)
	for s.bytes += m.bytes; s.bytes > rememberedBytes/shards; {
		s.lru.RemoveOldest()
	}
}
