package object

import (
	"slices"
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	policy := Freshness{Default: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour}
	plain := Lifetime{Keep: true, Fresh: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour}
	with := func(change func(*Lifetime)) Lifetime { l := plain; change(&l); return l }
	strict := func(d time.Duration) Lifetime { return Lifetime{Keep: true, Fresh: d, Strict: true} }
	cases := []struct {
		name   string
		header []Field
		want   Lifetime
	}{
		{"silent origin", nil, plain},
		{"max-age", []Field{{"Cache-Control", "max-age=60"}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
		{"quoted max-age", []Field{{"Cache-Control", `max-age="60"`}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
		{"s-maxage goes first, either order", []Field{{"Cache-Control", "s-maxage=5, max-age=60"}}, strict(5 * time.Second)},
		{"s-maxage goes first, last in line", []Field{{"Cache-Control", "max-age=60, must-revalidate, s-maxage=5"}}, strict(5 * time.Second)},
		{"no-cache beats max-age", []Field{{"Cache-Control", "max-age=60"}, {"Cache-Control", "No-Cache"}}, strict(0)},
		{"must-revalidate", []Field{{"Cache-Control", "must-revalidate"}}, strict(time.Hour)},
		{"no-store", []Field{{"Cache-Control", "no-store"}}, with(func(l *Lifetime) { l.Keep = false })},
		{"private", []Field{{"Cache-Control", "private"}}, with(func(l *Lifetime) { l.Keep = false })},
		{"Vary: *", []Field{{"Vary", "Origin, *"}}, with(func(l *Lifetime) { l.Keep = false })},
		{"Vary", []Field{{"Vary", "Origin"}}, plain},
		{"a lifetime that is no number has passed", []Field{{"Cache-Control", "max-age=-5"}}, with(func(l *Lifetime) { l.Fresh = 0 })},
		{"s-maxage without a number", []Field{{"Cache-Control", "max-age=60, s-maxage"}}, strict(0)},
		{"the first of two counts", []Field{{"Cache-Control", "max-age=60, max-age=5"}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
		{"no-cache that names fields", []Field{{"Cache-Control", `no-cache="set-cookie, max-age=60"`}}, strict(0)},
		{"commas in quotes", []Field{{"Cache-Control", `ext="a, no-store, \", private", max-age=60`}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
		{"must-understand", []Field{{"Cache-Control", "must-understand, no-store, max-age=60"}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
		{"immutable", []Field{{"Cache-Control", "max-age=60, immutable"}}, with(func(l *Lifetime) { l.Fresh, l.Immutable = time.Minute, true })},
		{"proxy-revalidate", []Field{{"Cache-Control", "proxy-revalidate, stale-if-error=9"}}, strict(time.Hour)},
		{"too large is very long", []Field{{"Cache-Control", "max-age=99999999999999999999"}}, with(func(l *Lifetime) { l.Fresh = maxDelta * time.Second })},
		{"stale windows", []Field{{"Cache-Control", "stale-while-revalidate=7, stale-if-error=8"}}, with(func(l *Lifetime) {
			l.StaleWhileRevalidate, l.StaleIfError = 7*time.Second, 8*time.Second
		})},
		{"Expires", []Field{{"Expires", "Fri, 02 Jan 2026 03:05:05 GMT"}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
		{"Expires that is no date", []Field{{"Expires", "0"}}, with(func(l *Lifetime) { l.Fresh = 0 })},
		{"max-age beats Expires", []Field{{"Expires", "0"}, {"Cache-Control", "max-age=60"}}, with(func(l *Lifetime) { l.Fresh = time.Minute })},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := policy.Lifetime(&Info{Header: c.header, Validated: at}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// What a replica said is not believed for long, whatever it said.
func TestLifetimeOfAReplicasInfo(t *testing.T) {
	policy := Freshness{Default: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour}
	for control, want := range map[string]Lifetime{
		"public":                              {Keep: true, Fresh: 30 * time.Second, StaleIfError: 24 * time.Hour},
		"max-age=20":                          {Keep: true, Fresh: 20 * time.Second, StaleWhileRevalidate: 10 * time.Second, StaleIfError: 24 * time.Hour},
		"no-cache":                            {Keep: true, Strict: true},
		"max-age=5, stale-while-revalidate=3": {Keep: true, Fresh: 5 * time.Second, StaleWhileRevalidate: 3 * time.Second, StaleIfError: 24 * time.Hour},
	} {
		got := policy.Lifetime(&Info{Replica: true, Header: []Field{{"Cache-Control", control}}})
		if got != want {
			t.Errorf("%s: %+v, want %+v", control, got, want)
		}
	}
}

// A targeted field that is valid goes before Cache-Control and Expires; one that
// is not says nothing (RFC 9213 §2.2).
func TestLifetimeOfATargetedField(t *testing.T) {
	policy := Freshness{Default: time.Hour, StaleIfError: time.Minute}
	other := Lifetime{Keep: true, Fresh: 5 * time.Second, StaleIfError: time.Minute}
	fresh := func(d time.Duration) Lifetime { return Lifetime{Keep: true, Fresh: d, StaleIfError: time.Minute} }
	for field, want := range map[string]Lifetime{
		"max-age=60":                           fresh(time.Minute),
		"max-age=60;x=1, foo=(1 2);y, b=:YQ=:": fresh(time.Minute),
		`max-age=60, ext="a, no-store"`:        fresh(time.Minute),
		"max-age=10,   max-age=60":             fresh(time.Minute), // the later counts in a dictionary
		"max-age=60, stale-if-error=7":         {Keep: true, Fresh: time.Minute, StaleIfError: 7 * time.Second},
		"no-store":                             {Fresh: time.Hour, StaleIfError: time.Minute},
		"private=?0":                           fresh(time.Hour),
		"no-cache":                             {Keep: true, Strict: true},
		`max-age="60"`:                         fresh(time.Hour), // another type: left out
		"max-age=-60":                          fresh(time.Hour),
		"max-age=60.5":                         fresh(time.Hour),
		"public":                               fresh(time.Hour),
		"":                                     other,
		" ":                                    other,
		"max-age=60,":                          other,
		"max-age=60 no-store":                  other,
		"Max-Age=60":                           other,
		"max-age=":                             other,
		"max-age=6000000000000000":             other,
		`a="b`:                                 other,
		"a=(1 2":                               other,
		"a=?2":                                 other,
		`a="\x"`:                               other,
	} {
		got := policy.Lifetime(&Info{Header: []Field{{"Cache-Control", "max-age=5"}, {"Cdn-Cache-Control", field}}})
		if got != want {
			t.Errorf("%q: %+v, want %+v", field, got, want)
		}
	}
	two := policy.Lifetime(&Info{Header: []Field{{"Cdn-Cache-Control", "max-age=5"}, {"Cdn-Cache-Control", "max-age=9"}, {"Expires", "0"}}})
	if two != fresh(9*time.Second) {
		t.Errorf("two lines: %+v", two)
	}
}

// A bucket's own rules go before the origin's, and its bounds before both.
func TestLifetimeOfABucketsRules(t *testing.T) {
	second, minute := time.Second, time.Minute
	policy := Freshness{Default: time.Hour, StaleWhileRevalidate: 2 * time.Minute, StaleIfError: time.Hour}
	cases := []struct {
		name    string
		change  func(*Freshness)
		control string
		want    Lifetime
	}{
		{"ignored", func(f *Freshness) { f.IgnoreOrigin = true }, "no-store, private, max-age=1, must-revalidate", Lifetime{Keep: true, Fresh: time.Hour, StaleWhileRevalidate: 2 * time.Minute, StaleIfError: time.Hour}},
		{"overridden", func(f *Freshness) { f.Override.Fresh = &minute }, "no-cache", Lifetime{Keep: true, Fresh: time.Minute, Strict: true}},
		{"overridden, but not no-store", func(f *Freshness) { f.Override.Fresh = &minute }, "no-store", Lifetime{Fresh: time.Minute, StaleWhileRevalidate: 2 * time.Minute, StaleIfError: time.Hour}},
		{"stale windows overridden", func(f *Freshness) { f.Override = Windows{StaleWhileRevalidate: &second, StaleIfError: &minute} }, "max-age=5, must-revalidate", Lifetime{Keep: true, Fresh: 5 * time.Second, StaleWhileRevalidate: time.Second, StaleIfError: time.Minute, Strict: true}},
		{"capped", func(f *Freshness) { f.Max = Windows{&minute, &second, &second} }, "max-age=3600", Lifetime{Keep: true, Fresh: time.Minute, StaleWhileRevalidate: time.Second, StaleIfError: time.Second}},
		{"below the cap", func(f *Freshness) { f.Max.Fresh = &minute }, "max-age=5", Lifetime{Keep: true, Fresh: 5 * time.Second, StaleWhileRevalidate: 2 * time.Minute, StaleIfError: time.Hour}},
		{"the cap goes before the override", func(f *Freshness) { f.Override.Fresh, f.Max.Fresh = &minute, &second }, "", Lifetime{Keep: true, Fresh: time.Second, StaleWhileRevalidate: 2 * time.Minute, StaleIfError: time.Hour}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := policy
			c.change(&f)
			if got := f.Lifetime(&Info{Header: []Field{{"Cache-Control", c.control}}}); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	f := Freshness{Default: time.Hour, IgnoreOrigin: true}
	if f.Lifetime(&Info{Header: []Field{{"Vary", "*"}}}).Keep {
		t.Error("Vary: * is kept")
	}
}

// A 304 renews what it names, and brings new words on freshness.
func TestNotModifiedRenews(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old := Info{ETag: `"a"`, LastModified: at, Validated: at, Header: []Field{{"Age", "7"}, {"Cache-Control", "max-age=1"}, {"X-Amz-Meta-A", "1"}}}
	said := &NotModified{ETag: `"a"`, LastModified: at, Validated: at.Add(time.Hour), Replica: true, Header: []Field{{"Expires", "0"}, {"Cache-Control", "max-age=2"}}}
	got, ok := said.Renew(&old)
	want := []Field{{"Cache-Control", "max-age=2"}, {"Expires", "0"}, {"X-Amz-Meta-A", "1"}}
	if !ok || !got.Validated.Equal(said.Validated) || !got.Replica || !slices.Equal(got.Header, want) || old.Header[1].Value != "max-age=1" {
		t.Errorf("%t %+v", ok, got)
	}
	for name, e := range map[string]*NotModified{
		"another ETag": {ETag: `"b"`, LastModified: at}, "no ETag": {LastModified: at}, "no date": {ETag: `"a"`},
		"another date": {ETag: `"a"`, LastModified: at.Add(time.Second)},
	} {
		if _, ok := e.Renew(&old); ok {
			t.Errorf("%s confirms", name)
		}
	}
	weak := Info{ETag: `W/"a"`, LastModified: at}
	if _, ok := (&NotModified{ETag: `W/"a"`, LastModified: at}).Renew(&weak); ok {
		t.Error("a weak ETag confirms")
	}
}
