package council

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// stream is raft's network: connections that ServeConn takes in and dial makes.
// An address in it is a raft id, which is looked up when it is called.
type stream struct {
	id       string
	dial     func(ctx context.Context, id string) (net.Conn, error)
	incoming chan net.Conn
	closing  chan struct{}
	once     sync.Once

	mu    sync.Mutex
	open  map[*tracked]struct{} // nil once closed
	quiet int                   // how many have asked for silence
}

func newStream(id string, dial func(context.Context, string) (net.Conn, error)) *stream {
	return &stream{
		id: id, dial: dial, incoming: make(chan net.Conn), closing: make(chan struct{}),
		open: make(map[*tracked]struct{}),
	}
}

// deliver gives raft a connection; it closes it.
func (s *stream) deliver(conn net.Conn) {
	t, ok := s.track(conn)
	if !ok {
		return
	}
	select {
	case s.incoming <- t:
	case <-s.closing:
		conn.Close()
	}
}

// Accept implements net.Listener.
func (s *stream) Accept() (net.Conn, error) {
	select {
	case conn := <-s.incoming:
		return conn, nil
	case <-s.closing:
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer.
func (s *stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.dial(ctx, string(address))
	if err != nil {
		return nil, err
	}
	t, ok := s.track(conn)
	if !ok {
		return nil, net.ErrClosed
	}
	return t, nil
}

// hush makes the node silent, or ends that: there are no connections meanwhile.
func (s *stream) hush(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		s.quiet--
		return
	}
	s.quiet++
	for t := range s.open {
		t.Conn.Close()
	}
	if s.open != nil {
		clear(s.open)
	}
}

// Close implements net.Listener. It closes every connection as well, for raft
// leaves those that it has accepted to their callers.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closing) })
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for t := range open {
		t.Conn.Close()
	}
	return nil
}

// Addr implements net.Listener.
func (s *stream) Addr() net.Addr { return address(s.id) }

func (s *stream) track(conn net.Conn) (*tracked, bool) {
	t := &tracked{Conn: conn, of: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil || s.quiet > 0 {
		conn.Close()
		return nil, false
	}
	s.open[t] = struct{}{}
	return t, true
}

// tracked is a connection that the stream closes with itself.
type tracked struct {
	net.Conn
	of *stream
}

func (t *tracked) Close() error {
	t.of.mu.Lock()
	delete(t.of.open, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}

// address is a raft id as net.Addr.
type address string

func (a address) Network() string { return "council" }
func (a address) String() string  { return string(a) }
