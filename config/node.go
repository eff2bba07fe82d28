package config

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// nodeName is what fits into a certificate's common name, a metric's label and
// an address that is looked up through gossip.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

const nodeNameRule = "want 1 to 63 letters, digits, dots, dashes or underscores, a letter or digit at both ends"

func readNode(s *section, n *Node) {
	s.named("name", &n.Name)
	s.named("zone", &n.Zone)
	s.text("data_dir", &n.DataDir)
	if n.Name != "" || s.has("name") {
		return
	}
	host, err := s.doc.hostname()
	if err != nil || !nodeName.MatchString(host) {
		s.doc.fail(s.at, "%s: is missing, and the host's name (%q) cannot be a node's", s.key("name"), host)
		return
	}
	n.Name = host
}

// named reads text that follows nodeName.
func (s *section) named(key string, to *string) {
	var name string
	if !s.text(key, &name) {
		return
	}
	if !nodeName.MatchString(name) {
		s.fail(key, "%q: %s", name, nodeNameRule)
		return
	}
	*to = name
}

func readServer(s *section, srv *Server) {
	s.host("address", &srv.Address)
	s.integer("port", &srv.Port, 1, maxPort)
	if s.text("domain", &srv.Domain) {
		srv.Domain = strings.ToLower(strings.TrimSuffix(srv.Domain, "."))
		if !isDomain(srv.Domain) {
			s.fail("domain", "%q is not a domain name", srv.Domain)
		}
	}
	s.duration("drain", &srv.Drain, 0, 10*time.Minute)
	srv.TLS = readTLS(s.section("tls"))
	s.networks("trusted_proxies", &srv.TrustedProxies)
	readIPFilter(s.section("ip_filter"), &srv.IPFilter)
	readOldServer(s)
}

// What cache.memory allows of requests at once. One that waits or is read slowly
// takes some 32 KiB; the default leaves as much again for what it reads.
const (
	memoryPerRequest      = 64 * kib
	leastMemoryPerRequest = 32 * kib
)

// readBounds reads what depends on the memory.
func readBounds(s *section, c *Config) {
	c.Server.MaxConcurrentRequests = int(c.Cache.MemoryBytes / memoryPerRequest)
	s.integer("max_concurrent_requests", &c.Server.MaxConcurrentRequests, 1, int(c.Cache.MemoryBytes/leastMemoryPerRequest))
}

func readAdmin(s *section, a *Admin) {
	s.host("address", &a.Address)
	s.integer("port", &a.Port, 1, maxPort)
	if s.secret("token", &a.Token) && strings.ContainsFunc(string(a.Token), notToken) {
		s.fail("token", "want visible ASCII characters without spaces: it travels in a header")
	}
}

func notToken(r rune) bool { return r <= ' ' || r > '~' }

func readLog(s *section, l *Log) {
	readLevel(s, l)
	if format, ok := s.choice("format", "text", "json"); ok {
		l.JSON = format == "json"
	}
	s.boolean("access", &l.Access)
}

func readLevel(s *section, l *Log) {
	if word, ok := s.choice("level", "debug", "info", "warn", "error"); ok {
		// The words are a subset of those that slog knows.
		_ = l.Level.UnmarshalText([]byte(word))
	}
}

func readPrices(s *section, p *Prices) {
	standard := defaults().Prices
	s.price("get_per_1000", &p.GetPer1000)
	s.price("egress_per_gb", &p.EgressPerGB)
	s.price("cross_zone_per_gb", &p.CrossZonePerGB)
	s.warnUnused("get_per_1000", p.GetPer1000 != standard.GetPer1000, noSavings)
	s.warnUnused("egress_per_gb", p.EgressPerGB != standard.EgressPerGB, noSavings)
	s.warnUnused("cross_zone_per_gb", p.CrossZonePerGB != standard.CrossZonePerGB, noSavings)
}

const maxPort = 65535

// host reads an IP address or a host name, without a port.
func (s *section) host(key string, to *string) {
	var host string
	if !s.text(key, &host) {
		return
	}
	if !isHost(host) {
		s.fail(key, "%q is not an IP address or a host name", host)
		return
	}
	*to = host
}

// hostPort reads an address with its port.
func (s *section) hostPort(key string, to *string) {
	var address string
	if !s.text(key, &address) {
		return
	}
	if problem := checkHostPort(address); problem != "" {
		s.fail(key, "%s", problem)
		return
	}
	*to = address
}

func checkHostPort(address string) (problem string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isHost(host) {
		return strconv.Quote(address) + " is not host:port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return strconv.Quote(address) + ": want a port from 1 to 65535"
	}
	return ""
}

func isHost(host string) bool { return net.ParseIP(host) != nil || isDomain(host) }

// domainLabel is RFC 1123 §2.1, and the underscore that service names use.
var domainLabel = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

func isDomain(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if !domainLabel.MatchString(label) {
			return false
		}
	}
	return true
}
