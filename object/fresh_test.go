package object

import (
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	policy := Freshness{Default: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour}
	plain := Lifetime{Keep: true, Fresh: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour}
	with := func(change func(*Lifetime)) Lifetime { l := plain; change(&l); return l }
	strict := func(d time.Duration) Lifetime { return Lifetime{Keep: true, Fresh: d} }
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
		{"not a number says nothing", []Field{{"Cache-Control", "max-age=-5, s-maxage"}}, strict(time.Hour)},
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
		"no-cache":                            {Keep: true},
		"max-age=5, stale-while-revalidate=3": {Keep: true, Fresh: 5 * time.Second, StaleWhileRevalidate: 3 * time.Second, StaleIfError: 24 * time.Hour},
	} {
		got := policy.Lifetime(&Info{Replica: true, Header: []Field{{"Cache-Control", control}}})
		if got != want {
			t.Errorf("%s: %+v, want %+v", control, got, want)
		}
	}
}
