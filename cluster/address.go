package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// lookupFunc returns all addresses of a host.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func lookupDNS(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// endpoint is a host, by name or address, and a port.
type endpoint struct {
	host string
	port uint16
}

func (e endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(int(e.port))) }

func parseEndpoint(s string) (endpoint, error) {
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		return endpoint{}, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return endpoint{}, fmt.Errorf("address %s: %q is no port", s, portText)
	}
	return endpoint{host: host, port: uint16(port)}, nil
}

// resolve returns the endpoint's addresses, all of them. An empty host is every
// address of this machine.
func (e endpoint) resolve(ctx context.Context, lookup lookupFunc) ([]netip.AddrPort, error) {
	if e.host == "" {
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), e.port)}, nil
	}
	if ip, err := netip.ParseAddr(e.host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), e.port)}, nil
	}
	ips, err := lookup(ctx, e.host)
	if err != nil {
		return nil, err
	}
	out := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		out[i] = netip.AddrPortFrom(ip.Unmap(), e.port)
	}
	return out, nil
}

// first is resolve for what must be one address.
func (e endpoint) first(ctx context.Context, lookup lookupFunc) (netip.AddrPort, error) {
	all, err := e.resolve(ctx, lookup)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s has no address", e.host)
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	return all[0], nil
}

// parseJoin reads the entries of Options.Join. The dns+ is for the reader: any
// name is looked up for all of its addresses.
func parseJoin(entries []string) ([]endpoint, error) {
	var out []endpoint
	for _, entry := range entries {
		e, err := parseEndpoint(strings.TrimPrefix(entry, "dns+"))
		if err != nil {
			return nil, fmt.Errorf("join %q: %w", entry, err)
		}
		if e.host == "" || e.port == 0 {
			return nil, fmt.Errorf("join %q: a host and a port are wanted", entry)
		}
		out = append(out, e)
	}
	return out, nil
}

// advertised returns the address to tell the others: what was asked for, else
// the bound one, else one of this machine's.
func (o *Options) advertised(ctx context.Context, at where) (netip.AddrPort, error) {
	if o.Advertise == "" {
		if at.bound.Addr().IsUnspecified() {
			return netip.AddrPortFrom(outward(at.machine), at.bound.Port()), nil
		}
		return at.bound, nil
	}
	e, err := parseEndpoint(o.Advertise)
	if err != nil { // a host alone
		e = endpoint{host: strings.Trim(o.Advertise, "[]"), port: at.bound.Port()}
	}
	address, err := e.first(ctx, o.lookup)
	if err == nil && address.Addr().IsUnspecified() {
		err = fmt.Errorf("%s leads nowhere", address.Addr())
	}
	return address, err
}

// machineAddresses returns the addresses of this machine's interfaces.
func machineAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("read the addresses of this machine: %w", err)
	}
	var out []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out, nil
}

// outward picks the address under which other machines are likely to reach this
// one: a private IPv4 one before another before IPv6, or the loopback address
// where there is nothing else and so no other machine either.
func outward(ips []netip.Addr) netip.Addr {
	best, rank := netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0
	for _, ip := range ips {
		r := 0
		if ip.IsGlobalUnicast() {
			r = 1
			if ip.Is4() {
				r++
			}
			if ip.IsPrivate() {
				r += 2
			}
		}
		if r > rank {
			best, rank = ip, r
		}
	}
	return best
}

// peerAddress returns the address for reads that the others are told.
func peerAddress(ask string, gossip netip.Addr) (string, error) {
	e, err := parseEndpoint(ask)
	if err != nil {
		return "", err
	}
	ip, err := netip.ParseAddr(e.host)
	if gossip.IsValid() && (e.host == "" || err == nil && ip.IsUnspecified()) {
		e.host = gossip.String()
	}
	return e.String(), nil
}
