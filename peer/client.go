package peer

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// ClientOptions configure a Client. Self, Identity and Resolve must be set.
type ClientOptions struct {
	Self        string // this node's name
	Identity    *Identity
	Fingerprint string          // of the ring's fixed parameters; nodes that differ do not read from each other
	CouncilID   func() [16]byte // as the server's
	// Resolve returns the address ("host:port") of a node's peer listener; false
	// if the node is not known (any more). It must not block.
	Resolve func(node string) (addr string, ok bool)

	ConnectTimeout time.Duration // for the TCP connection; 0: 250 ms
	// FirstByte is how long a node may be silent: in a handshake, before its
	// answer, and within it. A node that waits for S3 says so, and is not silent.
	// 0: 3 s, which is twelve signs of life: a node whose processors are all taken may
	// be late with several.
	FirstByte      time.Duration
	StallTimeout   time.Duration // to take an ask; 0: 30 s
	IdleTimeout    time.Duration // how long an unused connection is kept; 0: 1 min
	MaxIdlePerNode int           // how many of them; 0: 64

	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: none
	Metrics *metrics.Set     // one Client a Set; nil: private
	// Dial opens a connection, or fails with os.ErrDeadlineExceeded if none comes
	// about in time; nil: TCP with keep-alive.
	Dial func(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error)
}

// Client asks other nodes. It is safe for concurrent use.
type Client struct {
	opts     ClientOptions
	pool     *pool
	refusals *refusals
	vitals   *vitals
	buffers  *buffers

	figures *figures
	dials   *metrics.Counter
	reused  *metrics.Counter
	retried *metrics.Counter

	closing context.CancelFunc
	done    sync.WaitGroup
}

// errSilence says that a connection ended before any byte of the answer.
var errSilence = errors.New("connection closed before the answer")

// NewClient returns a client; the caller closes it. It opens connections only
// when asked to read.
func NewClient(o ClientOptions) *Client {
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 250*time.Millisecond)
	o.FirstByte = cmp.Or(o.FirstByte, 3*time.Second)
	o.StallTimeout = cmp.Or(o.StallTimeout, 30*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Minute)
	o.MaxIdlePerNode = cmp.Or(o.MaxIdlePerNode, 64)
	o.CouncilID = orNone(o.CouncilID)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Metrics = privateSet(o.Metrics)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	c := &Client{
		opts:     o,
		refusals: newRefusals(o.Now, o.Log),
		buffers:  newBuffers(0, "client", o.Metrics),
		vitals:   newVitals(o.Now, o.Log, o.Metrics),
		dials:    o.Metrics.NewCounter("rookery_peer_dials_total"),
		reused:   o.Metrics.NewCounter("rookery_peer_reused_connections_total"),
		retried:  o.Metrics.NewCounter("rookery_peer_retried_requests_total"),
	}
	c.pool = newPool(o.MaxIdlePerNode, o.IdleTimeout, c.fits)
	c.figures = newFigures(o.Metrics, "client", func() float64 { return float64(c.pool.size()) })
	ctx, cancel := context.WithCancel(context.Background())
	c.closing = cancel
	c.done.Go(func() { c.sweep(ctx) })
	return c
}

// Close ends all connections, those that carry an answer too, and waits for the
// client's own goroutine. Later asks fail with object.ErrUnreachable.
func (c *Client) Close() error {
	c.closing()
	c.pool.close()
	c.done.Wait()
	return nil
}

// fits is the pool's: whether a connection was made under this node's council, and
// its other end would be trusted now, too.
func (c *Client) fits(conn *conn) bool {
	if conn.council != c.opts.CouncilID() {
		return false
	}
	latest := c.opts.Identity.latest()
	if latest == conn.papers {
		return true
	}
	conn.papers = latest
	return c.opts.Identity.trusts(latest, conn.Conn.(*tls.Conn).ConnectionState(), x509.ExtKeyUsageServerAuth)
}

// Open asks node for a read. ctx bounds the whole answer: once it is done, Open
// and the body's Read return its error at once. The caller closes the Body.
//
// The errors of package object come from the node as they are, *object.OriginError
// too. An error that is object.ErrUnreachable, here or in the middle of the body,
// means that the node gave no usable answer (and the rest must come from
// elsewhere): no connection, a refusal, a timeout, a broken frame, or a failure
// of its own, which its log names.
func (c *Client) Open(ctx context.Context, node string, ask *object.Ask) (*object.Answer, error) {
	c.figures.requests.Inc()
	answer, err := c.admit(ctx, node, ask)
	if err != nil {
		c.figures.fail(err)
		return nil, fmt.Errorf("peer %s: %w", node, err)
	}
	return answer, nil
}

