package peer

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"rookery/object"
)

// session is the server's end of one connection. Two goroutines share it: the
// reader takes asks off the wire and so notices, even while an answer is being
// made, that the asker is gone; run makes the answers.
type session struct {
	server *Server
	wire   wire
	secure *tls.Conn
	below  *gatherer
	peer   string  // the asker's name, once it is known
	papers *papers // of this node, under which the asker was last let in
	// council is this node's when the two agreed to read.
	council [16]byte

	shaking    *list.Element // the server's
	counted    bool          // among the server's nodes; guarded by its mu
	handedOver bool          // the council closes the connection

	writing chan struct{} // full while frames are written
	waiting bool          // an answer is being made; guarded by writing
	pulse   *time.Timer
}

// request is an ask as it came off the wire.
type request struct {
	ask    *object.Ask
	budget time.Duration // 0: none
}

// maxHandshake bounds a handshake, however long an asker may stall later: whoever
// has not shown who it is holds a connection.
const maxHandshake = 30 * time.Second

// recordBytes is the most that TLS puts into one record, and so into one write
// (RFC 8446 §5.1).
const recordBytes = 16 << 10

var errFull = errors.New("there are too many connections of nodes")

func newSession(s *Server, raw net.Conn) *session {
	below := &gatherer{Conn: raw}
	papers := s.opts.Identity.latest()
	secure := tls.Server(below, papers.server)
	return &session{
		server: s, papers: papers, wire: wire{Conn: secure, raw: raw}, secure: secure, below: below,
		writing: make(chan struct{}, 1),
	}
}

// run serves the connection until it ends, or is the council's.
func (s *session) run() {
	if err := s.begin(); err != nil {
		s.server.opts.Log.Debug("peer handshake", "remote", s.wire.raw.RemoteAddr().String(), "peer", s.peer, "err", err)
	}
}

func (s *session) begin() error {
	if err := s.handshake(); err != nil {
		return err
	}
	if s.secure.ConnectionState().NegotiatedProtocol == s.server.opts.Identity.council {
		return s.convene()
	}
	if err := s.greet(); err != nil {
		return err
	}
	s.serve()
	return nil
}

// serve answers the asks of a connection that has been greeted.
func (s *session) serve() {
	ctx, cancel := context.WithCancel(s.server.ctx)
	s.pulse = time.AfterFunc(s.server.opts.beat, s.beat)
	defer s.quiet()
	asks := make(chan request, 1)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer s.wire.abort() // wakes the reader
	defer cancel()
	reader.Go(func() {
		defer cancel()
		defer s.wire.abort() // wakes an answer that is being written
		s.read(asks)
	})
	for s.idle() {
		select {
		case <-ctx.Done():
			return
		case <-s.server.draining:
			return
		case r := <-asks:
			if !s.answer(ctx, r) {
				return
			}
		}
	}
}

// idle starts the clock for the next ask. It is false if the connection is dead.
func (s *session) idle() bool {
	return s.wire.SetReadDeadline(time.Now().Add(s.server.opts.IdleTimeout)) == nil
}

// read takes asks off the wire until the connection ends. It never waits for an
// answer, or it would not notice that the asker is gone: one ask may come while
// the end of the last answer is on its way, and a second is out of turn.
func (s *session) read(asks chan<- request) {
	for {
		r, err := s.readAsk()
		if err != nil {
			if errors.Is(err, errFrame) {
				s.server.opts.Log.Warn("peer sends what is no ask", "peer", s.peer, "err", err)
			}
			return
		}
		select {
		case asks <- r:
		default:
			s.server.opts.Log.Warn("peer asks out of turn", "peer", s.peer)
			return
		}
	}
}

// readAsk holds a buffer only once there is something to put into it.
func (s *session) readAsk() (request, error) {
	t, length, err := s.wire.readHeader()
	if err != nil {
		return request{}, err
	}
	buf := s.server.buffers.get()
	defer s.server.buffers.put(buf)
	payload, err := s.wire.readPayload(frameAsk, t, length, buf[:])
	if err != nil {
		return request{}, err
	}
	ask, budget, err := decodeAsk(payload)
	return request{ask: ask, budget: budget}, err
}

