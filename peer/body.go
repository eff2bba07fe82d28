package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// drainBytes is how much of an unwanted answer is read rather than paid for
	// with a new handshake, if it comes within drainTime.
	drainBytes = 128 << 10
	drainTime  = 250 * time.Millisecond
)

var errBodyClosed = errors.New("read of a closed body")

// body is the client's end of one exchange: it owns the connection until the
// answer is complete, and a buffer only while bytes wait in it to be read. It
// implements io.WriterTo, which spares io.Copy a copy.
type body struct {
	client *Client
	node   string
	conn   *conn           // nil once the exchange is over
	ctx    context.Context // the ask's
	stop   func() bool     // ends the watch over ctx
	closed bool
	left   int64 // bytes not yet received

	buf     []byte // nil unless bytes are pending
	pending []byte // received and verified, not yet read; part of buf
	err     error  // what follows pending
}

// start makes the exchange that conn is to carry.
func (c *Client) start(ctx context.Context, conn *conn) *body {
	return &body{
		client: c, node: conn.node, conn: conn, ctx: ctx,
		stop: context.AfterFunc(ctx, conn.abort),
	}
}

// Read gives verified bytes, and io.EOF only after all of them.
func (b *body) Read(p []byte) (int, error) {
	if len(b.pending) == 0 && b.err == nil && len(p) > 0 {
		n, err := b.next(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
	n := copy(p, b.pending)
	b.taken(n)
	if n == 0 && len(p) > 0 {
		return 0, b.err
	}
	return n, nil
}

// WriteTo writes what has not been read yet to w.
func (b *body) WriteTo(w io.Writer) (total int64, err error) {
	for {
		n, err := w.Write(b.pending)
		b.taken(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
		if b.err == nil {
			_, _ = b.next(nil) // its error is b.err
		}
		if len(b.pending) == 0 {
			return total, notEOF(b.err)
		}
	}
}

// Close gives the connection back if the little that is left of the answer comes
// quickly, and ends it otherwise. It always returns nil.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.conn != nil && b.left <= drainBytes {
		deadline := time.Now().Add(drainTime)
		for b.err == nil {
			_, _ = b.receive(nil, deadline)
			b.release()
		}
	}
	b.finish(false)
	b.release()
	b.err = errBodyClosed
	return nil
}

func (b *body) next(p []byte) (int, error) {
	return b.receive(p, time.Time{})
}

// header reads the header of the next frame that is more than a sign of life.
// Without a deadline each such sign gives the node as long again, and so does, a
// few times, one on another connection: then the node is there, and busy, or packets
// are lost. When such signs end as well the connection is given up, but the node is not
// taken for silent for that: perhaps nobody has asked it anything since.
func (b *body) header(deadline time.Time) (frameType, int, error) {
	c := b.client
	first := c.opts.Now()
	for silences := 1; ; {
		limit, began := deadline, c.opts.Now()
		if limit.IsZero() {
			limit = time.Now().Add(c.opts.FirstByte)
		}
		// It fails only on a connection that has ended, of which the read tells more.
		_ = b.conn.SetReadDeadline(limit)
		t, length, err := b.conn.readHeader()
		switch {
		case err == nil && t == frameWait:
			c.vitals.heard(b.node)
			silences, first = 1, c.opts.Now()
		case err == nil && t == frameHead:
			c.vitals.heard(b.node)
			return t, length, nil
		case err == nil || !deadline.IsZero() || !errors.Is(err, os.ErrDeadlineExceeded):
			return t, length, err
		case !c.vitals.alive(b.node, first):
			c.lost(b.ctx, b.node, fmt.Errorf("answer: %w", err))
			return t, length, err
		case silences == maxSilences || !c.vitals.alive(b.node, began) || errors.Is(err, io.ErrUnexpectedEOF): // in the middle of a header
			return t, length, err
		default:
			silences++
		}
	}
}

// receive reads the next data frame: into p if it fits there, and its length is
// returned, and otherwise into b.pending. With the last data frame it reads the
// end frame, so that bytes which a failure follows are not taken for a whole
// body, and the connection is free before the bytes are. An error is b.err.
func (b *body) receive(p []byte, deadline time.Time) (int, error) {
	n, err := b.frame(p, deadline)
	if err == nil && b.left == 0 {
		if err = b.end(deadline); err == nil {
			b.err = io.EOF
		}
	}
	if err != nil {
		b.fail(err)
		return 0, b.err
	}
	return n, nil
}

// frame reads one data frame, or the end frame of an answer that failed early.
func (b *body) frame(p []byte, deadline time.Time) (int, error) {
	t, length, err := b.header(deadline)
	if err != nil {
		return 0, noEOF(err)
	}
	if t != frameData {
		return 0, b.conclude(t, length)
	}
	n := length - crcBytes
	if n <= 0 || int64(n) > b.left {
		return 0, fmt.Errorf("%w: %d bytes of data where %d are left", errFrame, n, b.left)
	}
	direct := n <= len(p)
	if !direct {
		p = b.room(n)
	}
	if err := b.conn.readData(p[:n]); err != nil {
		return 0, err
	}
	b.left -= int64(n)
	b.client.figures.bytes.Add(n)
	if !direct {
		b.pending = p[:n]
		n = 0
	}
	return n, nil
}

// end reads the end frame behind the last data frame.
func (b *body) end(deadline time.Time) error {
	t, length, err := b.header(deadline)
	if err != nil {
		return noEOF(err)
	}
	return b.conclude(t, length)
}

// conclude reads the payload of the end frame: nil if the body is whole, or what
// went wrong on the owner; after either the connection can carry the next read.
func (b *body) conclude(t frameType, length int) error {
	buf := b.client.buffers.get()
	defer b.client.buffers.put(buf)
	payload, err := b.conn.readPayload(frameEnd, t, length, buf[:])
	if err != nil {
		return err
	}
	f := fields{b: payload}
	failure := f.failure()
	if f.bad || len(f.b) != 0 || failure == nil && b.left > 0 {
		return fmt.Errorf("%w: end, with %d bytes missing", errFrame, b.left)
	}
	b.finish(true)
	return failure
}

// fail makes err what every further Read returns.
func (b *body) fail(err error) {
	if b.conn != nil {
		err = unreachable(b.ctx, err)
		b.finish(false)
	}
	b.release()
	b.err = fmt.Errorf("peer %s: %w", b.node, err)
	b.client.figures.fail(err)
}

// finish ends the exchange. The connection is used again if it is whole and the
// caller's context did not end it meanwhile.
func (b *body) finish(whole bool) {
	if b.conn == nil {
		return
	}
	conn := b.conn
	b.conn = nil
	if b.stop() && whole {
		b.client.pool.put(conn, b.client.opts.Now())
	} else {
		b.client.pool.drop(conn)
	}
}

// room makes room for n bytes that come before anyone reads them.
func (b *body) room(n int) []byte {
	b.release()
	if n <= smallBufferBytes {
		b.buf = b.client.buffers.leaseSmall()
	} else {
		b.buf = b.client.buffers.get()[:]
	}
	return b.buf[:n]
}

// taken takes the first n pending bytes as read.
func (b *body) taken(n int) {
	if b.pending = b.pending[n:]; len(b.pending) == 0 {
		b.release()
	}
}

// release gives the buffer back, and with it what was pending.
func (b *body) release() {
	if b.buf != nil {
		b.client.buffers.giveBack(b.buf)
		b.buf, b.pending = nil, nil
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
