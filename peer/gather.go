package peer

import (
	"net"
	"sync"
)

// gatherer stands below TLS and lets the records of one send, 16 KiB each, leave
// in one system call. While nothing is gathered it is the connection itself.
type gatherer struct {
	net.Conn

	mu  sync.Mutex // TLS answers a key update from whoever reads
	buf []byte     // nil unless gathering
}

// gather makes further writes wait in buf.
func (g *gatherer) gather(buf *buffer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buf = buf[:0]
}

// flush writes what waits. The buffer is the caller's again.
func (g *gatherer) flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := g.buf
	g.buf = nil
	_, err := g.Conn.Write(waiting)
	return err
}

func (g *gatherer) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.buf == nil {
		return g.Conn.Write(p)
	}
	if len(p) <= cap(g.buf)-len(g.buf) {
		g.buf = append(g.buf, p...)
		return len(p), nil
	}
	waiting := g.buf
	g.buf = g.buf[:0]
	if _, err := g.Conn.Write(waiting); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}
