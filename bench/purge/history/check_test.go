package history

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rookery/object"
	"rookery/purge"
)

var (
	catKey = object.Key{Bucket: "pets", Name: "cats/tom"}
	dogKey = object.Key{Bucket: "pets", Name: "dogs/rex"}
)

func scope(kind purge.Kind, bucket, name string) purge.Scope {
	return purge.Scope{Kind: kind, Bucket: bucket, Name: name}
}

// story is a history told by hand, one thing after the other.
type story struct {
	Recorder
	versions map[object.Key]int
}

func (s *story) change(key object.Key, tags ...string) {
	if s.versions == nil {
		s.versions = make(map[object.Key]int)
	}
	s.versions[key]++
	s.Overwrite(Overwrite{Key: key, Version: s.versions[key], Tags: tags, Invoked: s.Now(), Completed: s.Now()})
}

func (s *story) remove(key object.Key) {
	s.change(key)
	all := s.overwrites[key]
	all[len(all)-1].Deleted = true
}

func (s *story) purge(scopes ...purge.Scope) {
	s.Purge(Purge{Scopes: scopes, Invoked: s.Now(), Completed: s.Now()})
}

func (s *story) get(key object.Key, version int) {
	s.Get(Get{Key: key, Version: version, Invoked: s.Now(), Completed: s.Now()})
}

