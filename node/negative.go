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
	note  object.Note
	until time.Time
}

func newNegatives(now func() time.Time) *negatives {
	return &negatives{now: now, lru: lru.New(maxNegatives)}
}

// get returns what S3 answered, for how much longer that is remembered, and the note
// that was taken before S3 was asked.
func (s *negatives) get(key object.Key) (*object.OriginError, object.Note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.lru.Get(key.Hash())
	if !ok {
		return nil, object.Note{}
	}
	e := found.(negative)
	left := e.until.Sub(s.now())
	if e.key != key || left <= 0 {
		return nil, object.Note{}
	}
	again := *e.err
	again.Remembered = left
	return &again, e.note
}

func (s *negatives) put(key object.Key, err *object.OriginError, note object.Note, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Add(key.Hash(), negative{key, err, note, s.now().Add(ttl)})
}

func (s *negatives) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Clear()
}

func (s *negatives) forget(key object.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Remove(key.Hash())
}
