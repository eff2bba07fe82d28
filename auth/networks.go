package auth

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Networks is a set of networks, IPv4 and IPv6. A nil one is empty. Immutable and safe
// for concurrent use.
type Networks struct{ table bart.Lite }

// NewNetworks returns nil for an empty list.
func NewNetworks(list []netip.Prefix) *Networks {
	if len(list) == 0 {
		return nil
	}
	n := new(Networks)
	for _, p := range list {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		n.table.Insert(p.Masked())
	}
	return n
}

// Contains reports whether an address is in one of the networks: as IPv4 where IPv6
// only wraps it, and without its zone. The zero Addr is in none.
func (n *Networks) Contains(a netip.Addr) bool {
	return n != nil && a.IsValid() && n.table.Contains(a.Unmap().WithZone(""))
}
