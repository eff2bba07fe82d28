package node

import (
	"sync"

	"golang.org/x/sync/semaphore"

	"rookery/object"
)

// farAhead is how many chunks a reader may be ahead of a run's head before it
// is cheaper to split the run than to wait (DESIGN: 8 MiB).
const farAhead = 8

type versionKey struct {
	key     object.Hash
	version object.Version
}

// flights is the table of runs: for every version of an object, the GETs from
// S3 that are in progress. A reader that wants a chunk joins the run that will
// bring it, or starts one.
type flights struct {
	node        *Node
	budget      *semaphore.Weighted // bytes of chunk buffers, over the whole node
	maxBytes    int64               // of the budget
	finishBytes int64
	buffers     sync.Pool // of *[object.ChunkBytes]byte

	mu        sync.Mutex // guards all below, and the fields of runs that say so
	byVersion map[versionKey][]*run
	recent    recent
	running   int
	aheads    int   // of them, those that read ahead
	held      int64 // bytes of the budget in use
}

// want is what a reader lacks of one version: the chunks [from, to).
type want struct {
	of       *bucket
	key      object.Key
	info     *object.Info // may be nil
	pin      object.Pin
	from, to int64
	floor    object.Note // what was noted below it is dead to the reader
	// anew: the store has chunk from, and cannot read it.
	anew bool
}

// join returns the run that brings the first chunk that is wanted, and whether
// it was there before. If there is none it starts one, as far as more is wanted
// and neither stored nor brought by another run. Without a run and an error the
// chunk has just come: look into the store again. The caller leaves the run when
// it needs no more of it.
func (f *flights) join(w want) (r *run, joined bool, err error) {
	at := versionKey{w.key.Hash(), w.pin.Version}
	f.mu.Lock()
	r, passed, end := f.covering(at, w.floor, w.from), f.passed(at, w.floor, w.from), f.before(at, w.floor, w.from, w.to)
	kept := f.recent.get(at, w.from, w.floor) != nil
	f.mu.Unlock()
	switch {
	case r != nil:
		return r, true, nil
	case kept: // it came, and could not be stored, since the reader looked
		return nil, false, nil
	case !w.anew && f.node.canOpen(w.key, w.pin.Version, w.from, w.floor):
		return nil, false, nil
	case !w.pin.Strong(): // its only GET has ended, or has passed us
		f.node.forget(w.key, w.pin.Version)
		return nil, false, object.ErrGone
	}
	end = f.runEnd(w, end)

	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.covering(at, w.floor, w.from); r != nil { // another reader was quicker
		return r, true, nil
	}
	if !passed && f.passed(at, w.floor, w.from) {
		return nil, false, nil // a run came and went by since we looked
	}
	r, err = f.start(&run{
		at: at, of: w.of, key: w.key, pin: w.pin, info: w.info, floor: w.floor, anew: w.anew,
		from: w.from, next: w.from, end: f.before(at, w.floor, w.from, end), readers: 1,
	})
	return r, false, err
}

// adopt gives the caller a place in a run of the whole object: one that has just
// begun, or a new one made of a GET that is already open. It takes the GET over.
func (f *flights) adopt(of *bucket, key object.Key, info *object.Info, first *opened, whole func()) (*run, error) {
	at, floor := versionKey{key.Hash(), info.Version}, f.node.floor(key, info)
	f.mu.Lock()
	r := f.covering(at, floor, 0)
	var err error
	if r == nil {
		r, err = f.start(&run{
			at: at, of: of, key: key, pin: info.Pin(), info: info, floor: floor, note: info.Note, once: !info.Strong(), whole: whole,
			first: first, end: object.Chunks(info.Size), readers: 1,
		})
	}
	f.mu.Unlock()
	if r == nil || r.first != first {
		first.close()
	}
	return r, err
}

// start puts the run into the table and on its way. flights.mu is held.
func (f *flights) start(r *run) (*run, error) {
	if f.node.ctx.Err() != nil {
		return nil, errClosed
	}
	if r.first == nil {
		r.note = f.node.purges.Note()
	}
	r.wake, r.want, r.stored = make(chan struct{}), r.next, true
	f.byVersion[r.at] = append(f.byVersion[r.at], r)
	f.running++
	f.node.work.Go(func() {
		err := f.fetch(r)
		f.finish(r, err)
	})
	return r, nil
}

// covering returns the run that will bring chunk c soon enough, with a place in
// it for the caller. A run whose head is far behind c is split there: the reader
// starts its own, and the run ends where that begins. flights.mu is held.
func (f *flights) covering(at versionKey, floor object.Note, c int64) *run {
	for _, r := range f.byVersion[at] {
		if r.done || c < r.next || c >= r.end || r.dead(floor) {
			continue
		}
		if c-r.next > farAhead && !r.once {
			r.end = c
			continue
		}
		r.readers++
		return r
	}
	return nil
}

// passed reports whether a run in progress has brought chunk c already.
// flights.mu is held.
func (f *flights) passed(at versionKey, floor object.Note, c int64) bool {
	for _, r := range f.byVersion[at] {
		if r.from <= c && c < r.next && !r.dead(floor) {
			return true
		}
	}
	return false
}

// begun reports whether a run in progress brings the first chunk, or has.
func (f *flights) begun(at versionKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.byVersion[at] {
		if r.from == 0 {
			return true
		}
	}
	return false
}

// before returns the first chunk behind c that a run in progress will bring, at
// most end. flights.mu is held.
func (f *flights) before(at versionKey, floor object.Note, c, end int64) int64 {
	for _, r := range f.byVersion[at] {
		if r.next > c && !r.done && !r.dead(floor) {
			end = min(end, r.next)
		}
	}
	return max(end, c+1)
}

// runEnd returns where a run from w.from on has to end: at what is wanted, at the
// extent's end, and before the first chunk that is stored already.
func (f *flights) runEnd(w want, wanted int64) int64 {
	c := w.from
	end := min(wanted, (c/object.ExtentChunks+1)*object.ExtentChunks, object.Chunks(w.pin.Size))
	for n := c + 1; n < end; n++ {
		if f.node.has(w.key, w.pin.Version, n, w.floor) {
			return n
		}
	}
	return max(end, c+1)
}

// attach gives a reader of chunks [from, to) a place in a run that will bring
// some of them, so that the run goes on although the reader is behind it. It
// returns nil if there is none.
func (f *flights) attach(at versionKey, floor object.Note, from, to int64) *run {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.byVersion[at] {
		if !r.done && r.next < to && r.end > from && !r.dead(floor) {
			r.readers++
			return r
		}
	}
	return nil
}

// kept returns a chunk that could not be stored and is still in memory, and alive
// under the floor.
func (f *flights) kept(at versionKey, c int64, floor object.Note) *fill {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recent.get(at, c, floor)
}

func (f *flights) load() (count int, bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running, f.held
}
