package gateway

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// maxHops is how many proxies a request may have come through. Whose header names
// more is nobody's whose address is known.
const maxHops = 32

// sender tells whom a request is for, and whether that one's own connection was
// secure. It is the connection's other end, unless that is a trusted proxy: then it is
// the last hop that the proxies name and that is none of them. What stands further
// left is the sender's own word, which counts for nothing.
//
// Where the proxies name nobody that can be understood (an obfuscated identifier, a
// broken value), or X-Forwarded-For and Forwarded differ, so that one of them may be
// the sender's own, the address is the zero Addr: not known. It is never a proxy's
// then, which might be allowed more. remote is how the log names the client.
func (p *policy) sender(r *Request) (client netip.Addr, remote string, secure bool) {
	peer := addressOf(r.Remote)
	if !p.trusted.Contains(peer) {
		return peer, r.Remote, r.Secure
	}
	client, secure = p.named(peer, r.Header), r.Secure
	if proto := r.Header.Values("X-Forwarded-Proto"); len(proto) > 0 {
		secure = strings.EqualFold(strings.TrimSpace(lastOf(proto)), "https")
	}
	switch {
	case client == peer:
		return client, r.Remote, secure
	case client.IsValid():
		return client, client.String(), secure
	}
	return client, "unknown, by " + r.Remote, secure
}

// named is the client that trusted proxies name.
func (p *policy) named(peer netip.Addr, h Header) netip.Addr {
	old, standard := h.Values("X-Forwarded-For"), h.Values("Forwarded")
	client := p.lastUntrusted(peer, forwardedFor(old))
	if len(standard) == 0 {
		return client
	}
	other := p.lastUntrusted(peer, forwarded(standard))
	if len(old) > 0 && other != client {
		return netip.Addr{}
	}
	return other
}

// lastUntrusted returns the first of the hops, which come from the right, that is no
// trusted proxy; where all are, the one farthest away.
func (p *policy) lastUntrusted(peer netip.Addr, hops iter.Seq[netip.Addr]) netip.Addr {
	client, n := peer, 0
	for hop := range hops {
		if n++; n > maxHops {
			return netip.Addr{}
		}
		client = hop
		if !p.trusted.Contains(hop) {
			break
		}
	}
	return client
}

// lastOf returns the last element of a list in header lines.
func lastOf(lines []string) string {
	line := lines[len(lines)-1]
	return line[strings.LastIndexByte(line, ',')+1:]
}

// forwardedFor gives the addresses of X-Forwarded-For from the right, the zero Addr
// for what is none.
func forwardedFor(lines []string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, line := range slices.Backward(lines) {
			for more := true; more; {
				comma := strings.LastIndexByte(line, ',')
				if more = comma >= 0; !yield(hopOf(strings.Trim(line[comma+1:], " \t"))) {
					return
				}
				line = line[:max(comma, 0)]
			}
		}
	}
}

// hopOf reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1], [2001:db8::1]:80.
func hopOf(s string) netip.Addr {
	if with, err := netip.ParseAddrPort(s); err == nil {
		return plainAddress(with.Addr())
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}
		}
	}
	a, _ := netip.ParseAddr(s)
	return plainAddress(a)
}

// plainAddress is an address as lists have it: IPv4 where IPv6 only wraps it, and
// without its zone.
func plainAddress(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// forwarded gives the addresses of Forwarded (RFC 7239 §4) from the right. The zero
// Addr stands for an element without one, and for a line that is broken anywhere: an
// open quote on its left may have swallowed what a proxy has put behind it.
func forwarded(lines []string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, line := range slices.Backward(lines) {
			hops, ok := forwardedLine(line)
			if !ok {
				hops = []netip.Addr{{}}
			}
			for _, hop := range slices.Backward(hops) {
				if !yield(hop) {
					return
				}
			}
		}
	}
}

// forwardedLine reads one line: elements with commas between them, each of pairs with
// semicolons between them.
func forwardedLine(line string) (hops []netip.Addr, ok bool) {
	var hop netip.Addr
	var seen bool // the element has its "for"
	for rest := line; ; {
		name, value, after, ok := forwardedPair(strings.TrimLeft(rest, " \t"))
		if !ok {
			return nil, false
		}
		if strings.EqualFold(name, "for") {
			if seen {
				return nil, false
			}
			hop, seen = hopOf(value), true
		}
		after = strings.TrimLeft(after, " \t")
		switch {
		case after == "":
			return append(hops, hop), true
		case after[0] == ',':
			hops, hop, seen = append(hops, hop), netip.Addr{}, false
		case after[0] != ';':
			return nil, false
		}
		rest = after[1:]
	}
}

// forwardedPair reads token=token or token="quoted" (RFC 9110 §5.6.2, §5.6.4).
func forwardedPair(s string) (name, value, after string, ok bool) {
	name, s = token(s)
	if name == "" || s == "" || s[0] != '=' {
		return "", "", "", false
	}
	if s = s[1:]; s == "" || s[0] != '"' {
		value, after = token(s)
		return name, value, after, value != ""
	}
	var text []byte
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return name, string(text), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		text = append(text, s[i])
	}
	return "", "", "", false
}

// token takes a token off the front of s.
func token(s string) (taken, rest string) {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
