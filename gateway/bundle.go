package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// net/http writes through 4 KiB of its own, so a small body leaves in two system
// calls and packets, the first with the header. A bundleConn sends such an
// answer at once: the second write was a fifth of what a hit of 4 KiB cost.

const (
	// bundleBytes is the largest body that is held together with its header. With
	// larger ones a second write is not to be noticed (measured at 64 KiB).
	bundleBytes = 16 << 10
	// bundleBuffer leaves room for a usual header.
	bundleBuffer = bundleBytes + 4<<10
)

// Listener returns ln with connections on which a server of NewServer sends
// small answers at once. Only a listener of plain TCP gains from it.
func Listener(ln net.Listener) net.Listener {
	return &bundleListener{Listener: ln, buffers: sync.Pool{New: func() any { return new([bundleBuffer]byte) }}}
}

type bundleListener struct {
	net.Listener
	buffers sync.Pool // *[bundleBuffer]byte
}

func (l *bundleListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		return &bundleConn{TCPConn: tcp, buffers: &l.buffers}, nil
	}
	return conn, err
}

// bundleConn is a client's connection that can hold back what is written. One
// goroutine at a time writes to it.
type bundleConn struct {
	*net.TCPConn
	buffers *sync.Pool
	buffer  *[bundleBuffer]byte // nil unless something is to be held back
	held    int
}

type bundleKey struct{}

// withBundle is an http.Server's ConnContext.
func withBundle(ctx context.Context, c net.Conn) context.Context {
	if b, ok := c.(*bundleConn); ok {
		return context.WithValue(ctx, bundleKey{}, b)
	}
	return ctx
}

// bundleOf returns the request's connection if the answer is small and has a
// body, or nil, whose methods do nothing.
func bundleOf(r *http.Request, a *Answer) *bundleConn {
	if a.length == 0 || a.length > bundleBytes {
		return nil
	}
	b, _ := r.Context().Value(bundleKey{}).(*bundleConn)
	return b
}

// hold keeps back what is written from now on, until it is released or more than
// the buffer takes.
func (b *bundleConn) hold() {
	if b != nil {
		b.buffer, b.held = b.buffers.Get().(*[bundleBuffer]byte), 0
	}
}

// release sends what was held back and holds nothing back any more. An error is
// the connection's: whoever uses it next meets it again.
func (b *bundleConn) release() error {
	if b == nil || b.buffer == nil {
		return nil
	}
	buffer := b.buffer
	b.buffer = nil
	defer b.buffers.Put(buffer)
	if b.held == 0 {
		return nil
	}
	_, err := b.TCPConn.Write(buffer[:b.held])
	return err
}

func (b *bundleConn) Write(p []byte) (int, error) {
	if b.buffer != nil && b.held+len(p) <= bundleBuffer {
		b.held += copy(b.buffer[b.held:], p)
		return len(p), nil
	}
	if err := b.release(); err != nil {
		return 0, err
	}
	return b.TCPConn.Write(p)
}

// ReadFrom keeps the way to sendfile open.
func (b *bundleConn) ReadFrom(r io.Reader) (int64, error) {
	if err := b.release(); err != nil {
		return 0, err
	}
	return b.TCPConn.ReadFrom(r)
}
