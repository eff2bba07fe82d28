package purge

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"rookery/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ours   = [16]byte{1}
	theirs = [16]byte{2}
)

func noted(n uint64) object.Note { return object.Note{Council: ours, Applied: n} }

func keyOf(bucket, name string) object.Key { return object.Key{Bucket: bucket, Name: name} }

func tagged(tags ...string) Tags { return slices.Values(tags) }

// joined is a state that belongs to our council.
func joined() *State {
	s := NewState()
	s.Join(ours)
	return s
}

func order(soft bool, scopes ...Scope) *Order { return &Order{ID: "id", Scopes: scopes, Soft: soft} }

// record is one entry of the council's log: a purge, or a trim.
type record struct {
	number uint64
	order  *Order
	bucket string // of a trim
	mark   uint64
}

// history is the naive state: everything that was ever applied.
type history []record

// covers reports whether the scope covers an object.
func (s Scope) covers(key object.Key, tags []string) bool {
	switch s.Kind {
	case All:
		return true
	case Bucket:
		return s.Bucket == key.Bucket
	case Object:
		return s.Bucket == key.Bucket && s.Name == key.Name
	case Prefix:
		return s.Bucket == key.Bucket && strings.HasPrefix(key.Name, s.Name)
	case Tag:
		return s.Bucket == key.Bucket && slices.Contains(tags, s.Name)
	}
	return false
}

// over returns the newest purge of either sort over an object, and the trim mark.
func (h history) over(key object.Key, tags []string) (hard, soft, trim uint64) {
	for _, e := range h {
		if e.order == nil && e.bucket == key.Bucket {
			trim = max(trim, e.mark)
		}
		for i := 0; e.order != nil && i < len(e.order.Scopes); i++ {
			if !e.order.Scopes[i].covers(key, tags) {
				continue
			}
			if e.order.Soft {
				soft = max(soft, e.number)
			} else {
				hard = max(hard, e.number)
			}
		}
	}
	return hard, soft, trim
}
