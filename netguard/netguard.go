// Package netguard keeps connections that a configuration or a stranger may steer
// (to origins, to the keys of tokens, to policy servers) away from addresses that
// only the machine itself should ask, such as the metadata services of clouds, which
// hand out credentials to whoever can reach them.
//
// It judges the address that a connection is about to be made to, not a name, so
// that no answer of a name server gets past it. It imports nothing of Rookery.
package netguard

import (
	"fmt"
	"net/netip"
	"syscall"
)

// Control returns what a net.Dialer's Control is to be. It fails for the addresses
// that Refuses names.
func Control(allowLinkLocal bool) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("refuse to connect to %q, which is no address", address)
		}
		if why := Refuses(to.Addr(), allowLinkLocal); why != "" {
			return fmt.Errorf("refuse to connect to %s: %s", to.Addr(), why)
		}
		return nil
	}
}

var (
	// amazonIPv6 is where the metadata service of EC2 listens by IPv6: a unique local
	// address, and no less dangerous than the link-local one.
	amazonIPv6 = netip.MustParseAddr("fd00:ec2::254")
	broadcast  = netip.MustParseAddr("255.255.255.255")
)

// The prefixes of IPv6 addresses that mean an IPv4 one, and the byte where that begins.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},          // IPv4-compatible (RFC 4291 §2.5.5.1)
	{netip.MustParsePrefix("64:ff9b::/96"), 12},   // NAT64 (RFC 6052 §2.1)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12}, // NAT64 of one's own (RFC 8215), as /96
	{netip.MustParsePrefix("2002::/16"), 2},       // 6to4 (RFC 3056 §2)
}

// Refuses says why no connection is made to an address; "" if one is. Link-local
// addresses (RFC 3927, RFC 4291 §2.5.6) and EC2's metadata service are refused unless
// allowed; the unspecified address, which is this machine by another name, multicast
// and broadcast always.
func Refuses(a netip.Addr, allowLinkLocal bool) (why string) {
	a = a.Unmap().WithZone("")
	if why := refuses(a, allowLinkLocal); why != "" || a.Is4() || a == netip.IPv6Loopback() {
		return why
	}
	for _, e := range embedding {
		if e.prefix.Contains(a) {
			bytes := a.As16()
			return refuses(netip.AddrFrom4([4]byte(bytes[e.at:])), allowLinkLocal)
		}
	}
	return ""
}

func refuses(a netip.Addr, allowLinkLocal bool) string {
	switch {
	case !a.IsValid() || a.IsUnspecified():
		return "it is the unspecified address"
	case a.IsMulticast() || a == broadcast:
		return "it is a multicast or broadcast address"
	case !allowLinkLocal && (a.IsLinkLocalUnicast() || a == amazonIPv6):
		return "it is link-local, where clouds have their metadata services; network.allow_link_local allows it"
	}
	return ""
}
