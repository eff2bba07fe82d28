package node

import (
	"context"
	"sync"

	"rookery/object"
	"rookery/purge"
)

// fill is one chunk on its way from S3: a buffer that grows, and readers that
// copy out of it. Its buffer goes back as soon as the chunk is stored; a reader
// that has not finished by then finds the rest in the store, so a slow reader
// holds no memory.
type fill struct {
	chunk int64
	note  object.Note // of a chunk that could not be stored

	mu   sync.Mutex
	buf  []byte // the chunk's full length; nil once it is given back
	n    int    // bytes that have come
	err  error
	wake chan struct{} // made by who waits, closed by what happens
}

func (f *fill) signal() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// grow tells that n more bytes have come.
func (f *fill) grow(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += n
	f.signal()
}

// fail ends the fill before it is whole.
func (f *fill) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.signal()
}

// release takes the buffer back. Readers are told to look elsewhere.
func (f *fill) release() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	buf := f.buf
	f.buf = nil
	f.signal()
	return buf
}

// ready waits until the byte at offset off has come. gone means that the buffer
// was given back: look elsewhere.
func (f *fill) ready(ctx context.Context, off int) (gone bool, err error) {
	for {
		f.mu.Lock()
		switch {
		case f.buf == nil:
			f.mu.Unlock()
			return true, nil
		case off < f.n:
			f.mu.Unlock()
			return false, nil
		case f.err != nil:
			defer f.mu.Unlock()
			return false, f.err
		}
		if f.wake == nil {
			f.wake = make(chan struct{})
		}
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// copyTo copies what has come from offset off on into p; 0 means that the
// buffer is gone or has nothing there yet.
func (f *fill) copyTo(p []byte, off int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= f.n || f.buf == nil {
		return 0
	}
	return copy(p, f.buf[off:f.n])
}

// recent keeps the newest chunks that could not be stored, so that readers who
// are a little behind need no fetch of their own. Bounded in bytes; not safe
// for concurrent use.
type recent struct {
	max, used int64
	fifo      []recentChunk
}

type recentChunk struct {
	at   versionKey
	fill *fill
}

// put keeps the fill and returns those that had to go.
func (r *recent) put(at versionKey, f *fill) (out []*fill) {
	r.fifo = append(r.fifo, recentChunk{at, f})
	r.used += int64(f.n)
	for r.used > r.max && len(r.fifo) > 0 {
		out = append(out, r.fifo[0].fill)
		r.used -= int64(r.fifo[0].fill.n)
		r.fifo = r.fifo[1:]
	}
	return out
}

// get returns a chunk that is alive under the floor, or nil.
func (r *recent) get(at versionKey, c int64, floor object.Note) *fill {
	for _, e := range r.fifo {
		if e.at == at && e.fill.chunk == c && !purge.DeadUnder(e.fill.note, floor) {
			return e.fill
		}
	}
	return nil
}
