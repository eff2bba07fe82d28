package purge

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"rookery/object"
)

// Few names over few bytes, none of which text must have, so that most purges
// meet something.
var (
	someBucket = rapid.SampledFrom([]string{"a", "ab", "\xff"})
	someName   = rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', '/', 0}), 1, 5, -1)
	someTag    = rapid.SampledFrom([]string{"a", "b", "c"})
	someBytes  = rapid.SampledFrom([]string{"", "\xff", "\xff\xfe", "\x00"})
)

func name(t *rapid.T) string { return someBytes.Draw(t, "bytes") + someName.Draw(t, "name") }

func scope(t *rapid.T) Scope {
	s := Scope{Kind: rapid.SampledFrom([]Kind{Object, Object, Prefix, Prefix, Prefix, Tag, Tag, Bucket, All}).Draw(t, "kind")}
	if s.Kind != All {
		s.Bucket = someBucket.Draw(t, "bucket")
	}
	switch s.Kind {
	case Object, Prefix:
		s.Name = name(t)
	case Tag:
		s.Name = someTag.Draw(t, "tag")
	}
	return s
}

// model is the state beside its whole history.
type model struct {
	state   *State
	council [16]byte
	applied uint64
	log     history
}

func (m *model) next(t *rapid.T) uint64 { return m.applied + rapid.Uint64Range(1, 3).Draw(t, "step") }

func (m *model) apply(t *rapid.T) {
	o := order(rapid.Bool().Draw(t, "soft"), rapid.SliceOfN(rapid.Custom(scope), 1, 3).Draw(t, "scopes")...)
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	m.applied = m.next(t)
	m.state.Apply(m.applied, o)
	m.log = append(m.log, record{number: m.applied, order: o})
}

func (m *model) pass(t *rapid.T) {
	m.applied = m.next(t)
	m.state.Pass(m.applied)
}

func (m *model) trim(t *rapid.T) {
	m.applied = m.next(t)
	bucket := someBucket.Draw(t, "bucket")
	mark := rapid.Uint64Range(0, m.applied+2).Draw(t, "mark")
	m.state.Trim(m.applied, bucket, mark)
	m.log = append(m.log, record{number: m.applied, bucket: bucket, mark: min(mark, m.applied)})
}

// again applies what has been applied: the log is read twice after a restart.
func (m *model) again(t *rapid.T) {
	old := rapid.Uint64Range(0, m.applied).Draw(t, "old")
	m.state.Apply(old, order(false, Scope{Kind: All}))
	m.state.Trim(old, "a", old)
	m.state.Pass(old)
}

// restart goes on with what a snapshot holds.
func (m *model) restart(t *rapid.T) {
	snapshot := m.state.AppendSnapshot(nil)
	m.state = NewState()
	m.state.Join(m.council)
	if err := m.state.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
}

func (m *model) join(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		return
	}
	m.council[0]++
	m.state.Join(m.council)
	m.applied, m.log = 0, nil
}

// check compares one verdict and one floor with what the history says.
func (m *model) check(t *rapid.T) {
	key := object.Key{Bucket: someBucket.Draw(t, "bucket"), Name: name(t), Version: rapid.SampledFrom([]string{"", "v"}).Draw(t, "version")}
	tags := rapid.SliceOfN(someTag, 0, 2).Draw(t, "tags")
	hard, soft, trim := m.log.over(key, tags)
	note := object.Note{Council: m.council, Applied: rapid.Uint64Range(0, m.applied+1).Draw(t, "note")}
	if rapid.IntRange(0, 9).Draw(t, "stranger") == 0 {
		note.Council[1] = 1
	}
	got := m.state.Judge(key, tagged(tags...), note)
	if want := judged(note, m.council, hard, soft, trim); got != want && (want != Suspect || got != Dead || note.Applied >= hard) {
		t.Errorf("%v %q noted %d: verdict %d, want %d (hard %d, soft %d, trim %d)", key, tags, note.Applied, got, want, hard, soft, trim)
	}
	floor := m.state.Floor(key, tagged(tags...))
	if floor.Council != m.council || floor.Applied != hard && (hard > trim || floor.Applied > hard) {
		t.Errorf("%v %q: floor %v, want %d (trim %d)", key, tags, floor, hard, trim)
	}
	if m.state.Note() != (object.Note{Council: m.council, Applied: m.applied}) {
		t.Errorf("note %v, want %d", m.state.Note(), m.applied)
	}
}