// admit asks a node that is not known to be silent, or finds out whether it
// still is.
func (c *Client) admit(ctx context.Context, node string, ask *object.Ask) (*object.Answer, error) {
	probe, err := c.vitals.admit(node)
	if err != nil {
		return nil, err
	}
	if probe {
		defer c.vitals.probed(node)
	}
	return c.open(ctx, node, ask)
}

// open tries a connection that is there already, and a new one if that turns
// out to have been closed by the other side while it was idle.
func (c *Client) open(ctx context.Context, node string, ask *object.Ask) (*object.Answer, error) {
	for tries := 1; ; tries++ {
		conn, err := c.pool.get(ctx, node, tries > 1)
		reused := conn != nil
		if err == nil && !reused {
			conn, err = c.connect(ctx, node)
			c.pool.dialed(node)
		}
		if err != nil {
			return nil, unreachable(ctx, err)
		}
		if reused {
			c.reused.Inc()
		}
		answer, err := c.exchange(ctx, conn, ask)
		if !reused || tries == maxTries || !errors.Is(err, errSilence) {
			return answer, err
		}
		c.retried.Inc()
	}
}

// maxTries: the second try wants a new connection; in a crowd it may get one that
// another read ended with, and that may have been closed as well.
const maxTries = 3

// exchange sends the ask and reads the head. Whatever happens, the connection is
// taken care of: by the answer's body if there is one.
func (c *Client) exchange(ctx context.Context, conn *conn, ask *object.Ask) (*object.Answer, error) {
	b := c.start(ctx, conn)
	h, err := c.roundTrip(ctx, b, ask)
	if err != nil {
		b.finish(false)
		return nil, unreachable(ctx, err)
	}
	if h.err == nil && h.length > 0 {
		b.left = h.length
		answer := h.answer(ask)
		answer.Body = b
		return answer, nil
	}
	b.finish(true)
	if h.err != nil {
		return nil, h.err
	}
	return h.answer(ask), nil
}

// roundTrip sends the ask and returns a head that fits it.
func (c *Client) roundTrip(ctx context.Context, b *body, ask *object.Ask) (head, error) {
	var budget time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		budget = max(time.Millisecond, time.Until(deadline))
	}
	if err := c.sendAsk(b.conn, ask, budget); err != nil {
		return head{}, err
	}
	t, length, err := b.header(time.Time{})
	if err != nil {
		return head{}, silence(err)
	}
	buf := c.buffers.get()
	defer c.buffers.put(buf)
	payload, err := b.conn.readPayload(frameHead, t, length, buf[:])
	if err != nil {
		return head{}, err
	}
	h, err := decodeHead(payload)
	if err == nil && h.err == nil && !h.fits(ask) {
		err = fmt.Errorf("%w: the head does not answer the ask", errFrame)
	}
	return h, err
}

func (c *Client) sendAsk(conn *conn, ask *object.Ask, budget time.Duration) error {
	buf := c.buffers.get()
	defer c.buffers.put(buf)
	frame, err := appendAsk(beginFrame(buf[:0], frameAsk), ask, budget)
	if err != nil {
		return err
	}
	if err := conn.send(endFrame(frame, 0), c.opts.StallTimeout); err != nil {
		return silence(err)
	}
	return nil
}

// silence marks an error that came before any byte of an answer because the
// connection was closed. A timeout is not one: the node is there, and slow.
func silence(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return fmt.Errorf("%w: %w", errSilence, err)
}

// unreachable makes an error of the connection the caller's own, if the caller
// gave up, and else an object.ErrUnreachable.
func unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, object.ErrUnreachable) {
		return err
	}
	return fmt.Errorf("%w: %w", object.ErrUnreachable, err)
}

// sweep ends idle connections until the client is closed.
func (c *Client) sweep(ctx context.Context) {
	ticker := time.NewTicker(c.opts.IdleTimeout / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.pool.sweep(c.opts.Now())
		}
	}
}
