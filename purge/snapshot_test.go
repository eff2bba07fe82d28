package purge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"rookery/object"
)

// full is a state with a floor of each kind and sort, and a trim mark.
func full() *State {
	s := joined()
	s.Apply(3, order(false, Scope{Object, "a", "old"}, Scope{Bucket, "z", ""}))
	s.Apply(5, order(true, Scope{Object, "a", "k"}, Scope{Prefix, "a", "\xff\x00"}, Scope{Kind: All}))
	s.Apply(7, order(false, Scope{Tag, "a", "t"}, Scope{Prefix, "a", "p/"}, Scope{Prefix, "a", "p/q"}))
	s.Trim(300, "a", 4)
	s.Pass(301)
	return s
}

func TestASnapshotHoldsEverything(t *testing.T) {
	snapshot := full().AppendSnapshot([]byte("before"))
	snapshot = snapshot[len("before"):]
	s := joined()
	s.Apply(2, order(false, Scope{Object, "gone", "k"}))
	if err := s.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if s.Note() != noted(301) {
		t.Errorf("note %v", s.Note())
	}
	for _, c := range []struct {
		key  object.Key
		tags Tags
		note uint64
		want Verdict
	}{
		{keyOf("a", "old"), nil, 2, Suspect},
		{keyOf("a", "old"), nil, 4, Stale}, // by the one over all
		{keyOf("a", "k"), nil, 5, Alive},
		{keyOf("a", "\xff\x00"), nil, 4, Stale},
		{keyOf("a", "p/q"), nil, 6, Dead},
		{keyOf("a", "p"), nil, 6, Alive},
		{keyOf("a", "k"), tagged("s", "t"), 6, Dead},
		{keyOf("z", "k"), nil, 2, Dead},
		{keyOf("z", "k"), nil, 3, Stale},
		{keyOf("gone", "k"), nil, 1, Stale}, // the snapshot's history has no such purge
	} {
		if got := s.Judge(c.key, c.tags, noted(c.note)); got != c.want {
			t.Errorf("%v noted %d: verdict %d, want %d", c.key, c.note, got, c.want)
		}
	}
	if again := s.AppendSnapshot(nil); !bytes.Equal(again, snapshot) {
		t.Error("a restored state's snapshot is another one")
	}
}

func TestAnOlderSnapshotChangesNothing(t *testing.T) {
	s := full()
	before := s.AppendSnapshot(nil)
	older := joined()
	older.Apply(300, order(false, Scope{Kind: All}))
	if err := s.Restore(older.AppendSnapshot(nil)); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(s.AppendSnapshot(nil), before) {
		t.Error("an older snapshot took the place of newer floors")
	}
}

func TestMalformedSnapshots(t *testing.T) {
	good := full().AppendSnapshot(nil)
	uvarints := func(numbers ...uint64) []byte {
		b := []byte{snapshotFormat}
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	bad := map[string][]byte{
		"nothing":                 nil,
		"another format":          append([]byte{snapshotFormat + 1}, good[1:]...),
		"more at its end":         append(bytes.Clone(good), 0),
		"countless buckets":       uvarints(9, 0, 0, math.MaxUint64),
		"a number above the last": uvarints(9, 10, 0, 0),
		"a bucket without name":   uvarints(9, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0),
		"a floor of nothing":      uvarints(9, 0, 0, 1, 1, 'b', 0, 0, 0, 1, 1, 'k', 0, 0, 0, 0),
		"a name twice":            uvarints(9, 0, 0, 1, 1, 'b', 0, 0, 0, 2, 1, 'k', 1, 0, 1, 'k', 1, 0, 0, 0),
		"a name longer than all":  uvarints(9, 0, 0, 1, math.MaxUint64, 'b'),
	}
	for n := range good {
		bad["cut short"] = good[:n]
		for name, b := range bad {
			s := joined()
			s.Apply(2, order(false, Scope{Kind: All}))
			if err := s.Restore(b); !errors.Is(err, ErrSnapshot) {
				t.Fatalf("%s (%d): %v", name, n, err)
			}
			if s.Note() != noted(2) || s.Judge(keyOf("b", "k"), nil, noted(1)) != Dead {
				t.Fatalf("%s (%d): it changed something", name, n)
			}
		}
	}
	if err := NewState().Restore(uvarints(9, 0, 0, 1, 1, 'b', 0, 0, 0, 1, 1, 'k', 1, 0, 0, 0)); err != nil {
		t.Errorf("the malformed ones may be malformed in another way than they say: %v", err)
	}
}

// FuzzRestore: whatever the bytes are, they are refused and change nothing, or
// are a state that its own snapshot holds whole.
func FuzzRestore(f *testing.F) {
	f.Add(NewState().AppendSnapshot(nil))
	f.Add(full().AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := joined()
		err := s.Restore(b)
		if err != nil {
			if s.Note() != noted(0) || s.AllFloors() != 0 || len(s.Buckets()) != 0 {
				t.Fatal("what was refused left something behind")
			}
			return
		}
		first := s.AppendSnapshot(nil)
		if s.Note().Applied > 0 && len(first) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(first))
		}
		again := joined()
		if err := again.Restore(first); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.AppendSnapshot(nil), first) {
			t.Fatal("a restored state's snapshot is another one")
		}
	})
}
