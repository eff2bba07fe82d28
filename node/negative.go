package node

import (
	"sync"
	"time"

	"github.com/golang/groupcache/lru"

	"rookery/object"
)

// maxNegatives bounds how many absent keys are remembered; about 300 bytes each.
const maxNegatives = 10_000

// negatives remembers, for a short while, that S3 answered 404 or 403.
// Safe for concurrent use.
type negatives struct {
	now func() time.Time

	mu  sync.Mutex
	lru *lru.Cache // object.Hash → negative
}

type negative struct {
	key   object.Key
	err   *object.OriginError
	until time.Time
}

func newNegatives(now func() time.Time) *negatives {
	return &negatives{now: now, lru: lru.New(maxNegatives)}
}

// get returns what S3 answered, and for how much longer that is remembered.
func (s *negatives) get(key object.Key) *object.OriginError {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.lru.Get(key.Hash())
	if !ok {
		return nil
	}
	e := found.(negative)
	left := e.until.Sub(s.now())
	if e.key != key || left <= 0 {
		return nil
	}
	again := *e.err
	again.Remembered = left
	return &again
}

func (s *negatives) put(key object.Key, err *object.OriginError, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Add(key.Hash(), negative{key, err, s.now().Add(ttl)})
}

func (s *negatives) forget(key object.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Remove(key.Hash())
}
