package auth_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"testing"

	"rookery/auth"
)

func networks(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestAddresses(t *testing.T) {
	cases := []struct {
		name         string
		allow, block []netip.Prefix
		in, out      []string // "" is an unknown address
	}{
		{"no lists", nil, nil, []string{"", "1.2.3.4"}, nil},
		{"allowed", networks("10.0.0.0/8", "192.0.2.7/32"), nil, []string{"10.0.0.0", "10.255.255.255", "192.0.2.7", "::ffff:10.1.2.3"}, []string{"", "11.0.0.0", "9.255.255.255", "192.0.2.8", "::a00:1", "fe80::1"}},
		{"blocked", nil, networks("10.0.0.0/8", "2001:db8::/32"), []string{"11.0.0.0", "2001:db9::1"}, []string{"", "10.9.9.9", "::ffff:10.9.9.9", "2001:db8:ffff::1"}},
		{"block wins", networks("10.0.0.0/8"), networks("10.1.0.0/16"), []string{"10.2.0.1"}, []string{"10.1.0.1", "1.1.1.1"}},
		{"block wins over what is narrower", networks("10.1.2.3/32"), networks("10.1.0.0/16"), nil, []string{"10.1.2.3"}},
		{"zones do not matter", networks("fe80::/10"), networks("fe80::bad/128"), []string{"fe80::1%eth0"}, []string{"fe80::bad%eth0", "fe80::bad%x"}},
		{"a network that is written wrapped", networks("::ffff:10.0.0.0/104"), nil, []string{"10.1.1.1", "::ffff:10.1.1.1"}, []string{"11.0.0.0"}},
		{"everything blocked", nil, networks("0.0.0.0/0"), []string{"2001:db8::1"}, []string{"8.8.8.8", "::ffff:8.8.8.8"}},
		{"host bits", networks("10.1.2.3/8"), nil, []string{"10.9.9.9"}, nil},
	}
	for _, c := range cases {
		// An open guard and one without schemes: neither is asked first.
		for _, g := range []*auth.Guard{(*auth.Guard)(nil).Behind(auth.NewAddresses(c.allow, c.block)), auth.NewGuard(true, nil, nil).Behind(auth.NewAddresses(c.allow, c.block))} {
			for want, all := range map[bool][]string{true: c.in, false: c.out} {
				for _, text := range all {
					var addr netip.Addr
					if text != "" {
						addr = netip.MustParseAddr(text)
					}
					_, err := g.Authorize(t.Context(), &auth.Request{Method: "GET", Header: http.Header{}, Remote: addr})
					var denied *auth.Denied
					if want && err != nil || !want && (!errors.As(err, &denied) || denied.Reason != auth.WrongAddress) {
						t.Errorf("%s: %q: %v", c.name, text, err)
					}
				}
			}
		}
	}
}

// fails is a scheme that must not be asked.
type fails struct{ *testing.T }

func (f fails) Identify(_ context.Context, _ *auth.Request) (*auth.Identity, error) {
	f.Error("a scheme was asked for one who may not come in")
	return nil, nil
}

func TestAddressesComeBeforeSchemes(t *testing.T) {
	g := auth.NewGuard(false, []auth.Scheme{fails{t}}, nil).Behind(auth.NewAddresses(networks("10.0.0.0/8"), nil))
	if _, err := g.Authorize(t.Context(), &auth.Request{Header: http.Header{}, Remote: netip.MustParseAddr("11.0.0.1")}); err == nil {
		t.Error("let in")
	}
}

// Against ten thousand networks and a plain walk through all of them.
func TestNetworksAreAsAWalkThroughAll(t *testing.T) {
	list := manyNetworks(10_000)
	set := auth.NewNetworks(list)
	r := rand.New(rand.NewPCG(1, 2))
	var inside int
	for range 2000 {
		a := list[r.IntN(len(list))].Addr() // half of them near an edge
		if r.IntN(2) == 0 {
			a = a.Prev()
		}
		want := false
		for _, p := range list {
			want = want || p.Contains(a)
		}
		if want {
			inside++
		}
		if got := set.Contains(a); got != want {
			t.Fatalf("%s: %v, want %v", a, got, want)
		}
	}
	if inside < 500 || inside > 1900 {
		t.Errorf("%d of 2000 addresses are inside: this shows nothing", inside)
	}
}

func manyNetworks(n int) []netip.Prefix {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([]netip.Prefix, n)
	for i := range all {
		if i%2 == 0 {
			all[i] = netip.MustParsePrefix(fmt.Sprintf("%d.%d.%d.%d/%d", 1+r.IntN(223), r.IntN(256), r.IntN(256), r.IntN(256), 16+r.IntN(17))).Masked()
		} else {
			all[i] = netip.MustParsePrefix(fmt.Sprintf("2001:%x:%x::/%d", r.IntN(65536), r.IntN(65536), 32+r.IntN(33))).Masked()
		}
	}
	return all
}

func BenchmarkAddresses(b *testing.B) {
	g := (*auth.Guard)(nil).Behind(auth.NewAddresses(nil, manyNetworks(10_000)))
	r := &auth.Request{Header: http.Header{}, Remote: netip.MustParseAddr("0.1.2.3")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Authorize(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
