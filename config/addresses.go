package config

import (
	"net/netip"
	"strconv"

	"github.com/goccy/go-yaml"
)

// IPFilter says from where clients may come. What is blocked is refused; where the
// list of those allowed is not empty, all others are.
type IPFilter struct{ Allow, Block []netip.Prefix }

func readIPFilter(s *section, f *IPFilter) {
	s.networks("allowlist", &f.Allow)
	s.networks("blocklist", &f.Block)
}

// networks reads a list of networks in CIDR notation, or of single addresses.
func (s *section) networks(key string, to *[]netip.Prefix) {
	texts, at := s.texts(key)
	for i, text := range texts {
		p, problem := parseNetwork(text)
		if problem != "" {
			s.doc.fail(at[i], "%s: %s", s.key(key), problem)
			continue
		}
		*to = append(*to, p)
	}
}

// parseNetwork returns IPv4 for what IPv6 only wraps.
func parseNetwork(text string) (p netip.Prefix, problem string) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, strconv.Quote(text) + " is not a network such as 10.0.0.0/8, nor an address"
	case p.Addr().Is4In6() && p.Bits() >= 96:
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return p, strconv.Quote(text) + " has bits set behind its length: write " + p.Masked().String()
	}
	return p, ""
}

func (f *IPFilter) effective() yaml.MapSlice {
	return compact(yaml.MapSlice{
		{Key: "allowlist", Value: networkTexts(f.Allow)},
		{Key: "blocklist", Value: networkTexts(f.Block)},
	})
}

func networkTexts(list []netip.Prefix) []string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return texts
}