// judged is the verdict that the history demands. Where a trim may have taken the
// floor it is Suspect; a floor that is still there may say Dead.
func judged(note object.Note, council [16]byte, hard, soft, trim uint64) Verdict {
	n := note.Applied
	switch {
	case note.Council != council:
		return Suspect
	case n < hard && hard > trim:
		return Dead
	case n < trim:
		return Suspect
	case n < soft:
		return Stale
	}
	return Alive
}

// TestFloorsAgreeWithTheHistory compares the floors, which forget all but the
// newest number of each scope, with the list of all purges.
func TestFloorsAgreeWithTheHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{state: NewState()}
		t.Repeat(map[string]func(*rapid.T){
			"purge": m.apply, "purge more": m.apply, "tick": m.pass, "trim": m.trim, "log again": m.again,
			"restart": m.restart, "join": m.join, "": m.check, "check": m.check,
		})
	})
}

// TestEveryPrefixOfAName meets each prefix of a name alone, the name itself
// included, and nothing else.
func TestEveryPrefixOfAName(t *testing.T) {
	const name = "a\x00b/\xffc/"
	for n := 1; n <= len(name); n++ {
		s := joined()
		s.Apply(5, order(false, Scope{Prefix, "b", name[:n]}, Scope{Prefix, "b", "zz"}, Scope{Prefix, "b", name[:n] + "more"}))
		for at := 1; at <= len(name); at++ {
			want := Alive
			if at >= n {
				want = Dead
			}
			if got := s.Judge(keyOf("b", name[:at]), nil, noted(4)); got != want {
				t.Errorf("prefix of %d bytes, name of %d: verdict %d", n, at, got)
			}
		}
		if got := s.Judge(keyOf("c", name), nil, noted(4)); got != Alive {
			t.Errorf("another bucket: verdict %d", got)
		}
	}
}

func TestCountsForWhoTrims(t *testing.T) {
	s := joined()
	for n := range uint64(10) {
		s.Apply(10+n, order(n%2 == 0, Scope{Object, "a", fmt.Sprint(n)}))
	}
	s.Apply(20, order(false, Scope{Prefix, "a", "p"}, Scope{Tag, "a", "t"}, Scope{Bucket, "a", ""}, Scope{Kind: All}, Scope{Tag, "b", "t"}))
	s.Apply(21, order(true, Scope{Object, "a", "0"})) // no more floors, but a newer one
	if a, b, c, all := s.Floors("a"), s.Floors("b"), s.Floors("c"), s.AllFloors(); a != 12 || b != 1 || c != 0 || all != 13 {
		t.Errorf("floors: a %d, b %d, c %d, all %d", a, b, c, all)
	}
	if a, b, c := s.Oldest("a"), s.Oldest("b"), s.Oldest("c"); a != 11 || b != 20 || c != 0 {
		t.Errorf("oldest: a %d, b %d, c %d", a, b, c)
	}
	if got := s.Buckets(); len(got) != 2 || got[0] != "a" || got[1] != "b" {
		t.Errorf("buckets %q", got)
	}
	for keep, want := range map[int]uint64{12: 0, 13: 0, 11: 11, 4: 18, 3: 19, 2: 20, 1: 20, 0: 21} {
		if got := s.MarkToKeep("a", keep); got != want {
			t.Errorf("to keep %d: mark %d, want %d", keep, got, want)
		}
	}
	s.Trim(30, "a", s.MarkToKeep("a", 4))
	if n := s.Floors("a"); n != 4 || s.Oldest("a") != 19 {
		t.Errorf("%d floors after the trim, the oldest %d", n, s.Oldest("a"))
	}
	if s.MarkToKeep("nowhere", 0) != 0 {
		t.Error("a mark for a bucket without floors")
	}
}
