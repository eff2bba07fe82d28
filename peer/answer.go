package peer

import (
	"context"
	"errors"
	"io"
	"time"

	"rookery/object"
)

var errBodyLong = errors.New("the body is longer than its answer said")

// answer answers one ask. It is false if the connection cannot go on.
func (s *session) answer(ctx context.Context, r request) bool {
	if !s.server.opts.Member(s.peer) || s.server.opts.CouncilID() != s.council || !s.trusted() {
		return false // asked again on a new connection, it will be told why
	}
	s.server.figures.requests.Inc()
	// The asker may take its time, so the reader waits for it without a clock.
	if s.wire.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	ctx, cancel := withBudget(ctx, r.budget)
	defer cancel()
	w := &reply{session: s, ctx: ctx, ask: r.ask}
	defer w.release()
	defer s.server.answers.Add(-1)
	if n, most := s.server.answers.Add(1), s.server.maxAnswers.Load(); most > 0 && n > most {
		s.server.shed.Inc()
		return w.fail(object.ErrBusy)
	}
	s.busy()
	defer s.quiet()
	a, err := s.server.opts.Handler.OpenLocal(ctx, r.ask)
	if err != nil {
		return w.fail(err)
	}
	if a.Body != nil {
		defer a.Body.Close()
	}
	return w.send(a)
}

func withBudget(ctx context.Context, budget time.Duration) (context.Context, context.CancelFunc) {
	if budget > 0 {
		return context.WithTimeout(ctx, budget)
	}
	return context.WithCancel(ctx)
}

// turnBytes is how long a body is that waits for its turn where the processors are
// crowded.
const turnBytes = 256 << 10

// reply writes one answer. Frames gather in out, which is as large as its buffer,
// so that one write carries as many as are ready. It has a buffer only once there
// is something to write: who waits for S3 holds none.
type reply struct {
	session *session
	ctx     context.Context // the handler's
	ask     *object.Ask
	out     []byte // nil until begun
	left    bool   // something has been sent: it is too late for an error in the head
}

// begin makes sure that there is a buffer.
func (w *reply) begin() {
	if w.out == nil {
		w.out = w.session.server.buffers.lease()[:0]
	}
}

func (w *reply) release() {
	if w.out != nil {
		w.session.server.buffers.giveBack(w.out)
		w.out = nil
	}
}

// send writes a whole answer. It is false if the connection cannot go on.
func (w *reply) send(a *object.Answer) bool {
	if a.Length >= turnBytes {
		w.session.server.opts.Turns.Wait(w.ctx)
	}
	if sent, err := w.head(a); err != nil {
		return w.fail(err)
	} else if !sent {
		return false
	}
	if a.Length == 0 {
		return w.flush()
	}
	if a.Body == nil {
		return w.fail(io.ErrUnexpectedEOF)
	}
	for left := a.Length; left > 0; {
		n, err := w.data(a.Body, left)
		if err != nil {
			return w.fail(err)
		}
		if left -= int64(n); left > 0 && !w.flush() {
			return false
		}
	}
	if err := drained(a.Body); err != nil {
		return w.fail(err)
	}
	w.end(nil)
	return w.flush()
}

// head writes the head. A large one, which leaves no room for data, goes at once,
// and in a buffer of its own. sent is false if the connection cannot go on.
func (w *reply) head(a *object.Answer) (sent bool, err error) {
	w.begin()
	buf := w.session.server.buffers.get()
	defer w.session.server.buffers.put(buf)
	frame, err := appendHead(beginFrame(buf[:0], frameHead), a, w.ask.Pin == nil)
	if err != nil {
		return true, err
	}
	frame = endFrame(frame, 0)
	if len(frame) > usualHeadBytes {
		w.left = true
		return w.session.send(frame) == nil, nil
	}
	w.out = append(w.out, frame...)
	return true, nil
}

// data appends a data frame with what one Read of the body gives: bytes that
// arrive slowly at the owner do not wait for each other.
func (w *reply) data(body io.Reader, left int64) (int, error) {
	w.begin()
	start := len(w.out)
	at := start + headerBytes + crcBytes
	room := min(int64(cap(w.out)-at-maxEndBytes), maxDataBytes, left)
	n, err := io.ReadAtLeast(body, w.out[at:at+int(room)], 1)
	if err != nil {
		return 0, noEOF(err)
	}
	w.out = w.out[:at+n]
	sealData(w.out, start)
	w.session.server.figures.bytes.Add(n)
	return n, nil
}

func (w *reply) end(err error) {
	start := len(w.out)
	w.out = endFrame(appendFailure(beginFrame(w.out, frameEnd), err), start)
}

// fail sends an error in place of what has not been sent yet. Only its number
// travels, unless it is the origin's; the log has the rest.
func (w *reply) fail(err error) bool {
	s := w.session
	if errors.Is(w.ctx.Err(), context.DeadlineExceeded) {
		err = errTimeUp
	}
	kind := kindOf(err)
	s.server.figures.errors[kind].Inc()
	if w.ctx.Err() == nil && (kind == "unreachable" || kind == "canceled") {
		s.server.opts.Log.Warn("answer a peer", "peer", s.peer, "key", w.ask.Key.String(), "request", w.ask.RequestID, "err", err)
	}
	w.begin()
	w.out = w.out[:0]
	if w.left {
		w.end(err)
	} else {
		w.out = endFrame(appendFailure(beginFrame(w.out, frameHead), err), 0)
	}
	return w.flush()
}

// flush sends what has gathered. It is false if the connection cannot go on.
func (w *reply) flush() bool {
	if len(w.out) == 0 {
		return true
	}
	err := w.session.send(w.out)
	w.out, w.left = w.out[:0], true
	return err == nil
}

// drained makes sure that a body of which all bytes have been read ends there,
// and well.
func drained(body io.Reader) error {
	var one [1]byte
	switch _, err := io.ReadAtLeast(body, one[:], 1); {
	case err == nil:
		return errBodyLong
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}
