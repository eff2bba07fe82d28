package council

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// line is what a connection between two members is for.
type line byte

const (
	lineRaft line = 'r' // raft's own messages
	lineAsk  line = 'a' // one request and its answer after the other

	// lineInvite is the one between nodes of different councils, or of none.
	lineInvite line = 'i'
)

// hello opens a connection: who calls whom, in which council. An address that has
// been given to another pod answers for nobody, and another council's node
// neither votes nor counts.
type hello struct {
	line    line
	council [16]byte
	wanted  string // the raft id that is called; "" for any of the node's
	from    string // the caller's raft id
}

const (
	helloMagic    = "RKCL\x01"
	maxHelloBytes = 1024
	helloTimeout  = 5 * time.Second
)

// Answers to a hello. Others than helloYes are followed by nothing.
const (
	helloYes          = 'y'
	helloOtherCouncil = 'c'
	helloOtherNode    = 'n'
)

var (
	errOtherCouncil = errors.New("it belongs to another council")
	errOtherNode    = errors.New("it is another node, or has lost its disk")
	errFrame        = errors.New("malformed frame")
)

func (h *hello) encode() []byte {
	b := append([]byte(helloMagic), byte(h.line))
	b = append(b, h.council[:]...)
	return appendText(appendText(b, h.wanted), h.from)
}

func decodeHello(b []byte) (h hello, err error) {
	r := reader{b: b}
	magic := r.take(uint64(len(helloMagic)))
	h.line = line(r.byte())
	copy(h.council[:], r.take(16))
	h.wanted, h.from = r.text(), r.text()
	if r.bad || string(magic) != helloMagic { // what is appended later is passed over
		return h, fmt.Errorf("%w: no hello", errFrame)
	}
	return h, nil
}

// greet says hello and waits until it is accepted.
func greet(conn net.Conn, h *hello, timeout time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if err := writeFrame(conn, h.encode()); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	switch answer[0] {
	case helloYes:
		return conn.SetDeadline(time.Time{})
	case helloOtherCouncil:
		return errOtherCouncil
	case helloOtherNode:
		return errOtherNode
	}
	return errFrame
}

func writeFrame(w io.Writer, b []byte) error {
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b)))
	_, err := w.Write(append(frame, b...))
	return err
}

func readFrame(r io.Reader, longest uint32) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > longest {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
