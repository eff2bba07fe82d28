package limit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ann   = netip.MustParseAddr("192.0.2.1")
	bob   = netip.MustParseAddr("192.0.2.2")
)

// A bucket of tokens is golang.org/x/time/rate's, whatever comes when.
func TestTokensAreThoseOfXTimeRate(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		perSecond, burst := 1+r.IntN(500), 1+r.IntN(100)
		ours, theirs := New(Rates{Total: Rate{Requests: perSecond, Burst: burst}}, start), rate.NewLimiter(rate.Limit(perSecond), burst)
		now, differ := start, 0
		for range 2000 {
			now = now.Add(time.Duration(r.ExpFloat64() * float64(time.Second) / float64(perSecond)))
			if got, want := ours.Arrive(now, ann) == nil, theirs.AllowN(now, 1); got != want {
				differ++ // both round to nanoseconds, each in its way
			}
		}
		if differ > 2 {
			t.Errorf("%d/s, bursts of %d: %d of 2000 decisions differ", perSecond, burst, differ)
		}
	}
}

// In no time as long as the window are there more than it allows, and whoever waits as
// long as is said is let in.
func TestWindowsSlide(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		window := time.Duration(1+r.IntN(60)) * time.Second
		most := 3 * int(window/time.Second)
		l := New(Rates{Total: Rate{Requests: 3, Window: window}}, start)
		now := start
		var taken []time.Time
		for range 3000 {
			now = now.Add(time.Duration(r.ExpFloat64() * float64(time.Second) / 6))
			refusal := l.Arrive(now, ann)
			if refusal != nil {
				if n := r.IntN(50); n == 0 { // wait as told
					now = now.Add(refusal.After)
					if again := l.Arrive(now, ann); again != nil {
						t.Fatalf("seed %d: refused after %v, for %v", seed, refusal.After, again.After)
					}
					taken = append(taken, now)
				}
				continue
			}
			taken = append(taken, now)
		}
		for i := range taken {
			if last := i + most; last < len(taken) && taken[last].Sub(taken[i]) < window {
				t.Fatalf("seed %d: %d requests in %v, %d may be in %v", seed, most+1, taken[last].Sub(taken[i]), most, window)
			}
		}
		if len(taken) < most {
			t.Errorf("seed %d: only %d of %d were taken", seed, len(taken), most)
		}
	}
}

// A body is sent whole; what it takes beyond a second's bytes is waited for by those
// that come after it, and what did not go out is given back.
func TestBytesAreOwed(t *testing.T) {
	l := New(Rates{PerAddress: Rate{Bytes: 1000}}, start)
	now := start
	step := func(name string, want time.Duration) {
		t.Helper()
		got := l.Arrive(now, ann)
		if want == 0 && got != nil || want > 0 && (got == nil || got.Kind != Bytes || got.After.Round(time.Microsecond) != want) {
			t.Errorf("%s: %+v, want %v", name, got, want)
		}
	}
	l.Charge(now, ann, Who{}, 999)
	step("not yet a second's", 0)
	l.Charge(now, ann, Who{}, 9001)
	step("ten seconds'", 9*time.Second)
	if l.Arrive(now, bob) != nil {
		t.Error("another address pays")
	}
	now = now.Add(8 * time.Second)
	step("nearly paid", time.Second)
	l.Charge(now, ann, Who{}, -500)
	step("half of a second's came back", 500*time.Millisecond)
	now = now.Add(500*time.Millisecond + 1)
	step("paid", 0)
	l.Charge(now, ann, Who{}, 1<<62)
	step("a hundred years", longest-time.Second)
	l.Charge(now, ann, Who{}, -(1 << 62))
	step("and back", 0)
}

