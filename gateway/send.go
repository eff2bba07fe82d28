package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rookery/object"
)

// errClientGone: the body was whole, but the connection took no more of it.
var errClientGone = errors.New("client gone")

// turnBytes is how long a body is that waits for its turn where the processors are
// crowded.
const turnBytes = 256 << 10

// flusher is http.Flusher.
type flusher interface{ Flush() }

// Send writes the body to w, exactly as many bytes as Content-Length promised,
// closes it, and writes the log line and the metrics. After an error the engine
// must break the connection off, or a short answer could look complete.
//
// A body that is an io.WriterTo writes itself, straight to w; it may use w's
// ReadFrom (sendfile) and Flush where w has them. Any other is copied through a
// pooled buffer, and w is flushed whenever the body could not fill the buffer, so
// that what has come from S3 does not wait for what has not.
func (a *Answer) Send(ctx context.Context, w io.Writer) error {
	if a.length >= turnBytes && a.body != nil {
		a.core.turns.Wait(ctx)
	}
	sent, err := a.sendBody(w)
	if err != nil {
		a.failure = failureOf(ctx, err)
	}
	a.core.finish(ctx, a, sent, err)
	return err
}

func (a *Answer) sendBody(w io.Writer) (sent int64, err error) {
	if a.body == nil {
		if a.text == "" {
			return 0, nil
		}
		n, err := io.WriteString(w, a.text)
		if err != nil {
			err = fmt.Errorf("%w: %w", errClientGone, err)
		}
		return int64(n), err
	}
	defer func() { _ = a.body.Close() }() // every byte of it has been judged by its Read
	if to, ok := a.body.(io.WriterTo); ok {
		sent, err = to.WriteTo(w)
	} else {
		sent, err = a.copyBody(w)
	}
	if err == nil && sent != a.length {
		err = fmt.Errorf("%w: %d bytes of %d", object.ErrBroken, sent, a.length)
	}
	return sent, err
}

func (a *Answer) copyBody(w io.Writer) (sent int64, err error) {
	buffer := a.core.buffers.get()
	defer a.core.buffers.put(buffer)
	flush, _ := w.(flusher)
	for sent < a.length {
		piece := buffer[:min(int64(len(buffer)), a.length-sent)]
		n, readErr := a.body.Read(piece)
		if n > 0 {
			wrote, err := w.Write(piece[:n])
			sent += int64(wrote)
			if err != nil {
				return sent, fmt.Errorf("%w: %w", errClientGone, err)
			}
		}
		switch {
		case readErr != nil && (readErr != io.EOF || sent < a.length):
			return sent, fmt.Errorf("body after %d bytes of %d: %w", sent, a.length, unexpected(readErr))
		case n < len(piece) && flush != nil:
			flush.Flush()
		}
	}
	return sent, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// The reasons for which a body breaks off, in the log and in the metrics.
const (
	abortClient = "client"
	abortSource = "source"
)

// failureOf tells a client that left from a source that failed.
func failureOf(ctx context.Context, err error) string {
	if errors.Is(err, errClientGone) || ctx.Err() != nil {
		return abortClient
	}
	return abortSource
}
