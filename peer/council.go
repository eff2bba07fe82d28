package peer

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The council speaks a protocol of its own on the peers' port, which TLS tells from
// the reads (RFC 7301): nodes that do not read from each other, because their rings
// or their read protocols differ, must still agree on purges.
//
// Its connections begin with the caller's name, behind its length in two bytes, for
// a certificate may name several nodes; what follows is the council's.
const councilALPN = "rookery-council/1"

var errNoCouncil = errors.New("this node takes no part in a council")

// DialCouncil connects to the council's protocol of the node that listens for peers
// at address. The other side's certificate names that node, and is of the cluster's
// CA; ctx bounds the call alone. The caller closes the connection.
func DialCouncil(ctx context.Context, self *Identity, node, address string) (net.Conn, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("council of %s: %w", node, err)
	}
	conn := tls.Client(raw, self.councilTLS(node))
	if err := introduce(ctx, conn, self.node); err != nil {
		raw.Close()
		return nil, fmt.Errorf("council of %s: %w", node, err)
	}
	return conn, nil
}

// introduce shakes hands and says who calls.
func introduce(ctx context.Context, conn *tls.Conn, name string) error {
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write(appendBytes(nil, name)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// readName reads who calls, and demands that the certificate names it.
func readName(conn *tls.Conn) (string, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return "", noEOF(err)
	}
	n := binary.LittleEndian.Uint16(length[:])
	if n > maxNameBytes {
		return "", fmt.Errorf("%w: a name of %d bytes", errFrame, n)
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(conn, name); err != nil {
		return "", noEOF(err)
	}
	if !names(conn.ConnectionState().PeerCertificates[0], string(name)) {
		return "", &refusal{why: refusedName}
	}
	return string(name), nil
}

// convene gives the connection of a council to who takes part in it, and waits
// until it needs nobody any more. A server that drains ends it.
func (s *session) convene() error {
	name, err := readName(s.secure)
	if err != nil {
		if refused, ok := errors.AsType[*refusal](err); ok {
			s.server.figures.refuse(refused.why)
		}
		return err
	}
	s.peer = name
	if s.server.opts.Council == nil {
		return errNoCouncil
	}
	if err := s.wire.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s.handedOver = true
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(over)
	}()
	s.server.opts.Council(s.secure, name)
	close(over)
	<-watched
	return nil
}

// watch ends a council's connection when the server drains, and when this node trusts
// the other side no more.
func (s *session) watch(over <-chan struct{}) {
	for {
		_, newer := s.server.opts.Identity.watch()
		if !s.trusted() {
			s.wire.abort()
			return
		}
		select {
		case <-newer:
		case <-s.server.draining:
			s.wire.abort()
			return
		case <-over:
			return
		}
	}
}
