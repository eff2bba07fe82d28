// Package purge keeps what purges leave behind: floors. It is pure logic, with no
// disk, no network and no goroutine of its own: the council applies the orders of
// its log here, and the node asks here whether what it holds may still be served.
//
// A purge's number is its index in the council's log. What was filled before it,
// in its scope, is dead: that is, every entry whose note is below its number. A
// floor costs the same whatever it covers.
package purge

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"rookery/object"
)

// Kind is how wide a scope is.
type Kind uint8

// The kinds. The numbers are part of the council's log.
const (
	Object Kind = 1 // one object, in all its versions
	Prefix Kind = 2 // every object of a bucket whose name begins so
	Tag    Kind = 3 // every object of a bucket that carries the tag
	Bucket Kind = 4
	All    Kind = 5
)

var kindNames = [...]string{Object: "object", Prefix: "prefix", Tag: "tag", Bucket: "bucket", All: "all"}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Scope is what a purge covers.
type Scope struct {
	Kind   Kind
	Bucket string // the route; "" for All alone
	Name   string // the object's name, the prefix or the tag; "" for Bucket and All
}

// Bounds of an order, which keep one entry of the council's log small.
const (
	MaxScopes      = 1000
	MaxIDBytes     = 128
	MaxBucketBytes = 1024
	MaxTagBytes    = 1024
)

// Order is one purge: all of its scopes under one number.
type Order struct {
	// ID is the client's own name for it, or one that was made for it. A second
	// order with the same ID and the same content is the first one.
	ID     string
	Scopes []Scope
	// Soft marks what is covered stale in place of dead: it is served while S3 is
	// asked for a newer one.
	Soft bool
}

// ErrOrder says that an order is malformed.
var ErrOrder = errors.New("malformed purge")

// Check reports what is wrong with the order; nil if nothing is. An empty name is
// refused where one belongs: it would make the purge wider than it was meant.
func (o *Order) Check() error {
	switch {
	case o.ID == "" || len(o.ID) > MaxIDBytes || !utf8.ValidString(o.ID):
		return fmt.Errorf("%w: the id must have 1 to %d bytes of UTF-8", ErrOrder, MaxIDBytes)
	case len(o.Scopes) == 0 || len(o.Scopes) > MaxScopes:
		return fmt.Errorf("%w: %d scopes; it must have 1 to %d", ErrOrder, len(o.Scopes), MaxScopes)
	}
	for _, s := range o.Scopes {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Scope) check() error {
	bucket, name, longest := true, true, object.MaxNameBytes
	switch s.Kind {
	case Object, Prefix:
	case Tag:
		longest = MaxTagBytes
	case Bucket:
		name = false
	case All:
		bucket, name = false, false
	default:
		return fmt.Errorf("%w: scope of %v", ErrOrder, s.Kind)
	}
	if (s.Bucket != "") != bucket || (s.Name != "") != name || len(s.Bucket) > MaxBucketBytes || len(s.Name) > longest {
		return fmt.Errorf("%w: %v with bucket %.64q and a name of %d bytes", ErrOrder, s.Kind, s.Bucket, len(s.Name))
	}
	return nil
}
