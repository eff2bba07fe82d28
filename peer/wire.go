package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"
)

// wire reads and writes the frames of one connection. One goroutine may read
// while another writes; anyone may abort.
type wire struct {
	net.Conn          // TLS
	raw      net.Conn // below TLS: closing it wakes whoever reads or writes, at once
	header   [headerBytes]byte
	sum      [crcBytes]byte
}

// readHeader reads a frame's header. It is io.EOF if the other side closed the
// connection between frames.
func (w *wire) readHeader() (frameType, int, error) {
	n, err := io.ReadFull(w, w.header[:])
	switch {
	case err != nil && n > 0:
		return 0, 0, fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	case err != nil:
		return 0, 0, err
	}
	return parseHeader(&w.header)
}

// readPayload reads the payload of a frame of type want into buf, or fails if
// the header was another one's.
func (w *wire) readPayload(want, t frameType, length int, buf []byte) ([]byte, error) {
	if t != want {
		return nil, fmt.Errorf("%w: type %d instead of %d", errFrame, t, want)
	}
	payload := buf[:length]
	if _, err := io.ReadFull(w, payload); err != nil {
		return nil, noEOF(err)
	}
	return payload, nil
}

// readFrame reads a whole frame of type want into buf.
func (w *wire) readFrame(want frameType, buf []byte) ([]byte, error) {
	t, length, err := w.readHeader()
	if err != nil {
		return nil, err
	}
	return w.readPayload(want, t, length, buf)
}

// readData reads the bytes of a data frame, whose CRC stands before them, into
// dst and verifies them.
func (w *wire) readData(dst []byte) error {
	if _, err := io.ReadFull(w, w.sum[:]); err != nil {
		return noEOF(err)
	}
	if _, err := io.ReadFull(w, dst); err != nil {
		return noEOF(err)
	}
	if crc32.Checksum(dst, castagnoli) != binary.LittleEndian.Uint32(w.sum[:]) {
		return errCRC
	}
	return nil
}

// send writes whole frames within the time given.
func (w *wire) send(frames []byte, within time.Duration) error {
	if err := w.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := w.Write(frames)
	return err
}

// abort ends the connection in both directions, without a goodbye: frames say
// what is complete, so none is needed.
func (w *wire) abort() { w.raw.Close() }

// noEOF is for an end of the connection in the middle of something.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
