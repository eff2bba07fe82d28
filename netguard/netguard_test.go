package netguard_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"rookery/netguard"
)

func TestRefuses(t *testing.T) {
	const linkLocal, never, always = "link-local", "never", "always"
	for address, want := range map[string]string{
		"169.254.169.254":          linkLocal,
		"169.254.0.0":              linkLocal,
		"169.254.255.255":          linkLocal,
		"169.253.255.255":          never,
		"169.255.0.0":              never,
		"fe80::1":                  linkLocal,
		"fe80::1%eth0":             linkLocal,
		"febf:ffff::":              linkLocal,
		"fec0::1":                  never,
		"fd00:ec2::254":            linkLocal,
		"fd00:ec2::255":            never,
		"::ffff:169.254.169.254":   linkLocal,
		"::169.254.169.254":        linkLocal,
		"64:ff9b::169.254.169.254": linkLocal,
		"64:ff9b:1::a9fe:a9fe":     linkLocal,
		"2002:a9fe:a9fe::1":        linkLocal,
		"2002:0808:0808::1":        never,
		"64:ff9b::8.8.8.8":         never,
		"0.0.0.0":                  always,
		"::":                       always,
		"::ffff:0.0.0.0":           always,
		"224.0.0.1":                always,
		"239.1.2.3":                always,
		"255.255.255.255":          always,
		"ff02::1":                  always,
		"127.0.0.1":                never,
		"::1":                      never,
		"10.0.0.1":                 never,
		"192.168.1.1":              never,
		"52.216.1.1":               never,
		"2600:1f18::1":             never,
	} {
		a := netip.MustParseAddr(address)
		strict, lax := netguard.Refuses(a, false) != "", netguard.Refuses(a, true) != ""
		if strict != (want != never) || lax != (want == always) {
			t.Errorf("%s: refused %v, and %v where link-local is allowed; want it %s refused", address, strict, lax, want)
		}
	}
	if netguard.Refuses(netip.Addr{}, true) == "" {
		t.Error("no address at all is not refused")
	}
}

// What a name means is judged at the moment of the connection, each of its addresses
// by itself: a name server that says one thing first and another later gains nothing.
func TestNamesAreJudgedByTheirAddresses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	d := net.Dialer{Control: netguard.Control(false)}
	conn, err := d.DialContext(t.Context(), "tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for _, address := range []string{"169.254.169.254:80", "[fe80::1%lo]:80", "0.0.0.0:" + port, "[::]:" + port} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := d.DialContext(ctx, "tcp", address)
		cancel()
		var op *net.OpError
		if !errors.As(err, &op) || !strings.Contains(err.Error(), "refuse to connect to ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
