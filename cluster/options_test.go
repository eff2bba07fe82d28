package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"rookery/ring"
)

func TestStartRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Options)
		want string
	}{
		"no name":           {func(o *Options) { o.Name = "" }, "node name"},
		"a long name":       {func(o *Options) { o.Name = strings.Repeat("n", 129) }, "node name"},
		"no ring":           {func(o *Options) { o.Ring = nil }, "no ring"},
		"join without key":  {func(o *Options) { o.GossipKey, o.Join = nil, []string{"10.0.0.1:7946"} }, ErrUnencrypted.Error()},
		"a short key":       {func(o *Options) { o.GossipKey = testKey[:15] }, "gossip key of 15 bytes"},
		"join without port": {func(o *Options) { o.Join = []string{"dns+rook"} }, `join "dns+rook"`},
		"join port 0":       {func(o *Options) { o.Join = []string{"rook:0"} }, `join "rook:0"`},
		"join port name":    {func(o *Options) { o.Join = []string{"rook:gossip"} }, `join "rook:gossip"`},
		"join nobody":       {func(o *Options) { o.Join = []string{":7946"} }, `join ":7946"`},
		"no bind":           {func(o *Options) { o.Bind = "" }, "bind address"},
		"unknown bind":      {func(o *Options) { o.Bind = "nowhere:7946" }, "bind address: no such host"},
		"bind elsewhere":    {func(o *Options) { o.Bind = "192.0.2.1:7946" }, "listen for gossip on 192.0.2.1:7946"},
		"advertise nothing": {func(o *Options) { o.Advertise = "0.0.0.0:1" }, "advertised address: 0.0.0.0 leads nowhere"},
		"peer without port": {func(o *Options) { o.PeerAddress = "rook-0" }, "peer address"},
		"too much metadata": {func(o *Options) { o.Zone = strings.Repeat("z", 500) }, "bytes of metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{
				Name: "rook-0", GossipKey: testKey, Bind: "127.0.0.1:0", Ring: &ring.Ring{},
				lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") },
			}
			c.set(&o)
			cluster, err := Start(context.Background(), o)
			if err == nil {
				_ = cluster.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestAdvertisedAddress(t *testing.T) {
	machine := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3")}
	lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "nobody" {
			return nil, nil
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:10.9.9.9")}, nil
	}
	for _, c := range []struct{ bound, ask, want string }{
		{"10.0.0.1:7946", "", "10.0.0.1:7946"},
		{"0.0.0.0:7946", "", "10.1.2.3:7946"},
		{"[::]:7946", "", "10.1.2.3:7946"},
		{"0.0.0.0:7946", "10.5.5.5", "10.5.5.5:7946"},
		{"0.0.0.0:7946", "10.5.5.5:17946", "10.5.5.5:17946"},
		{"0.0.0.0:7946", "rook-0.rook", "10.9.9.9:7946"},
		{"0.0.0.0:7946", "rook-0.rook:17946", "10.9.9.9:17946"},
		{"[::]:7946", "fd00::1", "[fd00::1]:7946"},
		{"[::]:7946", "[fd00::1]:17946", "[fd00::1]:17946"},
		{"0.0.0.0:7946", "nobody", ""},
		{"0.0.0.0:7946", "::", ""},
	} {
		o := Options{Advertise: c.ask, lookup: lookup}
		got, err := o.advertised(context.Background(), where{bound: mustAddrPort(c.bound), machine: machine})
		if c.want == "" {
			if err == nil {
				t.Errorf("bound to %s, advertise %q: %v and no error", c.bound, c.ask, got)
			}
		} else if err != nil || got.String() != c.want {
			t.Errorf("bound to %s, advertise %q: %v, %v, want %s", c.bound, c.ask, got, err, c.want)
		}
	}
}

func TestOutwardAddress(t *testing.T) {
	for _, c := range []struct{ ips, want string }{
		{"", "127.0.0.1"},
		{"127.0.0.1 ::1 fe80::1 169.254.0.1", "127.0.0.1"},
		{"127.0.0.1 203.0.113.7 2001:db8::1", "203.0.113.7"},
		{"203.0.113.7 192.168.1.2 10.0.0.1", "192.168.1.2"},
		{"203.0.113.7 fd00::1", "fd00::1"},
	} {
		var ips []netip.Addr
		for _, s := range strings.Fields(c.ips) {
			ips = append(ips, netip.MustParseAddr(s))
		}
		if got := outward(ips).String(); got != c.want {
			t.Errorf("of %q: %s, want %s", c.ips, got, c.want)
		}
	}
}

func TestPeerAddress(t *testing.T) {
	for _, c := range []struct{ ask, want string }{
		{"0.0.0.0:7947", "10.0.0.1:7947"},
		{":7947", "10.0.0.1:7947"},
		{"[::]:7947", "10.0.0.1:7947"},
		{"10.8.8.8:7947", "10.8.8.8:7947"},
		{"rook-0.rook:7947", "rook-0.rook:7947"},
	} {
		if got, err := peerAddress(c.ask, netip.MustParseAddr("10.0.0.1")); err != nil || got != c.want {
			t.Errorf("%s is told as %s, %v, want %s", c.ask, got, err, c.want)
		}
	}
}

func TestOwnAddressIsRecognised(t *testing.T) {
	w := where{
		bound: mustAddrPort("0.0.0.0:7946"), advertised: mustAddrPort("10.9.9.9:17946"),
		machine: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3")},
	}
	for address, want := range map[string]bool{
		"10.9.9.9:17946": true, "127.0.0.1:7946": true, "10.1.2.3:7946": true,
		"10.1.2.3:7956": false, "10.9.9.9:7946": false, "10.1.2.4:7946": false,
	} {
		if got := w.isOwn(mustAddrPort(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestGossipLogLevels(t *testing.T) {
	for line, want := range map[string]string{
		"[DEBUG] memberlist: Stream connection from=x": "DEBUG Stream connection from=x room=gossip",
		"[INFO] memberlist: Suspect b has failed":      "DEBUG Suspect b has failed room=gossip",
		"[WARN] memberlist: Refuting":                  "WARN Refuting room=gossip",
		"[ERR] memberlist: Push/Pull failed":           "WARN Push/Pull failed room=gossip",
		"[ERROR] memberlist: Failed":                   "WARN Failed room=gossip",
		"[ERR] memberlist: Failed to send gossip to x: write udp y->x: use of closed network connection": "DEBUG Failed to send gossip to x: write udp y->x: use of closed network connection room=gossip",
		"Err: Could not set the deadline": "WARN Err: Could not set the deadline room=gossip",
	} {
		var l lines
		loudLog(slog.New(&l)).Print(line)
		if len(l.kept) != 1 || l.kept[0] != want {
			t.Errorf("%q became %q, want %q", line, l.kept, want)
		}
	}
}