func TestWhoseLimit(t *testing.T) {
	one := Rate{Requests: 1, Burst: 1}
	l := New(Rates{Total: Rate{Requests: 1, Burst: 3}, PerAddress: one, PerSubject: one}, start)
	arrive := func(a netip.Addr) string {
		if r := l.Arrive(start, a); r != nil {
			return r.Name()
		}
		return "taken"
	}
	who := Who{"jwt", "i", "ann"}
	for i, c := range []struct{ got, want string }{
		{arrive(ann), "taken"},
		{arrive(ann), "address_requests"}, // and takes nothing from the total
		{arrive(ann), "address_requests"},
		{arrive(bob), "taken"},
		{arrive(netip.MustParseAddr("::ffff:192.0.2.2")), "address_requests"}, // bob by another name
		{arrive(netip.MustParseAddr("2001:db8::1")), "taken"},
		{arrive(netip.MustParseAddr("2001:db8::ffff:0:0:2%eth0")), "address_requests"}, // the same /64
		{arrive(netip.MustParseAddr("2001:db8:0:1::1")), "total_requests"},
	} {
		if c.got != c.want {
			t.Errorf("%d: %s, want %s", i, c.got, c.want)
		}
	}
	if l.Identified(start, who) != nil || l.Identified(start, Who{}) != nil || l.Identified(start, Who{}) != nil {
		t.Error("a first request, or nobody's, is refused")
	}
	if r := l.Identified(start, who); r == nil || r.Name() != "subject_requests" {
		t.Errorf("%+v", r)
	}
	if l.Identified(start, Who{"jwt", "other", "ann"}) != nil {
		t.Error("another issuer's subject pays")
	}
}

func TestNoLimits(t *testing.T) {
	var l *Limiter
	if New(Rates{}, start) != nil || l.Arrive(start, ann) != nil || l.Identified(start, Who{Subject: "s"}) != nil || l.Tracked() != 0 {
		t.Error("there is a limit")
	}
	l.Charge(start, ann, Who{}, 1)
}

// A flood of addresses takes a bounded number of places, and buys nobody more than its
// rate: neither who was limited before, nor all the new ones of a shard together.
func TestAFloodOfAddresses(t *testing.T) {
	l := New(Rates{PerAddress: Rate{Requests: 1, Burst: 5}}, start)
	for range 5 {
		l.Arrive(start, ann)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	taken, flood := 0, 4*shards*perShard
	for i := range flood {
		if l.Arrive(start, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})) == nil {
			taken++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := l.Tracked(); n > shards*perShard {
		t.Errorf("%d addresses are tracked, %d may be", n, shards*perShard)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Errorf("%d bytes for %d addresses", grown, flood)
	}
	if most := shards*perShard + shards*5; taken > most {
		t.Errorf("%d requests were taken, want at most %d", taken, most)
	}
	if l.Arrive(start, ann) == nil {
		t.Error("the flood made a limited address be forgotten")
	}
	later := start.Add(time.Minute) // all of them are idle
	for i := range 1000 {
		if l.Arrive(later, netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)})) != nil {
			t.Fatal("no place is made of idle ones")
		}
	}
	runtime.KeepAlive(l)
}

func BenchmarkArrive(b *testing.B) {
	all := Rates{Total: Rate{Requests: 1 << 30, Bytes: 1 << 50}, PerAddress: Rate{Requests: 1 << 30, Bytes: 1 << 50}}
	windows := all
	windows.Total.Window, windows.PerAddress.Window = time.Second, time.Second
	for name, rates := range map[string]Rates{"off": {}, "tokens": all, "windows": windows} {
		for _, clients := range []int{1, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", name, clients), func(b *testing.B) {
				l, now, i := New(rates, start), start, 0
				b.ReportAllocs()
				for b.Loop() {
					i++
					now = now.Add(1000)
					from := netip.AddrFrom4([4]byte{10, 0, byte(i % clients >> 8), byte(i % clients)})
					if l.Arrive(now, from) != nil {
						b.Fatal("refused")
					}
					l.Charge(now, from, Who{}, 4096)
				}
			})
		}
	}
}