// Each story ends with one answer, and says whether that is a violation.
func TestStories(t *testing.T) {
	cases := []struct {
		name string
		tell func(*story)
		why  string // "" is none
	}{
		{"stale without a purge", func(s *story) { s.change(catKey); s.change(catKey); s.get(catKey, 1) }, ""},
		{"what the purge was for", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.purge(scope(purge.Object, "pets", "cats/tom"))
			s.get(catKey, 2)
		}, ""},
		{"older than the purge", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.purge(scope(purge.Object, "pets", "cats/tom"))
			s.get(catKey, 1)
		}, "version 1 was served, version 2 had been purged for"},
		{"stale since the purge", func(s *story) {
			s.change(catKey)
			s.purge(scope(purge.Object, "pets", "cats/tom"))
			s.change(catKey)
			s.get(catKey, 1)
		}, ""},
		{"changed while the purge was under way", func(s *story) {
			s.change(catKey)
			invoked := s.Now()
			s.change(catKey)
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: invoked, Completed: s.Now()})
			s.get(catKey, 1)
		}, ""},
		{"changing when the purge was asked for", func(s *story) {
			s.change(catKey)
			began, invoked := s.Now(), s.Now()
			s.Overwrite(Overwrite{Key: catKey, Version: 2, Invoked: began, Completed: s.Now()})
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: invoked, Completed: s.Now()})
			s.get(catKey, 1)
		}, ""},
		{"asked before the purge was complete", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			invoked, asked := s.Now(), s.Now()
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: invoked, Completed: s.Now()})
			s.Get(Get{Key: catKey, Version: 1, Invoked: asked, Completed: s.Now()})
		}, ""},
		{"never complete", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: s.Now()})
			s.get(catKey, 1)
		}, ""},
		{"in place at the node that is asked", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: s.Now(), Seen: []Sight{{"rook-1", s.Now()}}})
			s.Get(Get{Key: catKey, Version: 1, Node: "rook-1", Invoked: s.Now(), Completed: s.Now()})
		}, "version 1 was served"},
		{"in place at another node", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: s.Now(), Seen: []Sight{{"rook-1", s.Now()}}})
			s.Get(Get{Key: catKey, Version: 1, Node: "rook-0", Invoked: s.Now(), Completed: s.Now()})
		}, ""},
		{"in place at the node after it was asked", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			invoked, asked := s.Now(), s.Now()
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: invoked, Seen: []Sight{{"rook-1", s.Now()}}})
			s.Get(Get{Key: catKey, Version: 1, Node: "rook-1", Invoked: asked, Completed: s.Now()})
		}, ""},
		{"soft", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Soft: true, Invoked: s.Now(), Completed: s.Now()})
			s.get(catKey, 1)
		}, ""},
		// The later purge was complete first.
		{"overtaken by a purge", func(s *story) {
			s.change(catKey)
			first := s.Now()
			s.change(catKey)
			s.purge(scope(purge.Prefix, "pets", "cats/"))
			s.Purge(Purge{Scopes: []purge.Scope{scope(purge.Prefix, "pets", "cats/")}, Invoked: first, Completed: s.Now()})
			s.get(catKey, 1)
		}, "version 1 was served"},
		{"one of many scopes", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.purge(scope(purge.Object, "pets", "dogs/rex"), scope(purge.Bucket, "pets", ""))
			s.get(catKey, 1)
		}, "version 1 was served"},
		{"a tag that the old version carries", func(s *story) {
			s.change(catKey, "fur", "claws")
			s.change(catKey)
			s.purge(scope(purge.Tag, "pets", "claws"))
			s.get(catKey, 1)
		}, "version 1 was served"},
		{"a tag that the new version alone carries", func(s *story) {
			s.change(catKey, "fur")
			s.change(catKey, "claws")
			s.purge(scope(purge.Tag, "pets", "claws"))
			s.get(catKey, 1)
		}, ""},
		{"another bucket", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.purge(scope(purge.Bucket, "plants", ""), scope(purge.Tag, "plants", "fur"), scope(purge.Prefix, "plants", "c"), scope(purge.Object, "plants", "cats/tom"))
			s.get(catKey, 1)
		}, ""},
		{"another object", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.purge(scope(purge.Object, "pets", "dogs/rex"), scope(purge.Prefix, "pets", "cats/tommy"))
			s.get(catKey, 1)
		}, ""},
		{"all", func(s *story) {
			s.change(catKey)
			s.change(catKey)
			s.purge(scope(purge.All, "", ""))
			s.get(catKey, 1)
		}, "version 1 was served"},
		{"a version that never was", func(s *story) { s.change(catKey); s.get(catKey, 2) }, "version 2 was served, there had been 1"},
		{"a version that was deleted", func(s *story) { s.change(catKey); s.remove(catKey); s.get(catKey, 2) }, "version 2 was served"},
		{"a version from the future", func(s *story) {
			s.change(catKey)
			s.get(catKey, 2)
			s.change(catKey)
		}, "version 2 was served, there had been 1"},
		{"none before the first", func(s *story) { s.get(catKey, 0); s.change(catKey) }, ""},
		{"none is remembered, no purge", func(s *story) { s.get(catKey, 0); s.change(catKey); s.get(catKey, 0) }, ""},
		{"none is remembered past a purge", func(s *story) {
			s.change(catKey)
			s.purge(scope(purge.Prefix, "pets", "c"))
			s.get(catKey, 0)
		}, "no object was found"},
		{"none since the purge", func(s *story) {
			s.change(catKey)
			s.purge(scope(purge.Prefix, "pets", "c"))
			s.remove(catKey)
			s.change(catKey)
			s.get(catKey, 0)
		}, ""},
		{"a deletion that was purged for is gone again", func(s *story) {
			s.change(catKey)
			s.remove(catKey)
			s.change(catKey)
			s.purge(scope(purge.Object, "pets", "cats/tom"))
			s.get(catKey, 0)
		}, "no object was found"},
		{"what a deletion was purged for", func(s *story) {
			s.change(catKey)
			s.remove(catKey)
			s.purge(scope(purge.Object, "pets", "cats/tom"))
			s.get(catKey, 1)
		}, "version 1 was served, version 2"},
		{"no version whole", func(s *story) {
			s.change(catKey)
			s.Get(Get{Key: catKey, Wrong: "two halves", Invoked: s.Now(), Completed: s.Now()})
		}, "two halves"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var s story
			c.tell(&s)
			s.change(dogKey)
			s.get(dogKey, 1)
			v, err := s.Check()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.why == "" && len(v.Violations) > 0:
				t.Errorf("a legal answer is called a violation: %v", v.Violations)
			case c.why != "" && (len(v.Violations) != 1 || !strings.HasPrefix(v.Violations[0].Why, c.why)):
				t.Errorf("got %v, want %q", v.Violations, c.why)
			}
		})
	}
}

