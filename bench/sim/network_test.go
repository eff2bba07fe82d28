package sim

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// latency is how long a packet is on its way. Connections are net.Pipes: what
// goes over them takes no time.
const latency = 500 * time.Microsecond

// network carries the gossip of many nodes in memory. A node that is down is a
// process that was killed: packets to it are lost, connections are refused.
type network struct {
	mu    sync.Mutex
	ports map[string]*port

	packets, bytes int64 // sent; guarded by mu
}

// port is one node's transport.
type port struct {
	net     *network
	ip      net.IP
	packets chan *memberlist.Packet
	streams chan net.Conn
	down    bool // guarded by network.mu
}

const gossipPort = 7946

func (n *network) open(i int) *port {
	p := &port{net: n, ip: net.IPv4(10, 0, byte(i>>8), byte(i)).To4(), packets: make(chan *memberlist.Packet, 4096), streams: make(chan net.Conn, 4096)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[p.String()] = p
	return p
}

func (p *port) String() string  { return fmt.Sprintf("%s:%d", p.ip, gossipPort) }
func (p *port) Network() string { return "memory" }

// to returns the other end, nil if nothing gets there.
func (p *port) to(addr string, size int) *port {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if size > 0 {
		p.net.packets, p.net.bytes = p.net.packets+1, p.net.bytes+int64(size)
	}
	other := p.net.ports[addr]
	if other == nil || other.down || p.down {
		return nil
	}
	return other
}

func (p *port) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return p.ip, gossipPort, nil }
func (p *port) PacketCh() <-chan *memberlist.Packet                 { return p.packets }
func (p *port) StreamCh() <-chan net.Conn                           { return p.streams }

func (p *port) WriteTo(b []byte, addr string) (time.Time, error) {
	now := time.Now()
	other := p.to(addr, len(b))
	if other == nil {
		return now, nil
	}
	buf := bytes.Clone(b)
	time.AfterFunc(latency, func() {
		select {
		case other.packets <- &memberlist.Packet{Buf: buf, From: p, Timestamp: time.Now()}:
		default: // as a socket whose buffer is full
		}
	})
	return now, nil
}

var errRefused = errors.New("connection refused")

func (p *port) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	other := p.to(addr, 0)
	if other == nil {
		return nil, errRefused
	}
	here, there := net.Pipe()
	select {
	case other.streams <- there:
		return here, nil
	default:
		return nil, errRefused
	}
}

// sent returns how many packets have been sent, and their bytes.
func (n *network) sent() (packets, bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.packets, n.bytes
}

// Shutdown takes the node off the network, as if it had been killed.
func (p *port) Shutdown() error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.down = true
	return nil
}
