package purge

import (
	"iter"
	"maps"

	"github.com/armon/go-radix"
)

// floor is what is left of the purges of one scope: the newest number of each
// sort. What was noted below hard is dead, below soft it is stale.
type floor struct{ hard, soft uint64 }

func (f *floor) raise(number uint64, soft bool) {
	if soft {
		f.soft = max(f.soft, number)
	} else {
		f.hard = max(f.hard, number)
	}
}

func (f *floor) join(o floor) {
	f.hard, f.soft = max(f.hard, o.hard), max(f.soft, o.soft)
}

func (f floor) newest() uint64 { return max(f.hard, f.soft) }

// bucketFloors are those of one bucket.
type bucketFloors struct {
	whole    floor
	objects  map[string]floor
	tags     map[string]floor
	prefixes *radix.Tree // of floor
	// trim: what is noted below it may lie under a floor that is no longer kept.
	trim   uint64
	newest uint64 // of all above: what is not noted below it is alive
}

func newBucketFloors() *bucketFloors {
	return &bucketFloors{objects: make(map[string]floor), tags: make(map[string]floor), prefixes: radix.New()}
}

func (b *bucketFloors) raise(s Scope, number uint64, soft bool) {
	b.newest = max(b.newest, number)
	switch s.Kind {
	case Object:
		f := b.objects[s.Name]
		f.raise(number, soft)
		b.objects[s.Name] = f
	case Tag:
		f := b.tags[s.Name]
		f.raise(number, soft)
		b.tags[s.Name] = f
	case Prefix:
		var f floor
		if old, ok := b.prefixes.Get(s.Name); ok {
			f = old.(floor)
		}
		f.raise(number, soft)
		b.prefixes.Insert(s.Name, f)
	case Bucket:
		b.whole.raise(number, soft)
	}
}

// over returns the floor over one object.
func (b *bucketFloors) over(name string, tags Tags) floor {
	f := b.whole
	f.join(b.objects[name])
	if b.prefixes.Len() > 0 {
		b.prefixes.WalkPath(name, func(_ string, v any) bool {
			f.join(v.(floor))
			return false
		})
	}
	if len(b.tags) > 0 && tags != nil {
		f.join(b.overTags(tags))
	}
	return f
}

// overTags is apart because what a loop over an unknown iterator changes lives
// on the heap: over, on the way of every hit, shall not allocate.
func (b *bucketFloors) overTags(tags Tags) (f floor) {
	for tag := range tags {
		f.join(b.tags[tag])
	}
	return f
}

// after returns the floors that are newer than mark. They remember that there may
// have been others.
func (b *bucketFloors) after(mark uint64) *bucketFloors {
	kept := newBucketFloors()
	kept.whole, kept.trim, kept.newest = b.whole, max(b.trim, mark), max(b.newest, mark)
	for name, f := range b.objects {
		if f.newest() > mark {
			kept.objects[name] = f
		}
	}
	for name, f := range b.tags {
		if f.newest() > mark {
			kept.tags[name] = f
		}
	}
	for name, f := range b.eachPrefix() {
		if f.newest() > mark {
			kept.prefixes.Insert(name, f)
		}
	}
	return kept
}

// eachPrefix yields the floors of prefixes, sorted by prefix.
func (b *bucketFloors) eachPrefix() iter.Seq2[string, floor] {
	return func(yield func(string, floor) bool) {
		b.prefixes.Walk(func(name string, v any) bool { return !yield(name, v.(floor)) })
	}
}

// each yields every floor that a trim may take, in no order.
func (b *bucketFloors) each(yield func(floor) bool) {
	for _, all := range []iter.Seq2[string, floor]{maps.All(b.objects), maps.All(b.tags), b.eachPrefix()} {
		for _, f := range all {
			if !yield(f) {
				return
			}
		}
	}
}

// count is how many floors each yields.
func (b *bucketFloors) count() int { return len(b.objects) + len(b.tags) + b.prefixes.Len() }