func TestAHistoryThatIsNone(t *testing.T) {
	for name, all := range map[string][]Overwrite{
		"a gap":       {{Key: catKey, Version: 1, Invoked: 1, Completed: 2}, {Key: catKey, Version: 3, Invoked: 3, Completed: 4}},
		"at one time": {{Key: catKey, Version: 1, Invoked: 1, Completed: 3}, {Key: catKey, Version: 2, Invoked: 2, Completed: 4}},
		"never ended": {{Key: catKey, Version: 1, Invoked: 1}},
	} {
		var r Recorder
		for _, o := range all {
			r.Overwrite(o)
		}
		if _, err := r.Check(); err == nil {
			t.Errorf("%s: it was checked", name)
		}
	}
}

var someKeys = func() (keys []object.Key) {
	for _, bucket := range []string{"a", "b"} {
		for _, name := range []string{"x", "x/y", "x/y/z", "q"} {
			keys = append(keys, object.Key{Bucket: bucket, Name: name})
		}
	}
	return keys
}()

var someNodes = []string{"rook-0", "rook-1"}

func someScope(r *rand.Rand) purge.Scope {
	key := someKeys[r.IntN(len(someKeys))]
	switch kind := purge.Kind(1 + r.IntN(5)); kind {
	case purge.Prefix:
		return scope(kind, key.Bucket, key.Name[:1+r.IntN(len(key.Name))])
	case purge.Tag:
		return scope(kind, key.Bucket, strconv.Itoa(r.IntN(3)))
	case purge.Bucket:
		return scope(kind, key.Bucket, "")
	case purge.All:
		return scope(kind, "", "")
	default:
		return scope(kind, key.Bucket, key.Name)
	}
}

// random is a history of n things that overlap, of which the answers are any.
func random(r *rand.Rand, n int) *Recorder {
	rec := new(Recorder)
	latest := make(map[object.Key]int)
	var open []func() // what has begun, and how it ends
	for range n {
		if len(open) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(open))
			open[i]()
			open = slices.Delete(open, i, i+1)
			continue
		}
		key, now := someKeys[r.IntN(len(someKeys))], rec.Now()
		switch r.IntN(6) {
		case 0, 1:
			latest[key]++
			rec.Overwrite(Overwrite{
				Key: key, Version: latest[key], Tags: []string{strconv.Itoa(r.IntN(3))}, Deleted: r.IntN(8) == 0, Invoked: now, Completed: rec.Now(),
			})
		case 2:
			p := Purge{Scopes: []purge.Scope{someScope(r), someScope(r)}[:1+r.IntN(2)], Soft: r.IntN(6) == 0, Invoked: now}
			open = append(open, func() {
				p.Seen = []Sight{{someNodes[r.IntN(2)], rec.Now()}, {someNodes[r.IntN(2)], rec.Now()}}[:r.IntN(3)]
				if r.IntN(3) > 0 {
					p.Completed = rec.Now()
				}
				rec.Purge(p)
			})
		default:
			g := Get{Key: key, Version: max(0, latest[key]-r.IntN(3)), Node: someNodes[r.IntN(2)], Invoked: now}
			open = append(open, func() {
				g.Completed = rec.Now()
				rec.Get(g)
			})
		}
	}
	return rec
}

func covers(s purge.Scope, key object.Key, tags []string) bool {
	switch s.Kind {
	case purge.All:
		return true
	case purge.Bucket:
		return key.Bucket == s.Bucket
	case purge.Object:
		return key.Bucket == s.Bucket && key.Name == s.Name
	case purge.Prefix:
		return key.Bucket == s.Bucket && strings.HasPrefix(key.Name, s.Name)
	default:
		return key.Bucket == s.Bucket && slices.Contains(tags, s.Name)
	}
}

