package peer

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// dial opens a TCP connection. A node that is gone is known after ConnectTimeout.
// But where the node gave a sign of life since the attempt began, the attempt has
// shown nothing, and there is another, as long as a connection may be silent then.
func (c *Client) dial(ctx context.Context, node, addr string) (net.Conn, error) {
	for first := time.Now(); ; {
		began := c.opts.Now()
		raw, err := c.opts.Dial(ctx, addr, c.opts.ConnectTimeout)
		if err == nil || ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return raw, err
		}
		if !c.vitals.alive(node, began) || time.Since(first) > maxSilences*c.opts.FirstByte {
			return nil, err
		}
	}
}

// dialTCP opens a TCP connection unless the other side's kernel is silent for so
// long. Only the kernel knows: with thousands of goroutines ready to run, the one
// that waits for the connection may learn of it long after it has come about, and
// a timeout of package net would undo it.
func dialTCP(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error) {
	// Without the asker's deadline: net would act on it before the asker's context is done.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ctx.Err()) })()
	var socket atomic.Pointer[syscall.RawConn]
	timer := time.AfterFunc(timeout, func() {
		if s := socket.Load(); s == nil || !connected(*s) {
			cancel(os.ErrDeadlineExceeded)
		}
	})
	defer timer.Stop()
	d := net.Dialer{
		FallbackDelay: -1, // one socket at a time
		Control: func(_, _ string, s syscall.RawConn) error {
			socket.Store(&s)
			return nil
		},
	}
	conn, err := d.DialContext(own, "tcp", addr)
	if err != nil && errors.Is(context.Cause(own), os.ErrDeadlineExceeded) {
		return nil, os.ErrDeadlineExceeded
	}
	return conn, err
}

// connected reports whether the socket's handshake is over.
func connected(s syscall.RawConn) (yes bool) {
	err := s.Control(func(fd uintptr) {
		_, err := syscall.Getpeername(int(fd))
		yes = err == nil
	})
	return yes && err == nil
}
