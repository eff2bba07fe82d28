package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"rookery/internal/pattern"
)

// class is what became of a request.
type class int

const (
	whole  class = iota // exactly the right bytes, of one version
	status              // an answer that says that it is an error
	broken              // no answer, or one that the client knows to be cut off
	wrong               // a byte, a range or a version that is not right
	short               // fewer bytes than there are, and it looks complete
)

func (c class) String() string {
	return [...]string{"whole", "error answer", "broken", "WRONG", "SHORT"}[c]
}

// want is one request and what may answer it.
type want struct {
	path     string
	from, to int64
	size     int64                                         // of the object
	version  func(etag string) (o pattern.Object, ok bool) // the version that a strong ETag names
}

func (w want) ranged() bool { return w.from > 0 || w.to < w.size }

func (w want) header() string {
	if !w.ranged() {
		return ""
	}
	return fmt.Sprintf("bytes=%d-%d", w.from, w.to-1)
}

// clientPatience is how long a client waits for its answer: as long as the SDKs of S3 do
// by default. How long answers take is in the table, and held to bars of its own.
const clientPatience = time.Minute

// ask sends a request and checks each byte of the answer. It returns the node
// that answered, -1 if none did, and what is not right.
func ask(ctx context.Context, b *balancer, w want) (class, int, error) {
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	t := b.send(ctx, w.path, w.header())
	if t.err != nil {
		return broken, t.node, t.err
	}
	defer t.response.Body.Close()
	c, err := judge(t.response, w)
	if c == whole && t.resent {
		return broken, t.node, errors.New("the connection broke before the answer, and net/http asked again")
	}
	return c, t.node, err
}

// judge reads an answer to its end.
func judge(r *http.Response, w want) (class, error) {
	expected := http.StatusOK
	if w.ranged() {
		expected = http.StatusPartialContent
	}
	switch {
	case r.StatusCode >= 400:
		return status, errors.New(r.Status)
	case r.StatusCode != expected:
		return wrong, fmt.Errorf("%s, want %d", r.Status, expected)
	}
	if got, want := r.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", w.from, w.to-1, w.size); w.ranged() && got != want {
		return wrong, fmt.Errorf("range %q, want %q", got, want)
	}
	o, ok := w.version(r.Header.Get("ETag"))
	if !ok {
		return wrong, fmt.Errorf("ETag %q is of no version", r.Header.Get("ETag"))
	}
	body := &counted{Reader: r.Body}
	right, err := o.CheckReader(body, w.from, w.to)
	switch {
	case err == nil:
		return whole, nil
	case right < body.bytes:
		return wrong, err
	case body.broke:
		return broken, err
	default:
		return short, err
	}
}

// counted counts what is read, and tells whether the end was a clean one.
type counted struct {
	io.Reader
	bytes int64
	broke bool
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	c.broke = c.broke || err != nil && err != io.EOF
	return n, err
}
