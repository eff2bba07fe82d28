package gateway

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"rookery/internal/pattern"
)

// trace is a connection that writes down what happens to it: d for a deadline,
// else the number of bytes that it took.
type trace struct {
	events []int
	got    bytes.Buffer
	fails  error
}

const deadline = -1

func (*trace) Header() http.Header { return nil }
func (*trace) WriteHeader(int)     {}

func (r *trace) SetWriteDeadline(t time.Time) error {
	r.events = append(r.events, deadline)
	return nil
}

func (r *trace) Write(p []byte) (int, error) {
	if r.fails != nil {
		return 0, r.fails
	}
	r.events = append(r.events, len(p))
	return r.got.Write(p)
}

func (r *trace) ReadFrom(src io.Reader) (int64, error) {
	n, err := r.got.ReadFrom(src)
	r.events = append(r.events, int(n))
	return n, err
}

// Every piece that a client takes gives it another stallTimeout, however the
// body is written.
func TestPatientWriter(t *testing.T) {
	o := pattern.Object{Bucket: "b", Key: "k", Size: 2*stallPieceBytes + 5}
	whole := o.Bytes(0, o.Size)
	inPieces := []int{deadline, stallPieceBytes, deadline, stallPieceBytes, deadline, 5}
	cases := []struct {
		name  string
		write func(p *patientWriter) (int64, error)
		want  []int
	}{
		{"Write", func(p *patientWriter) (int64, error) { n, err := p.Write(whole); return int64(n), err }, inPieces},
		{"ReadFrom", func(p *patientWriter) (int64, error) {
			return p.ReadFrom(io.LimitReader(bytes.NewReader(whole), o.Size))
		}, inPieces},
		{"ReadFrom of a short source", func(p *patientWriter) (int64, error) {
			return p.ReadFrom(io.LimitReader(bytes.NewReader(whole), o.Size+stallPieceBytes))
		}, inPieces},
	}
	for _, c := range cases {
		r := &trace{}
		n, err := c.write(&patientWriter{w: r})
		if n != o.Size || err != nil || !slices.Equal(r.events, c.want) {
			t.Errorf("%s: %d bytes, %v, events %v, want %v", c.name, n, err, r.events, c.want)
		}
		if err := o.Check(r.got.Bytes(), 0); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	r := &trace{fails: io.ErrClosedPipe}
	if n, err := (&patientWriter{w: r}).Write(whole); n != 0 || err != io.ErrClosedPipe {
		t.Errorf("a connection that fails: %d, %v", n, err)
	}
}
