package history

import (
	"slices"

	"rookery/object"
	"rookery/purge"
)

// name is an object, a prefix or a tag of a bucket.
type name struct{ bucket, name string }

// binding is what the complete purges so far bind: for each scope the one of them
// that was asked for last.
type binding struct {
	all      *Purge
	buckets  map[string]*Purge
	objects  map[name]*Purge
	tags     map[name]*Purge
	prefixes map[name]*Purge
	lengths  []int // that prefixes have, rising
}

func newBinding() *binding {
	return &binding{
		buckets: make(map[string]*Purge), objects: make(map[name]*Purge),
		tags: make(map[name]*Purge), prefixes: make(map[name]*Purge),
	}
}

// later returns the purge that was asked for last; nil counts as never.
func later(a, b *Purge) *Purge {
	if a == nil || b != nil && b.Invoked > a.Invoked {
		return b
	}
	return a
}

// over returns the purge that binds answers about a key with those tags; nil if
// none does.
func (b *binding) over(key object.Key, tags []string) *Purge {
	p := later(b.all, b.buckets[key.Bucket])
	p = later(p, b.objects[name{key.Bucket, key.Name}])
	for _, length := range b.lengths {
		if length > len(key.Name) {
			break
		}
		p = later(p, b.prefixes[name{key.Bucket, key.Name[:length]}])
	}
	for _, tag := range tags {
		p = later(p, b.tags[name{key.Bucket, tag}])
	}
	return p
}

// add lets a complete purge bind.
func (b *binding) add(p *Purge) {
	for _, s := range p.Scopes {
		at := name{s.Bucket, s.Name}
		switch s.Kind {
		case purge.All:
			b.all = later(b.all, p)
		case purge.Bucket:
			b.buckets[s.Bucket] = later(b.buckets[s.Bucket], p)
		case purge.Object:
			b.objects[at] = later(b.objects[at], p)
		case purge.Tag:
			b.tags[at] = later(b.tags[at], p)
		case purge.Prefix:
			b.prefixes[at] = later(b.prefixes[at], p)
			if i, there := slices.BinarySearch(b.lengths, len(s.Name)); !there {
				b.lengths = slices.Insert(b.lengths, i, len(s.Name))
			}
		}
	}
}
