package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"rookery/object"
)

// connect opens a connection to node and agrees with it to read.
func (c *Client) connect(ctx context.Context, node string) (*conn, error) {
	if err := c.refusals.recall(node); err != nil {
		return nil, err
	}
	addr, ok := c.opts.Resolve(node)
	if !ok {
		return nil, fmt.Errorf("%w: no address known", object.ErrUnreachable)
	}
	c.dials.Inc()
	raw, err := c.dial(ctx, node, addr)
	if err != nil {
		c.lost(ctx, node, fmt.Errorf("connect: %w", err))
		return nil, err
	}
	conn, err := c.greet(ctx, node, raw)
	if err != nil {
		raw.Close()
		if refused, ok := errors.AsType[*refusal](err); ok && ctx.Err() == nil {
			c.figures.refuse(refused.why)
			c.refusals.note(node, refused)
		}
		return nil, err
	}
	c.refusals.forget(node)
	c.vitals.heard(node)
	if !c.pool.add(conn) {
		raw.Close()
		return nil, net.ErrClosed
	}
	return conn, nil
}

// lost remembers a silent node, unless it was the asker who went away, and sends
// those away who wait for a connection to it.
func (c *Client) lost(ctx context.Context, node string, why error) {
	if ctx.Err() == nil {
		c.vitals.lost(node, why)
		c.pool.sendAway(node, errSilent)
	}
}

// greet shakes hands and exchanges hellos. The caller closes raw if it fails.
func (c *Client) greet(ctx context.Context, node string, raw net.Conn) (*conn, error) {
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	patience := c.expectLife(ctx, node, raw)
	defer patience.stop()
	papers := c.opts.Identity.latest()
	secure := tls.Client(raw, c.opts.Identity.readTLS(papers, node))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, distrust(err)
	}
	conn := &conn{wire: wire{Conn: secure, raw: raw}, node: node, papers: papers}
	if err := c.sayHello(conn); err != nil {
		return nil, distrust(err)
	}
	if !patience.stop() {
		return nil, os.ErrDeadlineExceeded
	}
	return conn, nil
}

// sayHello sends the client's hello and reads the server's verdict.
func (c *Client) sayHello(conn *conn) error {
	buf := c.buffers.get()
	defer c.buffers.put(buf)
	self := hello{
		protocol: Protocol, minProtocol: MinProtocol, council: c.opts.CouncilID(),
		name: c.opts.Self, want: conn.node, fingerprint: c.opts.Fingerprint,
	}
	conn.council = self.council
	frame := endFrame(self.append(beginFrame(buf[:0], frameHello)), 0)
	if _, err := conn.Write(frame); err != nil {
		return err
	}
	payload, err := conn.readFrame(frameWelcome, buf[:])
	if err != nil {
		return err
	}
	why, other, err := decodeWelcome(payload)
	if err != nil {
		return err
	}
	if why == accepted {
		why = judge(&self, &other)
	}
	if why != accepted {
		return &refusal{why: why}
	}
	return nil
}

// distrust turns the failure of a handshake for want of trust, on either side,
// into a refusal. The other side's distrust comes as a TLS alert, which
// crypto/tls gives no type but this operation's name.
func distrust(err error) error {
	if errors.Is(err, errWrongName) {
		return &refusal{why: refusedName}
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return &refusal{why: refusedName}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &refusal{why: refusedCertificate}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return &refusal{why: refusedCertificate}
	}
	return err
}
