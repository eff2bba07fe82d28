package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

// where says at which addresses this node gossips.
type where struct {
	bound      netip.AddrPort
	advertised netip.AddrPort
	machine    []netip.Addr // all of this machine, if bound to all
}

// isOwn reports whether a leads to this node.
func (w *where) isOwn(a netip.AddrPort) bool {
	return a == w.advertised || a == w.bound || a.Port() == w.bound.Port() && slices.Contains(w.machine, a.Addr())
}

// open makes the node known, to itself and to the network.
func (c *Cluster) open(ctx context.Context) (where, error) {
	var at where
	var err error
	if !c.opts.alone() {
		if at, err = c.opts.where(ctx); err != nil {
			return where{}, err
		}
	}
	introduction, err := c.opts.introduction(at.advertised.Addr())
	if err != nil {
		return where{}, err
	}
	if c.opts.alone() {
		c.say(introduction)
		return at, nil
	}
	transport := c.opts.Transport
	if transport == nil {
		s, err := listen(c.closing, at.bound, gossipLog(c.opts.Log, c.opts.strangers))
		if err != nil {
			return where{}, err
		}
		transport, at = s, at.withPort(uint16(s.GetAutoBindPort()))
	}
	c.address = at.advertised.String()
	c.say(introduction)
	if c.keys, err = c.opts.keyring(); err != nil {
		return where{}, errors.Join(fmt.Errorf("gossip keys: %w", err), transport.Shutdown())
	}
	if c.gossip, err = memberlist.Create(c.configure(transport, at)); err != nil {
		return where{}, errors.Join(fmt.Errorf("start gossip: %w", err), transport.Shutdown())
	}
	return at, nil
}

func (c *Cluster) configure(transport memberlist.Transport, at where) *memberlist.Config {
	config := c.opts.gossip()
	config.Transport, config.Keyring = transport, c.keys
	config.BindPort = int(at.bound.Port())
	config.AdvertiseAddr, config.AdvertisePort = at.advertised.Addr().String(), int(at.advertised.Port())
	config.Delegate = voice{&c.own}
	config.Events, config.Conflict = c.inbox, c.inbox
	return config
}

// where finds the addresses to gossip at. A port of 0 is one that listen has to
// find.
func (o *Options) where(ctx context.Context) (where, error) {
	if o.Transport != nil {
		ip, port, err := o.Transport.FinalAdvertiseAddr("", 0)
		if err != nil {
			return where{}, fmt.Errorf("the transport's address: %w", err)
		}
		address, _ := netip.AddrFromSlice(ip)
		at := netip.AddrPortFrom(address.Unmap(), uint16(port))
		return where{bound: at, advertised: at}, nil
	}
	bind, err := parseEndpoint(o.Bind)
	if err != nil {
		return where{}, fmt.Errorf("bind address: %w", err)
	}
	var at where
	if at.bound, err = bind.first(ctx, o.lookup); err != nil {
		return where{}, fmt.Errorf("bind address: %w", err)
	}
	if at.bound.Addr().IsUnspecified() {
		if at.machine, err = machineAddresses(); err != nil {
			return where{}, err
		}
	}
	if at.advertised, err = o.advertised(ctx, at); err != nil {
		return where{}, fmt.Errorf("advertised address: %w", err)
	}
	return at, nil
}

// withPort puts the port that was found in the place of 0.
func (w where) withPort(port uint16) where {
	w.bound = netip.AddrPortFrom(w.bound.Addr(), port)
	if w.advertised.Port() == 0 {
		w.advertised = netip.AddrPortFrom(w.advertised.Addr(), port)
	}
	return w
}

func (c *Cluster) joiner(entries []endpoint, at where) *joiner {
	j := &joiner{
		entries: entries, lookup: c.opts.lookup, isOwn: at.isOwn, self: c.opts.Name,
		members: c.Members, news: c.news, told: map[string]bool{},
		contact: func(address string) error {
			_, err := c.gossip.Join([]string{address})
			return err
		},
		interval: interval{alone: time.Second, company: 15 * time.Second},
		log:      c.opts.Log, failures: c.counters.joinFailures,
		nobody: &c.nobody, after: c.inbox.nudge,
	}
	if c.opts.Profile == Loopback {
		j.interval = interval{alone: 200 * time.Millisecond, company: 2 * time.Second}
	}
	return j
}
