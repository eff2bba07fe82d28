package purge

import "github.com/armon/go-radix"

// forget drops the floors up to and including mark, and remembers that there may
// have been some.
func (b *bucketFloors) forget(mark uint64) {
	b.trim = max(b.trim, mark)
	for _, m := range []map[string]floor{b.objects, b.tags} {
		for name, f := range m {
			if max(f.hard, f.soft) <= mark {
				delete(m, name)
			}
		}
	}
	kept := radix.New()
	b.prefixes.Walk(func(name string, v any) bool {
		if f := v.(floor); max(f.hard, f.soft) > mark {
			kept.Insert(name, f)
		}
		return false
	})
	b.prefixes = kept
}