// handshake finds out by TLS who is there, and what for.
func (s *session) handshake() error {
	if err := s.wire.SetDeadline(time.Now().Add(min(s.server.opts.StallTimeout, maxHandshake))); err != nil {
		return err
	}
	if err := s.secure.HandshakeContext(s.server.ctx); err != nil {
		if refused, ok := errors.AsType[*refusal](distrust(err)); ok {
			s.server.figures.refuse(refused.why)
		}
		return err
	}
	if !s.server.known(s) {
		return errFull
	}
	return nil
}

// greet tells the other side whether this node reads with it.
func (s *session) greet() error {
	buf := s.server.buffers.get()
	defer s.server.buffers.put(buf)
	payload, err := s.wire.readFrame(frameHello, buf[:])
	if err != nil {
		return err
	}
	opts := &s.server.opts
	self := hello{
		protocol: Protocol, minProtocol: MinProtocol, council: opts.CouncilID(),
		name: opts.Self, fingerprint: opts.Fingerprint,
	}
	s.council = self.council
	other, err := decodeHello(payload)
	why := refusedMalformed
	if err == nil {
		why = s.judge(&self, &other)
	}
	frame := endFrame(appendWelcome(beginFrame(buf[:0], frameWelcome), why, &self), 0)
	if _, err := s.wire.Write(frame); err != nil {
		return err
	}
	if why != accepted {
		s.server.figures.refuse(why)
		return fmt.Errorf("%q: %w", other.name, &refusal{why: why})
	}
	s.server.refusals.forget(s.peer)
	return s.wire.SetDeadline(time.Time{})
}

// judge says whether the node at the other end may read from this one.
func (s *session) judge(self, other *hello) reason {
	if !names(s.secure.ConnectionState().PeerCertificates[0], other.name) {
		return refusedName
	}
	s.peer = other.name
	why := judge(self, other)
	switch {
	case other.want != self.name:
		why = refusedWrongNode
	case !s.server.opts.Member(other.name):
		why = refusedStranger
	}
	if why != accepted {
		s.server.refusals.note(s.peer, &refusal{why: why})
	}
	return why
}

// trusted reports whether the asker would be let in under this node's latest papers:
// a connection must not outlive the CA that it was let in by.
func (s *session) trusted() bool {
	id := s.server.opts.Identity
	latest := id.latest()
	if latest == s.papers {
		return true
	}
	s.papers = latest
	return id.trusts(latest, s.secure.ConnectionState(), x509.ExtKeyUsageClientAuth)
}

// busy lets the asker know from now on, until quiet, that an answer is being
// made, however long that takes.
func (s *session) busy() {
	s.writing <- struct{}{}
	defer s.written()
	s.waiting = true
	s.pulse.Reset(s.server.opts.beat)
}

// quiet ends what busy began. No beat is written after it.
func (s *session) quiet() {
	s.pulse.Stop()
	s.writing <- struct{}{}
	defer s.written()
	s.waiting = false
}

func (s *session) written() { <-s.writing }

// beat tells the asker that this node is alive. Frames that are being written
// tell it as well.
func (s *session) beat() {
	select {
	case s.writing <- struct{}{}:
	default:
		s.pulse.Reset(s.server.opts.beat)
		return
	}
	defer s.written()
	if !s.waiting {
		return
	}
	if s.wire.send(beginFrame(nil, frameWait), s.server.opts.StallTimeout) != nil {
		s.wire.abort()
		return
	}
	s.pulse.Reset(s.server.opts.beat)
}

// send writes whole frames, in one system call where TLS would take several.
func (s *session) send(frames []byte) error {
	s.writing <- struct{}{}
	defer s.written()
	within := s.server.opts.StallTimeout
	if len(frames) <= recordBytes {
		return s.wire.send(frames, within)
	}
	buf := s.server.buffers.get()
	defer s.server.buffers.put(buf)
	s.below.gather(buf)
	err := s.wire.send(frames, within)
	if flushed := s.below.flush(); err == nil {
		err = flushed
	}
	return err
}
