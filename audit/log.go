package audit

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const (
	// maxPending is how many bytes of entries wait for the disk, beside as many that
	// are being written.
	maxPending = 4 << 20
	// Wait is how long a request waits for room among them. While writes fail, nobody
	// waits.
	Wait = 100 * time.Millisecond
	// retryAfter is how long it takes until a write that failed is tried again.
	retryAfter = time.Second
	// maxPieceBytes is the most that is written at once, so that files stay near their
	// size.
	maxPieceBytes = 64 << 10
)

// ErrLost says that an entry found no room.
var ErrLost = errors.New("the audit log takes no more entries")

// Options are the parts of a Log. Only To must be given.
type Options struct {
	Node    string // that writes: in every entry
	To      io.WriteCloser
	Log     *slog.Logger
	Metrics *metrics.Set
	Now     func() time.Time
}

// Log takes entries and writes them in its own time. A nil Log keeps nothing. Safe for
// concurrent use.
type Log struct {
	o            Options
	errors, lost *metrics.Counter

	mu      sync.Mutex
	pending []byte
	room    chan struct{} // closed when pending has been taken
	failing bool
	closed  bool

	wake chan struct{}
	quit chan struct{}
	done chan struct{}
}

// Register makes the log's counters, so that they are there, at zero, without one.
func Register(set *metrics.Set) (errors, lost *metrics.Counter) {
	return set.GetOrCreateCounter("rookery_audit_errors_total"), set.GetOrCreateCounter("rookery_audit_lost_total")
}

// New starts a log. Close ends it.
func New(o Options) *Log {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{
		o: o, room: make(chan struct{}), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	l.errors, l.lost = Register(o.Metrics)
	go l.run()
	return l
}

// Record takes an entry, gives it its time and its node, and returns as soon as it is
// among those that are to be written. ErrLost says that it is not, and never will be.
func (l *Log) Record(e Entry) error {
	if l == nil {
		return nil
	}
	e.Time, e.Node = l.o.Now().UTC(), l.o.Node
	line := e.line()
	if l.add(line) {
		return nil
	}
	l.lost.Inc()
	return ErrLost
}

// add puts a line among the pending ones, and waits for room where there is none.
func (l *Log) add(line []byte) bool {
	var patience <-chan time.Time
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return false
		}
		if len(l.pending)+len(line) <= maxPending {
			l.pending = append(l.pending, line...)
			l.mu.Unlock()
			select {
			case l.wake <- struct{}{}:
			default:
			}
			return true
		}
		room, failing := l.room, l.failing
		l.mu.Unlock()
		if failing {
			return false
		}
		if patience == nil {
			timer := time.NewTimer(Wait)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-room:
		case <-patience:
			return false
		}
	}
}

// run writes until Close; what is pending then is tried once more.
func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case <-l.wake:
		case <-l.quit:
			if left, _ := l.write(l.take()); len(left) > 0 {
				l.lost.Add(bytes.Count(left, []byte{'\n'}))
			}
			return
		}
		left := l.take()
		for len(left) > 0 {
			var err error
			left, err = l.write(left)
			l.tell(err)
			if err != nil && !l.pause() {
				l.lost.Add(bytes.Count(left, []byte{'\n'}) + bytes.Count(l.take(), []byte{'\n'}))
				return
			}
		}
	}
}

// take returns the pending lines and makes room for others.
func (l *Log) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.pending
	l.pending = nil
	close(l.room)
	l.room = make(chan struct{})
	return lines
}

// write writes lines, whole ones at a time, and returns those that it could not.
func (l *Log) write(lines []byte) (left []byte, err error) {
	for len(lines) > 0 {
		piece := lines
		if len(piece) > maxPieceBytes {
			end := bytes.LastIndexByte(piece[:maxPieceBytes], '\n') + 1
			if end == 0 { // one entry that is longer
				end = bytes.IndexByte(piece, '\n') + 1
			}
			piece = piece[:end]
		}
		if _, err := l.o.To.Write(piece); err != nil {
			return lines, err
		}
		lines = lines[len(piece):]
	}
	return nil, nil
}

// tell counts a failure, and logs the first of several and the end of them.
func (l *Log) tell(err error) {
	l.mu.Lock()
	was := l.failing
	l.failing = err != nil
	l.mu.Unlock()
	if err != nil {
		l.errors.Inc()
	}
	switch {
	case err != nil && !was:
		l.o.Log.Error("audit log: entries cannot be written; they are kept while there is room, reads go on", "err", err)
	case err == nil && was:
		l.o.Log.Warn("audit log: entries are written again", "lost", l.lost.Get())
	}
}

// pause waits before another attempt, and reports false if the log is to end.
func (l *Log) pause() bool {
	timer := time.NewTimer(retryAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.quit:
		return false
	}
}

// Close writes what is pending and closes the output. Entries that come later are lost.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	already := l.closed
	l.closed = true
	l.mu.Unlock()
	if already {
		return nil
	}
	close(l.quit)
	<-l.done
	return l.o.To.Close()
}
