package purge

import (
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"

	"rookery/object"
)

// A snapshot is a format byte, the number of the newest entry in it, the floor
// over all buckets, and the buckets behind their count, sorted by name. A bucket
// is its name, its own floor, its trim mark, and the floors of its objects, tags
// and prefixes, each behind their count and sorted by name. A floor is two
// numbers, a name stands behind its length, and every number is a uvarint. The
// council's id is not in it: who keeps the snapshot knows whose it is.
const snapshotFormat = 1

// maxSnapshotName is the longest that any name of a scope may be.
const maxSnapshotName = max(MaxBucketBytes, MaxTagBytes, object.MaxNameBytes)

// ErrSnapshot says that bytes are no snapshot.
var ErrSnapshot = errors.New("malformed snapshot of the floors")

// AppendSnapshot appends all that Restore needs to dst. Nothing is applied
// meanwhile; hits do not wait.
func (s *State) AppendSnapshot(dst []byte) []byte {
	s.writing.Lock()
	defer s.writing.Unlock()
	dst = binary.AppendUvarint(append(dst, snapshotFormat), s.applied)
	dst = s.all.append(dst)
	dst = binary.AppendUvarint(dst, uint64(len(s.buckets)))
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		dst = s.buckets[name].append(appendName(dst, name))
	}
	return dst
}

func (b *bucketFloors) append(dst []byte) []byte {
	dst = binary.AppendUvarint(b.whole.append(dst), b.trim)
	dst = appendFloors(dst, len(b.objects), sorted(b.objects))
	dst = appendFloors(dst, len(b.tags), sorted(b.tags))
	return appendFloors(dst, b.prefixes.Len(), b.eachPrefix())
}

func sorted(floors map[string]floor) iter.Seq2[string, floor] {
	return func(yield func(string, floor) bool) {
		for _, name := range slices.Sorted(maps.Keys(floors)) {
			if !yield(name, floors[name]) {
				return
			}
		}
	}
}

func appendFloors(dst []byte, count int, floors iter.Seq2[string, floor]) []byte {
	dst = binary.AppendUvarint(dst, uint64(count))
	for name, f := range floors {
		dst = f.append(appendName(dst, name))
	}
	return dst
}

func appendName(dst []byte, name string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(name))), name...)
}

func (f floor) append(dst []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, f.hard), f.soft)
}

// Restore puts the floors of a snapshot in the place of those that are there, and
// then shows its number. The snapshot must be of the council that the state has
// joined. One that is no newer than what is in place changes nothing: all that it
// holds has been applied. The error is ErrSnapshot, and then nothing has changed
// either.
func (s *State) Restore(b []byte) error {
	r := snapshotReader{b: b}
	applied, all, buckets := r.state()
	if r.bad || len(r.b) != 0 {
		return ErrSnapshot
	}
	newest := all.newest()
	for _, b := range buckets {
		newest = max(newest, b.newest)
	}
	defer s.change()()
	if applied > s.applied {
		s.all, s.buckets, s.newest = all, buckets, newest
		s.advance(applied)
	}
	return nil
}

// snapshotReader reads a snapshot from its front, and remembers whether anything
// was amiss. What it makes is in proportion to the bytes that are there.
type snapshotReader struct {
	b       []byte
	applied uint64
	bad     bool
}

func (r *snapshotReader) state() (applied uint64, all floor, buckets map[string]*bucketFloors) {
	if len(r.b) == 0 || r.b[0] != snapshotFormat {
		r.bad = true
		return 0, floor{}, nil
	}
	r.b = r.b[1:]
	r.applied = r.uvarint()
	all = r.floor()
	buckets = make(map[string]*bucketFloors)
	for name := range r.names() {
		b := newBucketFloors()
		b.whole, b.trim = r.floor(), r.number()
		b.newest = max(b.whole.newest(), b.trim)
		r.bucket(b)
		buckets[name] = b
	}
	return r.applied, all, buckets
}

func (r *snapshotReader) bucket(b *bucketFloors) {
	for name := range r.names() {
		b.objects[name] = r.named(b)
	}
	for name := range r.names() {
		b.tags[name] = r.named(b)
	}
	for name := range r.names() {
		b.prefixes.Insert(name, r.named(b))
	}
}

// named reads the floor that follows a name: there is none that says nothing.
func (r *snapshotReader) named(b *bucketFloors) floor {
	f := r.floor()
	r.bad = r.bad || f.newest() == 0
	b.newest = max(b.newest, f.newest())
	return f
}

// names reads a count and then yields as many names, each of which must be
// greater than the one before. The loop reads what belongs to each.
func (r *snapshotReader) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		last := ""
		for range r.uvarint() {
			name := r.name()
			r.bad = r.bad || name <= last
			if r.bad || !yield(name) {
				return
			}
			last = name
		}
	}
}

func (r *snapshotReader) name() string {
	n := r.uvarint()
	if n > uint64(min(maxSnapshotName, len(r.b))) {
		r.bad = true
		return ""
	}
	name := string(r.b[:n])
	r.b = r.b[n:]
	return name
}

func (r *snapshotReader) floor() floor { return floor{hard: r.number(), soft: r.number()} }

// number reads the number of an entry, which is never above the newest.
func (r *snapshotReader) number() uint64 {
	n := r.uvarint()
	r.bad = r.bad || n > r.applied
	return n
}

func (r *snapshotReader) uvarint() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[w:]
	return n
}
