package node

import (
	"bytes"
	"errors"
	"fmt"

	"rookery/object"
	"rookery/purge"
	"rookery/store"
)

// fetch brings a run's chunks from S3, one after the other, into the store and
// to whoever waits. It runs on the node's context: no reader's leaving ends it.
func (f *flights) fetch(r *run) error {
	s := &stream{flights: f, run: r, offset: r.next * object.ChunkBytes, body: r.first, end: r.pin.Size}
	defer s.close()
	if r.first == nil && !r.anew && f.node.canOpen(r.key, r.pin.Version, r.next, r.floor) {
		return nil // it was stored between the reader's look and our start
	}
	for {
		c, more := f.more(r)
		if !more {
			return nil
		}
		if err := f.fetchChunk(s, c); err != nil {
			return err
		}
	}
}

// more returns the run's next chunk. A run ends early when nobody reads it and
// much is left, or, if it reads ahead, when memory is short. While nothing can be stored it waits until a reader wants more:
// bytes fetched ahead would be lost.
func (f *flights) more(r *run) (chunk int64, more bool) {
	for {
		f.mu.Lock()
		left := min(r.end*object.ChunkBytes, r.pin.Size) - r.next*object.ChunkBytes
		goesOn := left <= f.finishBytes || r.ahead && f.held <= f.maxBytes/2
		if r.readers == 0 && (!goesOn || !r.stored) {
			r.end = min(r.end, r.next)
		}
		next, wake := r.next, r.wake
		ended, wait := r.next >= r.end, !r.stored && r.want < r.next
		f.mu.Unlock()
		if ended {
			return 0, false
		}
		if !wait {
			return next, true
		}
		select {
		case <-wake:
		case <-f.node.ctx.Done():
			return 0, false
		}
	}
}

// readStep is how much of a chunk is read before its readers are woken.
const readStep = 128 << 10

func (f *flights) fetchChunk(s *stream, c int64) error {
	r := s.run
	fl, err := f.newFill(c, object.ChunkLen(r.pin.Size, c))
	if err != nil {
		return err
	}
	f.mu.Lock()
	r.cur = fl
	r.changed()
	f.mu.Unlock()
	for have := 0; have < len(fl.buf); {
		n, err := s.read(fl.buf[have:min(have+readStep, len(fl.buf))])
		if err != nil {
			f.giveUp(fl)
			return err
		}
		have += n
		fl.grow(n)
	}
	f.keep(r, fl)
	return nil
}

// errPurged says that a purge has come while S3 was answering.
var errPurged = errors.New("purged meanwhile")

// put stores a chunk, unless a purge is over it by now: it could take the place of one
// that is alive. Without a strong ETag there is no other of its version, and those who
// came before the purge can have it nowhere else; to all others its note makes it dead.
func (f *flights) put(r *run, fl *fill) error {
	if !r.once && purge.DeadUnder(fl.note, f.node.floor(r.key, r.info)) {
		return errPurged
	}
	return f.node.store.PutChunk(r.key, r.pin.Version, r.pin.Size, fl.chunk, fl.note, fl.buf)
}

// keep puts a whole chunk into the store and gives its buffer back.
func (f *flights) keep(r *run, fl *fill) {
	n := f.node
	f.mu.Lock()
	fl.note = r.note
	f.mu.Unlock()
	err := f.put(r, fl)
	if r.once && err == nil && fl.chunk+1 == object.Chunks(r.pin.Size) {
		r.whole()
	}
	if r.info != nil && r.pin.Size <= store.HotMax && n.owns(r.key, 0) {
		n.putHot(r.key, r.info, bytes.Clone(fl.buf))
	}
	out := []*fill{fl}
	f.mu.Lock()
	r.next, r.cur = r.next+1, nil
	if r.stored = err == nil; !r.stored {
		out = f.recent.put(r.at, fl)
	}
	r.changed()
	f.mu.Unlock()
	for _, fl := range out {
		f.free(fl)
	}
}

