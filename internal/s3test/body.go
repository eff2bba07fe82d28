package s3test

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// writeBytes is how much of a body is made and written at once.
const writeBytes = 64 << 10

// body writes the planned bytes, stops at the gates on its way, and ends early
// where the step says so.
func (s *Server) body(w http.ResponseWriter, r *http.Request, q *Request, p plan, gates []*Gate, step Step) {
	length := p.to - p.from
	if step.End != nil {
		length = min(length, step.End.After)
	}
	s.mu.Lock()
	pace := pace{bytesPerSecond: s.bandwidth, start: time.Now()}
	s.mu.Unlock()
	_, _ = io.WriteString(w, p.before) // a client that has left misses nothing
	buf := make([]byte, min(writeBytes, length))
	for at := int64(0); ; {
		if at > 0 || length == 0 || len(gates) > 0 {
			_ = http.NewResponseController(w).Flush() // the next write tells of a client that has left
		}
		if !s.pass(r.Context(), gates, at) {
			panic(http.ErrAbortHandler)
		}
		if at == length {
			break
		}
		piece := buf[:min(int64(len(buf)), stop(gates, at, length)-at)]
		p.version.object.At(piece, p.from+at)
		s.sent(q, int64(len(piece))) // before, so that no client knows of a byte earlier than the log
		n, err := w.Write(piece)
		s.sent(q, int64(n-len(piece)))
		if at += int64(n); err != nil || !pace.wait(r.Context(), s.closing, at) {
			panic(http.ErrAbortHandler)
		}
	}
	if step.End != nil {
		s.endEarly(w, r, step.End.How)
	}
	_, _ = io.WriteString(w, p.after)
}

// stall waits until the client leaves or the server closes.
func (s *Server) stall(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.closing:
	}
}

func (s *Server) endEarly(w http.ResponseWriter, r *http.Request, how How) {
	switch how {
	case Stall:
		s.stall(r.Context())
	case Reset:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			break
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
		return
	}
	panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
}

// pace keeps a body at a bandwidth; none if that is 0.
type pace struct {
	bytesPerSecond int64
	start          time.Time
}

func (p pace) wait(ctx context.Context, closing <-chan struct{}, written int64) bool {
	if p.bytesPerSecond == 0 {
		return true
	}
	due := p.start.Add(time.Duration(float64(written) / float64(p.bytesPerSecond) * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-closing:
	}
	return false
}
