package object

import (
	"testing"
	"time"
)

func TestLifetimeForAClientsWish(t *testing.T) {
	plain := Lifetime{Fresh: time.Minute, StaleWhileRevalidate: 10 * time.Second}
	immutable, strict := plain, plain
	immutable.Immutable = true
	strict.Strict, strict.StaleWhileRevalidate = true, 0
	wish := func(change func(*Wish)) *Wish {
		w := &Wish{MaxAge: NoLimit, MaxStale: NoLimit}
		change(w)
		return w
	}
	noCache := wish(func(w *Wish) { w.NoCache = true })
	maxAge := func(d time.Duration) *Wish { return wish(func(w *Wish) { w.MaxAge = d }) }
	maxStale := func(d time.Duration) *Wish { return wish(func(w *Wish) { w.MaxStale = d }) }
	minFresh := func(d time.Duration) *Wish { return wish(func(w *Wish) { w.MinFresh = d }) }
	cases := []struct {
		name string
		life Lifetime
		age  time.Duration
		wish *Wish
		want Use
	}{
		{"fresh", plain, 59 * time.Second, nil, UseFresh},
		{"stale by nothing", plain, time.Minute, nil, UseWhileRevalidating},
		{"stale", plain, 70 * time.Second, nil, UseNot},
		{"no-cache", plain, 0, noCache, UseNot},
		{"no-cache outdoes immutable", immutable, 0, noCache, UseNot},
		{"max-age", plain, 20 * time.Second, maxAge(20 * time.Second), UseFresh},
		{"max-age is less", plain, 20 * time.Second, maxAge(19 * time.Second), UseNot},
		{"max-age=0", plain, time.Nanosecond, maxAge(0), UseNot},
		{"immutable outdoes max-age", immutable, 20 * time.Second, maxAge(0), UseFresh},
		{"but not when it is stale", immutable, 61 * time.Second, maxAge(0), UseNot},
		{"who has limits takes nothing stale", plain, 61 * time.Second, maxAge(time.Hour), UseNot},
		{"max-stale", plain, 80 * time.Second, maxStale(20 * time.Second), UseStale},
		{"max-stale is less", plain, 81 * time.Second, maxStale(20 * time.Second), UseNot},
		{"max-stale is less, but it may be stale anyhow", plain, 65 * time.Second, maxStale(time.Second), UseWhileRevalidating},
		{"max-stale and must-revalidate", strict, 61 * time.Second, maxStale(time.Hour), UseNot},
		{"min-fresh", plain, 40 * time.Second, minFresh(20 * time.Second), UseFresh},
		{"min-fresh is more", plain, 41 * time.Second, minFresh(20 * time.Second), UseNot},
		{"only-if-cached alone limits nothing", plain, 61 * time.Second, wish(func(w *Wish) { w.OnlyIfCached = true }), UseWhileRevalidating},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.life.For(c.age, c.wish); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
