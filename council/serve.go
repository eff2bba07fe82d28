package council

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"rookery/object"
)

// ServeConn answers a connection that another node has opened with Dial. It takes
// the connection over and closes it, and returns when it needs its caller no
// more. peer is the name that the other side's certificate proves.
func (c *Council) ServeConn(conn net.Conn, peer string) {
	stop := context.AfterFunc(c.closing, func() { conn.Close() })
	defer stop()
	h, err := c.receive(conn, peer)
	if err != nil {
		c.o.Log.Debug("a call to the council was refused", "from", peer, "error", err)
		conn.Close()
		return
	}
	if h.line == lineRaft {
		if s, err := c.present(); err == nil && s.own.council == h.council {
			s.stream.deliver(conn)
			return
		}
		conn.Close()
		return
	}
	defer conn.Close()
	for {
		b, err := readFrame(conn, maxRequestBytes)
		if err != nil {
			return
		}
		a, err := c.handle(h, b)
		if err != nil {
			a = failed(err)
		}
		b, err = json.Marshal(a)
		if err != nil || writeFrame(conn, b) != nil {
			return
		}
	}
}

// receive reads the hello and accepts it or not.
func (c *Council) receive(conn net.Conn, peer string) (hello, error) {
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return hello{}, err
	}
	b, err := readFrame(conn, maxHelloBytes)
	if err != nil {
		return hello{}, err
	}
	h, err := decodeHello(b)
	if err != nil {
		return hello{}, err
	}
	reply, err := c.judge(&h, peer)
	if _, werr := conn.Write([]byte{reply}); werr != nil {
		return hello{}, werr
	}
	if err != nil {
		return hello{}, err
	}
	return h, conn.SetDeadline(time.Time{})
}

// judge says what is answered to a hello.
func (c *Council) judge(h *hello, peer string) (byte, error) {
	c.mu.Lock()
	own := c.own.council
	c.mu.Unlock()
	switch {
	case h.wanted != c.id || nameOf(h.from) != peer:
		return helloOtherNode, errOtherNode
	case h.line != lineInvite && (h.council != own || own == [16]byte{}):
		return helloOtherCouncil, errOtherCouncil
	}
	return helloYes, nil
}

// handle answers one question.
func (c *Council) handle(h hello, b []byte) (*answer, error) {
	q := new(request)
	if err := json.Unmarshal(b, q); err != nil {
		return nil, fmt.Errorf("%w: %w", errEntry, err)
	}
	if h.line == lineInvite {
		if q.Op != opInvite {
			return nil, errEntry
		}
		return &answer{}, c.invited(q.Before)
	}
	s, err := c.present()
	if err != nil {
		return nil, err
	}
	if s.own.council != h.council {
		return nil, errOtherCouncil
	}
	return s.handle(h.from, q)
}

// longestWait bounds how long a question may wait for its answer.
const longestWait = time.Minute

func (s *seat) handle(from string, q *request) (*answer, error) {
	ctx, cancel := context.WithTimeout(s.ctx, longestWait)
	defer cancel()
	switch q.Op {
	case opLease:
		got, err := s.grant(ctx, from)
		return &answer{Number: got.number, Lease: got.lease}, err
	case opPurge:
		return s.propose(ctx, q.Entries)
	case opStanding:
		f, err := s.leads()
		if err != nil {
			return nil, err
		}
		st := s.standing(f)
		return &answer{Standing: &st}, nil
	case opApplied:
		return s.applied(ctx, q)
	case opForget:
		return &answer{}, s.forget(ctx, q.Name)
	}
	return nil, fmt.Errorf("%w: %q is not known here", errEntry, q.Op)
}

// applied answers once this node has applied a number, or with what it has when
// the asker does not want to wait any longer.
func (s *seat) applied(ctx context.Context, q *request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	err := s.c.o.State.Await(ctx, object.Note{Council: s.own.council, Applied: q.Number})
	note := s.c.o.State.Note()
	if err != nil && ctx.Err() == nil || note.Council != s.own.council {
		return &answer{}, errors.Join(err, errOtherCouncil)
	}
	return &answer{Number: note.Applied}, nil
}
