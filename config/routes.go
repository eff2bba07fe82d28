package config

import (
	"fmt"
	"net"
	"strings"
)

// checkRoutes makes sure that each prefix, path-style name and virtual host
// selects exactly one bucket. Nested prefixes are none of its business: the
// longest one wins. sections are those of c.Buckets.
func checkRoutes(sections []*section, c *Config) {
	all := claims{}
	for i, s := range sections {
		b := c.Buckets[i]
		if b.Name == "" {
			continue // there is an error about it already
		}
		clash := all.add("/"+b.Name, claim{s, s.where("name"), "name " + b.Name})
		if !clash {
			clash = all.add(b.PathPrefix, claim{s, s.where("path_prefix"), "path_prefix " + b.PathPrefix})
		}
		if c.Server.Domain != "" && !clash {
			host := strings.ToLower(b.Name) + "." + c.Server.Domain
			all.add(host, claim{s, s.where("name"), "virtual host " + host})
		}
	}
}

// claim is one bucket's wish to be selected by a path or a host.
type claim struct {
	by   *section
	at   position
	what string
}

// claims holds who was first to claim each path and host.
type claims map[string]claim

// add reports whether another bucket has claimed the selector before.
func (c claims) add(selector string, one claim) (clash bool) {
	first, taken := c[selector]
	if !taken {
		c[selector] = one
		return false
	}
	if first.by == one.by {
		return false
	}
	one.by.doc.fail(one.at, "%s: %s also selects %s (%s, line %d): each must select exactly one bucket",
		one.by.path, one.what, first.by.path, first.what, first.at.line)
	return true
}

// listener is an address that the node listens on and the key that says so.
type listener struct {
	section *section
	key     string
	address string
}

// checkListeners refuses two listeners on one address, before the system does
// and with their lines.
func checkListeners(all []listener) {
	for i, one := range all {
		for _, other := range all[:i] {
			if !overlap(one.address, other.address) {
				continue
			}
			if !one.section.has(one.key) {
				one, other = other, one // report it where the file says something
			}
			one.section.doc.fail(one.section.where(one.key), "%s: %s is taken by %s (%s, %s)",
				one.section.key(one.key), one.address, other.section.key(other.key), other.address, other.origin())
			break
		}
	}
}

// origin says where the address comes from.
func (l listener) origin() string {
	if !l.section.has(l.key) {
		return "its default"
	}
	return fmt.Sprintf("line %d", l.section.where(l.key).line)
}

// overlap reports whether two listeners on a and b would be in each other's way.
func overlap(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && (hostA == hostB || isUnspecified(hostA) || isUnspecified(hostB))
}

func isUnspecified(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}
