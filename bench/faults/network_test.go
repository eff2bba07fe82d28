package faults

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// prefix begins the name of everything that is made in the kernel. The number of
// the process follows, so that runs beside each other do not meet.
const prefix = "rkf"

// network is a bridge in the namespace of this process, where the clients and S3
// are, and a namespace for each node, joined to it by a pair of veth. Or it is
// loopback, with an address for each node.
type network struct {
	bridge string
	subnet [3]byte
	spaces []string // a namespace for each node; nil on loopback
}

// loopback is a network that needs nothing and cannot be cut.
func loopback() *network {
	pid := os.Getpid()
	return &network{subnet: [3]byte{127, byte(1 + pid>>8%254), byte(pid)}}
}

// clearLeftovers removes what runs that were killed have left behind.
func clearLeftovers(ctx context.Context) error {
	spaces, _ := filepath.Glob("/run/netns/" + prefix + "*") // the pattern is right
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, space := range spaces {
		if name := filepath.Base(space); abandoned(name) {
			if err := command(ctx, "ip", "netns", "del", name); err != nil {
				return err
			}
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*-*"))
	for _, dir := range dirs {
		if abandoned(filepath.Base(dir)) {
			if err := removeDisks(dir); err != nil {
				return err
			}
		}
	}
	for _, link := range links {
		// The other side of a veth takes this one with it: it may be gone by now.
		if abandoned(link.Name) && exists(ctx, link.Name) {
			if err := command(ctx, "ip", "link", "del", link.Name); err != nil && exists(ctx, link.Name) {
				return err
			}
		}
	}
	return nil
}

func exists(ctx context.Context, link string) bool {
	return command(ctx, "ip", "link", "show", link) == nil
}

// abandoned reports whether a name is one of ours and its process has ended.
func abandoned(name string) bool {
	rest, ours := strings.CutPrefix(name, prefix)
	pid, _, _ := strings.Cut(rest, "-")
	if _, err := strconv.Atoi(pid); !ours || err != nil {
		return false
	}
	_, err := os.Stat("/proc/" + pid)
	return os.IsNotExist(err)
}

// newNetwork makes the bridge and the namespaces. The caller removes it, after an
// error as well.
func newNetwork(ctx context.Context, nodes int) (*network, error) {
	pid := os.Getpid()
	n := &network{bridge: fmt.Sprintf("%s%d", prefix, pid)}
	var err error
	if n.subnet, err = freeSubnet(pid); err != nil {
		return n, err
	}
	steps := [][]string{
		{"ip", "link", "add", n.bridge, "type", "bridge"},
		{"ip", "address", "add", n.host() + "/24", "dev", n.bridge},
		{"ip", "link", "set", n.bridge, "up"},
	}
	for i := range nodes {
		space, link := fmt.Sprintf("%s-%d", n.bridge, i), fmt.Sprintf("%s-v%d", n.bridge, i)
		n.spaces = append(n.spaces, space)
		steps = append(steps,
			[]string{"ip", "netns", "add", space},
			[]string{"ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space},
			[]string{"ip", "link", "set", link, "master", n.bridge, "up"},
			[]string{"ip", "-n", space, "address", "add", n.address(i) + "/24", "dev", "eth0"},
			[]string{"ip", "-n", space, "link", "set", "eth0", "up"},
			[]string{"ip", "-n", space, "link", "set", "lo", "up"},
		)
	}
	for _, step := range steps {
		if err := command(ctx, step...); err != nil {
			return n, err
		}
	}
	return n, nil
}

// freeSubnet picks a /24 of 10.0.0.0/8 that this machine has no address in.
func freeSubnet(seed int) ([3]byte, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return [3]byte{}, err
	}
	for try := range 1 << 16 {
		s := [3]byte{10, byte((seed + try) >> 8), byte(seed + try)}
		taken := false
		for _, a := range addresses {
			own, ok := a.(*net.IPNet)
			taken = taken || ok && own.Contains(net.IPv4(s[0], s[1], s[2], 1))
		}
		if !taken {
			return s, nil
		}
	}
	return [3]byte{}, fmt.Errorf("all of 10.0.0.0/8 is in use")
}

// host is the address of the clients and S3.
func (n *network) host() string { return n.at(1) }

func (n *network) address(node int) string { return n.at(10 + node) }

func (n *network) at(last int) string {
	return fmt.Sprintf("%d.%d.%d.%d", n.subnet[0], n.subnet[1], n.subnet[2], last)
}

// remove takes everything down. The nodes must have ended.
func (n *network) remove() error {
	if n.spaces == nil && n.bridge == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var first error
	for _, space := range n.spaces {
		if err := command(ctx, "ip", "netns", "del", space); err != nil && first == nil {
			first = err
		}
	}
	if err := command(ctx, "ip", "link", "del", n.bridge); err != nil && first == nil {
		first = err
	}
	return first
}

// space is a node's namespace; "" on loopback.
func (n *network) space(node int) string {
	if n.spaces == nil {
		return ""
	}
	return n.spaces[node]
}

// others are the addresses of all nodes but one, as a set of nft.
func (n *network) others(node int) string {
	var all []string
	for i := range n.spaces {
		if i != node {
			all = append(all, n.address(i))
		}
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

// drop loses packets on their way into a node's namespace, by a rule of nft,
// until undrop. It is never done on their way out: the kernel tells a sender of
// that, and no network would.
func (n *network) drop(ctx context.Context, node int, which string) error {
	ruleset := fmt.Sprintf("table inet faults { chain in { type filter hook input priority 0; %s drop; }; }\n", which)
	return feed(ctx, ruleset, "ip", "netns", "exec", n.spaces[node], "nft", "-f", "-")
}

// deafen loses everything that a node sends to the others.
func (n *network) deafen(ctx context.Context, from int) error {
	for i := range n.spaces {
		if i == from {
			continue
		}
		if err := n.drop(ctx, i, "ip saddr "+n.address(from)); err != nil {
			return err
		}
	}
	return nil
}

func (n *network) undrop(ctx context.Context, node int) error {
	return command(ctx, "ip", "netns", "exec", n.spaces[node], "nft", "flush", "ruleset")
}

// segmentEach makes every packet of a node one segment, and back: where the card
// would do the cutting, up to 64 KiB travel as one packet and are lost as one.
func (n *network) segmentEach(ctx context.Context, node int, on bool) error {
	segments := "65535"
	if on {
		segments = "1"
	}
	return command(ctx, "ip", "-n", n.spaces[node], "link", "set", "eth0", "gso_max_segs", segments)
}

func command(ctx context.Context, args ...string) error { return feed(ctx, "", args...) }

// feed runs a command with a text as its input.
func feed(ctx context.Context, text string, args ...string) error {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
