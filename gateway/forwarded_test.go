package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"rookery/auth"
)

// Whom a request is for, told by a proxy at 10.0.0.1 of the trusted 10.0.0.0/8 and
// fd00::/8.
func TestSender(t *testing.T) {
	p := &policy{trusted: auth.NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})}
	const unknown = "invalid IP"
	cases := []struct {
		name, peer     string
		xff, forwarded []string
		want           string
	}{
		{"no header", "10.0.0.1:1", nil, nil, "10.0.0.1"},
		{"a stranger's word", "192.0.2.1:1", []string{"198.51.100.1"}, []string{"for=198.51.100.1"}, "192.0.2.1"},
		{"one hop", "10.0.0.1:1", []string{"198.51.100.1"}, nil, "198.51.100.1"},
		{"the sender's own word on the left", "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, nil, "198.51.100.1"},
		{"behind two proxies", "10.0.0.1:1", []string{"203.0.113.9,198.51.100.1,10.2.0.1,fd00::5"}, nil, "198.51.100.1"},
		{"lines", "10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1", "10.2.0.1"}, nil, "198.51.100.1"},
		{"from within", "10.0.0.1:1", []string{"10.3.0.1, 10.2.0.1"}, nil, "10.3.0.1"},
		{"ports, brackets, wrapped, zones", "[fd00::1]:1", []string{"[2001:db8::1]:80, [fd00::2], 10.1.1.1:443, ::ffff:10.9.9.9, [fd00::3%eth0]:1"}, nil, "2001:db8::1"},
		{"a wrapped peer", "[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, nil, "198.51.100.1"},
		{"a broken value is nobody", "10.0.0.1:1", []string{"198.51.100.1, garbage"}, nil, unknown},
		{"nor is an empty one", "10.0.0.1:1", []string{"198.51.100.1, "}, nil, unknown},
		{"an empty line", "10.0.0.1:1", []string{"198.51.100.1", ""}, nil, unknown},
		{"left of the client nothing matters", "10.0.0.1:1", []string{"garbage, \"<,,>, 198.51.100.1, 10.1.1.1"}, nil, "198.51.100.1"},
		{"half a bracket", "10.0.0.1:1", []string{"[2001:db8::1"}, nil, unknown},
		{"more hops than anybody has", "10.0.0.1:1", []string{"198.51.100.1" + strings.Repeat(",10.0.0.2", 32)}, nil, unknown},

		{"Forwarded", "10.0.0.1:1", nil, []string{`for=203.0.113.9;proto=http, For="[2001:db8::1]:4711" ; by=10.0.0.1, for=10.2.0.1`}, "2001:db8::1"},
		{"Forwarded lines", "10.0.0.1:1", nil, []string{`for=203.0.113.9`, `for=198.51.100.1;host="a, for=203.0.113.9"`}, "198.51.100.1"},
		{"an obfuscated identifier", "10.0.0.1:1", nil, []string{"for=198.51.100.1, for=_hidden"}, unknown},
		{"an element without for", "10.0.0.1:1", nil, []string{"for=198.51.100.1, proto=https"}, unknown},
		{"two for", "10.0.0.1:1", nil, []string{"for=198.51.100.1;for=203.0.113.9"}, unknown},
		{"an open quote that swallows the proxy's", "10.0.0.1:1", nil, []string{`for=203.0.113.9;x=", for=198.51.100.1`}, unknown},
		{"a quote that the host closes", "10.0.0.1:1", nil, []string{`for=203.0.113.9;x=", for=198.51.100.1;host="a.test"`}, unknown},
		{"escapes", "10.0.0.1:1", nil, []string{`for="198.51.100\.1";host="a\", for=203.0.113.9"`}, "198.51.100.1"},
		{"no pair", "10.0.0.1:1", nil, []string{"198.51.100.1"}, unknown},

		{"both, and the same", "10.0.0.1:1", []string{"198.51.100.1"}, []string{"for=198.51.100.1"}, "198.51.100.1"},
		{"the proxy's XFF, the sender's Forwarded", "10.0.0.1:1", []string{"198.51.100.1"}, []string{"for=10.0.0.9"}, unknown},
		{"the proxy's Forwarded, the sender's XFF", "10.0.0.1:1", []string{"10.0.0.9"}, []string{"for=198.51.100.1"}, unknown},
	}
	for _, c := range cases {
		h := http.Header{}
		if c.xff != nil {
			h["X-Forwarded-For"] = c.xff
		}
		if c.forwarded != nil {
			h["Forwarded"] = c.forwarded
		}
		got, remote, _ := p.sender(&Request{Remote: c.peer, Header: h})
		if got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got.IsValid() && !strings.Contains(remote, got.String()) && !strings.Contains(remote, c.peer) || !got.IsValid() && remote != "unknown, by "+c.peer {
			t.Errorf("%s: the log names %q", c.name, remote)
		}
	}
}

func TestSecureByProxy(t *testing.T) {
	p := &policy{trusted: auth.NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})}
	for _, c := range []struct {
		peer, proto string
		tls, want   bool
	}{
		{"10.0.0.1:1", "https", false, true},
		{"10.0.0.1:1", "https, http", false, false},
		{"10.0.0.1:1", "http,HTTPS", false, true},
		{"10.0.0.1:1", "http", true, false},
		{"10.0.0.1:1", "", true, true},
		{"192.0.2.1:1", "https", false, false},
		{"192.0.2.1:1", "http", true, true},
	} {
		h := http.Header{}
		if c.proto != "" {
			h.Set("X-Forwarded-Proto", c.proto)
		}
		if _, _, got := p.sender(&Request{Remote: c.peer, Header: h, Secure: c.tls}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Whatever a sender puts before its proxy's own word, it is taken for no other.
func FuzzForwarded(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.1")
	f.Add(`for=1.2.3.4;host="a", for="[2001:db8::1]:80"`)
	p := &policy{trusted: auth.NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})}
	f.Fuzz(func(t *testing.T, forged string) {
		if strings.ContainsAny(forged, "\r\n") {
			t.Skip()
		}
		for name, own := range map[string]string{"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1;host=h"} {
			h := http.Header{name: {forged + ", " + own}}
			got, _, _ := p.sender(&Request{Remote: "10.0.0.1:1", Header: h})
			if name == "X-Forwarded-For" && got.String() != "198.51.100.1" || got.IsValid() && got.String() != "198.51.100.1" {
				t.Errorf("%s: %q gains %s", name, forged, got)
			}
			h = http.Header{name: {forged, own}}
			if got, _, _ := p.sender(&Request{Remote: "10.0.0.1:1", Header: h}); got.String() != "198.51.100.1" {
				t.Errorf("%s: a line %q before the proxy's gains %s", name, forged, got)
			}
		}
	})
}