// newFill reserves a whole chunk's bytes before any of it is read; nobody waits
// while holding part of one.
func (f *flights) newFill(c int64, length int) (*fill, error) {
	if err := f.budget.Acquire(f.node.ctx, int64(length)); err != nil {
		return nil, errClosed
	}
	f.mu.Lock()
	f.held += int64(length)
	f.mu.Unlock()
	if length < object.ChunkBytes/2 {
		return &fill{chunk: c, buf: make([]byte, length)}, nil
	}
	buf, ok := f.buffers.Get().(*[object.ChunkBytes]byte)
	if !ok {
		buf = new([object.ChunkBytes]byte)
	}
	return &fill{chunk: c, buf: buf[:length]}, nil
}

// free takes the fill's buffer back into the budget and the pool.
func (f *flights) free(fl *fill) {
	buf := fl.release()
	f.unreserve(len(buf))
	if cap(buf) >= object.ChunkBytes {
		f.buffers.Put((*[object.ChunkBytes]byte)(buf[:object.ChunkBytes]))
	}
}

// giveUp ends a fill that will not be whole. Its readers may still copy what
// came, so the buffer is left to the garbage collector.
func (f *flights) giveUp(fl *fill) { f.unreserve(len(fl.buf)) }

func (f *flights) unreserve(length int) {
	f.budget.Release(int64(length))
	f.mu.Lock()
	f.held -= int64(length)
	f.mu.Unlock()
}

// stream is a run's bytes in order: what a former owner holds of them, then as
// many GETs as it takes. A body that breaks is resumed at its next byte with Range
// and If-Match, unless the version has no strong ETag.
type stream struct {
	flights  *flights
	run      *run
	offset   int64 // of the next byte
	body     *opened
	end      int64 // where body ends
	asked    bool  // former owners have been asked
	handed   bool  // body is one's
	came     int64 // bytes since the last failure
	failures int   // since a chunk's worth of bytes came without one
}

func (s *stream) close() {
	if s.body != nil {
		s.body.close()
		s.body = nil
	}
}

// read gives at least one byte, or why there will be none.
func (s *stream) read(p []byte) (int, error) {
	for {
		n, err := s.try(p)
		if n > 0 {
			s.offset += int64(n)
			if s.handed {
				s.run.of.count.handedBytes.Add(n)
			}
			if s.came += int64(n); s.came >= object.ChunkBytes {
				s.failures = 0
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		s.close()
		if err := s.again(err); err != nil {
			return 0, err
		}
	}
}

// try reads once from the body that is open, or from a new one.
func (s *stream) try(p []byte) (int, error) {
	if s.offset == s.end {
		s.close()
	}
	if s.body == nil {
		if err := s.open(); err != nil {
			return 0, err
		}
	}
	n, err := s.body.Body.Read(p[:min(int64(len(p)), s.end-s.offset)])
	if n == 0 && err != nil && s.handed {
		s.close() // S3 has the rest
		return 0, nil
	}
	if n == 0 && err != nil {
		return 0, fmt.Errorf("body of %s broke off at byte %d: %w", s.run.key, s.offset, err)
	}
	return n, nil
}

// open starts what gives the rest of the run, or as much of it as a former owner
// holds.
func (s *stream) open() (err error) {
	f, r := s.flights, s.run
	f.mu.Lock()
	s.end = min(r.end*object.ChunkBytes, r.pin.Size)
	f.mu.Unlock()
	if !s.asked {
		s.asked = true
		if o, end := f.node.handOff.body(r.key, r.pin, r.floor, s.offset, s.end); o != nil {
			s.body, s.end = o, end
			s.from(true)
			return nil
		}
	}
	s.from(false)
	s.body, err = f.node.getPart(f.node.ctx, r.of, object.Fetch{Key: r.key, From: s.offset, To: s.end}, r.pin)
	return err
}

// from notes whether a former owner gives what comes now, or S3.
func (s *stream) from(former bool) {
	s.handed = former
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	s.run.handed = former
	if former { // noted there, not below the floor
		s.run.note = lower(s.run.floor, s.run.note)
	}
}

// again waits before another attempt, or returns why there is none.
func (s *stream) again(err error) error {
	s.failures, s.came = s.failures+1, 0
	if !s.run.once {
		err = s.run.of.retries.again(s.flights.node.ctx, s.failures, err)
	}
	return asOrigin(err)
}
