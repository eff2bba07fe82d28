package config

import (
	"net"
	"regexp"
	"strings"
	"time"
)

// Cluster says how this node finds the others and is found.
type Cluster struct {
	Bind      string   // host:port of gossip, TCP and UDP
	Advertise string   // host:port that others are told for gossip; "" is found out
	PeerBind  string   // host:port of the peers' connections
	Join      []string // host:port, or dns+host:port for every address of a name
	// GossipKey is 16, 24 or 32 bytes; nil for a node alone. Gossip is encrypted
	// with it, and without PeerTLS the peers' certificates derive from it.
	GossipKey []byte
	// GossipKeyFile holds the keys in GossipKey's place, see ParseGossipKeys; "" for none.
	// It is followed while the node runs.
	GossipKeyFile string
	Label         string   // names the cluster; "" for none
	PeerTLS       *PeerTLS // nil: derived from GossipKey
	// Founder is the only node that may start the cluster's council; "" if the
	// node's own name does not tell.
	Founder string
	Expect  int // how many nodes, itself included, it waits for before it serves
	// Lease is how long a node serves what it holds without word from the council.
	// The leader's is the whole council's.
	Lease       time.Duration
	ForgetAfter time.Duration // a member gone for so long is removed from the council
	PeerTimeout time.Duration // how long an owner may be silent
}

// PeerTLS names the files of an own PKI (PEM).
type PeerTLS struct{ Cert, Key, CA string }

// Alone reports whether the node is a cluster of one: it neither listens for
// others nor looks for them.
func (c *Cluster) Alone() bool {
	return len(c.Join) == 0 && c.GossipKey == nil && c.GossipKeyFile == ""
}

// PeerAdvertise returns the host:port at which other nodes reach the peers'
// listener, as far as the file tells: the advertised host, or the one bound to,
// with PeerBind's port. It is "" if the host must be found out.
func (c *Cluster) PeerAdvertise() string {
	_, port, _ := net.SplitHostPort(c.PeerBind)
	for _, address := range []string{c.Advertise, c.PeerBind, c.Bind} {
		host, _, _ := net.SplitHostPort(address)
		if host != "" && !isUnspecified(host) {
			return net.JoinHostPort(host, port)
		}
	}
	return ""
}

func readCluster(s *section, c *Config) {
	k := &c.Cluster
	s.hostPort("bind", &k.Bind)
	s.hostPort("advertise", &k.Advertise)
	s.hostPort("peer_bind", &k.PeerBind)
	readJoin(s, k)
	readGossip(s, k)
	readPeerTLS(s.section("peer_tls"), k)
	k.Founder = founderOf(c.Node.Name, k)
	s.named("founder", &k.Founder)
	s.integer("expect", &k.Expect, 1, 10000)
	s.duration("lease", &k.Lease, time.Second, time.Minute)
	s.duration("forget_after", &k.ForgetAfter, time.Minute, 365*24*time.Hour)
	s.duration("peer_timeout", &k.PeerTimeout, time.Second, time.Minute)
	checkEncrypted(s, k)
	checkFounder(s, c.Node.Name, k)
}

func readJoin(s *section, k *Cluster) {
	all, at := s.texts("join")
	for i, address := range all {
		if problem := checkHostPort(strings.TrimPrefix(address, "dns+")); problem != "" {
			s.doc.fail(at[i], "%s: %s", s.key("join"), problem)
			continue
		}
		k.Join = append(k.Join, address)
	}
}

func readPeerTLS(s *section, k *Cluster) {
	var files PeerTLS
	var given int
	for _, file := range []struct {
		key string
		to  *string
	}{{"cert", &files.Cert}, {"key", &files.Key}, {"ca", &files.CA}} {
		if s.text(file.key, file.to) {
			given++
		}
	}
	switch given {
	case 0:
		return
	case 3:
		k.PeerTLS = &files
	default:
		s.doc.fail(s.at, "%s: want all of cert, key and ca, or none of them", s.path)
	}
}

var ordinal = regexp.MustCompile(`-[0-9]+$`)

// founderOf tells the founder that a node knows of without being told: itself
// if it is alone, else the one of its names that ends in -0.
func founderOf(name string, k *Cluster) string {
	switch {
	case k.Alone():
		return name
	case ordinal.MatchString(name):
		return ordinal.ReplaceAllString(name, "-0")
	}
	return ""
}

// checkFounder makes sure that there can be a council, as far as one node's file
// tells.
func checkFounder(s *section, name string, k *Cluster) {
	switch {
	case k.Alone() && k.Founder != name && s.has("founder") && name != "":
		s.fail("founder", "%s is another node, but this one is alone (no join, no gossip_key): nobody would start its council", k.Founder)
	case k.Founder == "" && !s.has("founder") && name != "":
		s.doc.warn(s.at, "%s: no node is to start the council, without which nothing can be purged: node.name does not end in a number, so name the founder", s.key("founder"))
	case len(k.Join) > 0 && k.Founder == name && k.Expect == 1:
		s.doc.warn(s.keyAt("join"), "%s: is 1, so this node begins a council of its own if its disk is lost and nobody answers when it starts; purges then reach some of the nodes only. Set it to how many nodes there are", s.key("expect"))
	}
}