// legal is the rule word by word: of every purge that binds, one after the other.
func legal(r *Recorder, g Get) bool {
	all := r.overwrites[g.Key]
	var tags []string
	if g.Version > 0 && g.Version <= len(all) {
		o := all[g.Version-1]
		if tags = o.Tags; o.Deleted || o.Invoked > g.Completed {
			return false
		}
	} else if g.Version != 0 {
		return false
	}
	oldest := 0
	for _, p := range r.purges {
		binds := p.Completed != 0 && p.Completed < g.Invoked
		for _, s := range p.Seen {
			binds = binds || g.Version != 0 && s.Node == g.Node && s.At < g.Invoked
		}
		if p.Soft || !binds || !slices.ContainsFunc(p.Scopes, func(s purge.Scope) bool { return covers(s, g.Key, tags) }) {
			continue
		}
		for _, o := range all {
			if o.Completed < p.Invoked {
				oldest = max(oldest, o.Version)
			}
		}
	}
	if g.Version != 0 || oldest == 0 {
		return g.Version >= oldest
	}
	return slices.ContainsFunc(all, func(o Overwrite) bool { return o.Deleted && o.Version >= oldest && o.Invoked < g.Completed })
}

// The check finds what the rule, asked for each answer and each purge, finds.
func TestCheckIsTheRule(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		rec := random(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), rapid.IntRange(1, 200).Draw(t, "length"))
		var want []Get
		for _, g := range rec.gets {
			if !legal(rec, g) {
				want = append(want, g)
			}
		}
		v, err := rec.Check()
		if err != nil {
			t.Fatal(err)
		}
		byMoment := func(a, b Get) int { return int(a.Invoked - b.Invoked) }
		slices.SortFunc(want, byMoment)
		var got []Get
		for _, violation := range v.Violations {
			got = append(got, violation.Get)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("found %v, want %v", got, want)
		}
		found += len(got)
	})
	if found == 0 {
		t.Error("no history had a violation: nothing was tested")
	}
}

// One violation in a million operations is found, and it takes no time to speak of.
func TestOneInAMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million operations")
	}
	r, rec := rand.New(rand.NewPCG(1, 2)), new(Recorder)
	latest := make(map[object.Key]int)
	for i := range 1_000_000 {
		key := object.Key{Bucket: "a", Name: "k" + strconv.Itoa(r.IntN(1000))}
		switch {
		case i%10 == 0 || latest[key] == 0:
			latest[key]++
			rec.Overwrite(Overwrite{Key: key, Version: latest[key], Invoked: rec.Now(), Completed: rec.Now()})
		case i%10 == 1:
			s := scope([]purge.Kind{purge.Object, purge.Prefix}[r.IntN(2)], "a", key.Name)
			rec.Purge(Purge{Scopes: []purge.Scope{s}, Invoked: rec.Now(), Completed: rec.Now()})
		default:
			rec.Get(Get{Key: key, Version: latest[key], Invoked: rec.Now(), Completed: rec.Now()})
		}
	}
	bad := object.Key{Bucket: "a", Name: "k500"}
	rec.Purge(Purge{Scopes: []purge.Scope{scope(purge.All, "", "")}, Invoked: rec.Now(), Completed: rec.Now()})
	rec.Get(Get{Key: bad, Version: latest[bad] - 1, Invoked: rec.Now(), Completed: rec.Now()})
	began := time.Now()
	v, err := rec.Check()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, in %v", v, time.Since(began).Round(time.Millisecond))
	if len(v.Violations) != 1 || v.Violations[0].Get.Key != bad || v.Violations[0].Purge.Scopes[0].Kind != purge.All {
		t.Errorf("found %v", v.Violations)
	}
}
