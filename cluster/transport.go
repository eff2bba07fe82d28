package cluster

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// sockets is memberlist's own transport, whose outgoing connections end when
// the cluster closes: joining an address that swallows packets would hold Close
// up for the whole of memberlist's timeout.
type sockets struct {
	*memberlist.NetTransport
	closing context.Context
}

var _ memberlist.NodeAwareTransport = (*sockets)(nil)

// freePortTries is how often another free port is taken whose number is free
// for TCP and turns out not to be for UDP.
const freePortTries = 10

// listen opens the gossip's TCP and UDP sockets. Its error names the address.
func listen(closing context.Context, bind netip.AddrPort, logger *log.Logger) (*sockets, error) {
	tries := 1
	if bind.Port() == 0 {
		tries = freePortTries
	}
	var err error
	for range tries {
		var t *memberlist.NetTransport
		t, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{bind.Addr().String()}, BindPort: int(bind.Port()), Logger: logger,
		})
		if err == nil {
			return &sockets{NetTransport: t, closing: closing}, nil
		}
	}
	return nil, fmt.Errorf("listen for gossip on %s: %w", bind, err)
}

// DialTimeout is memberlist.Transport's.
func (s *sockets) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return s.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout is memberlist.NodeAwareTransport's.
func (s *sockets) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(s.closing, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(s.closing, func() { _ = conn.Close() })
	return &dialled{Conn: conn, release: stop}, nil
}

// dialled is a connection that the cluster's closing closes.
type dialled struct {
	net.Conn
	release func() bool
}

// Close closes the connection.
func (d *dialled) Close() error {
	d.release()
	return d.Conn.Close()
}
