package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"rookery/internal/pattern"
)

const (
	// pieceBytes is what a client takes at once.
	pieceBytes = 32 << 10
	// slowPieceBytes is what a slow one takes at once.
	slowPieceBytes = 1 << 10
	// slowReceiveBytes keeps the kernel from taking what a slow reader has not.
	slowReceiveBytes = 4 << 10
)

// client is one reader of one piece, on a connection of its own that is opened
// before it asks.
type client struct {
	address, path  string
	object         pattern.Object
	body           []byte // the whole object
	from, length   int64
	bytesPerSecond float64 // 0 is as fast as it can

	conn *net.TCPConn

	bytes       int64 // right ones
	first, took time.Duration
	err         error
}

func (c *client) open(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.conn = conn.(*net.TCPConn)
	if c.bytesPerSecond > 0 {
		return c.conn.SetReadBuffer(slowReceiveBytes)
	}
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

// run asks when it is released, and reads to the end. A slow reader that is ended
// by its context has not failed.
func (c *client) run(ctx context.Context, release <-chan struct{}) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	<-release
	started := time.Now()
	err := c.ask(ctx, started)
	c.took = time.Since(started)
	switch {
	case err == nil:
	case c.bytesPerSecond > 0 && ctx.Err() != nil:
	case ctx.Err() != nil:
		c.err = fmt.Errorf("%s: %d bytes of %d when the time was over", c.address, c.bytes, c.length)
	default:
		c.err = fmt.Errorf("%s, byte %d of %d from %d: %w", c.address, c.bytes, c.length, c.from, err)
	}
}

func (c *client) ask(ctx context.Context, started time.Time) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+c.path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", c.from, c.from+c.length-1))
	if err := request.Write(c.conn); err != nil {
		return err
	}
	size := pieceBytes
	if c.bytesPerSecond > 0 {
		size = slowPieceBytes
	}
	in := bufio.NewReaderSize(c.conn, size)
	response, err := http.ReadResponse(in, request)
	if err != nil {
		return err
	}
	c.first = time.Since(started)
	defer response.Body.Close()
	want := fmt.Sprintf("bytes %d-%d/%d", c.from, c.from+c.length-1, c.object.Size)
	if response.StatusCode != http.StatusPartialContent || response.ContentLength != c.length || response.Header.Get("Content-Range") != want {
		return fmt.Errorf("%s, %d bytes, Content-Range %q", response.Status, response.ContentLength, response.Header.Get("Content-Range"))
	}
	return c.read(ctx, response.Body, make([]byte, size))
}

func (c *client) read(ctx context.Context, body io.Reader, piece []byte) error {
	begun := time.Now()
	for c.bytes < c.length {
		n, err := body.Read(piece[:min(int64(len(piece)), c.length-c.bytes)])
		at := c.from + c.bytes
		if !bytes.Equal(piece[:n], c.body[at:at+int64(n)]) {
			return c.object.Check(piece[:n], at)
		}
		c.bytes += int64(n)
		if err != nil && c.bytes < c.length {
			return err
		}
		if c.bytesPerSecond > 0 {
			due := begun.Add(time.Duration(float64(c.bytes) / c.bytesPerSecond * float64(time.Second)))
			if !wait(ctx, time.Until(due)) {
				return os.ErrDeadlineExceeded
			}
		}
	}
	return nil
}

// wait is false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
