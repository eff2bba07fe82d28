package origin

import (
	"fmt"
	"io"
)

// body gives exactly the bytes that were promised, or an error.
type body struct {
	from     io.ReadCloser
	left     int64
	exchange *exchange
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	x := b.exchange
	x.silence.arm()
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	x.silence.disarm()
	b.left -= int64(n)
	x.client.count.bytes.Add(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case err == nil:
		return n, nil
	case x.caller.Err() != nil:
		return n, x.caller.Err()
	case x.silenced():
		err = errSilent
	}
	return n, fmt.Errorf("origin's body ended %d bytes early: %w: %s", b.left, io.ErrUnexpectedEOF, err.Error())
}

// Close gives the connection back if the body was read to its end, and else
// closes it.
func (b *body) Close() error {
	err := b.from.Close()
	b.exchange.silence.disarm()
	b.exchange.cancel(nil)
	return err
}
