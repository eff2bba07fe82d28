package node

import (
	"context"
	"errors"

	"rookery/object"
	"rookery/purge"
)

// run is one GET of consecutive chunks, [next, end), of one version.
type run struct {
	at  versionKey
	of  *bucket // whose S3 is asked
	key object.Key
	pin object.Pin
	// info is set where this node decides it: on the key's owner.
	info *object.Info
	// once: the version has no strong ETag, so this GET is the only one. When its
	// last chunk is stored it calls whole.
	once  bool
	whole func()
	// anew: the first chunk is fetched although the store has it.
	anew bool
	// ahead: it goes on without readers, which are expected.
	ahead bool
	from  int64 // its first chunk
	// floor is the newest purge over the object that its first reader knew of.
	floor object.Note
	// first is a GET that is already open, from chunk next on.
	first *opened

	// Guarded by flights.mu.
	next, end int64 // chunks; a split lowers end
	want      int64 // the farthest chunk any reader has asked for
	readers   int
	cur       *fill // chunk next while it comes
	stored    bool  // the last chunk went into the store
	handed    bool  // a former owner gives what comes now, not S3
	// note is what its chunks are noted with: taken before S3 was asked.
	note object.Note
	err  error // why it ended before end
	done bool
	wake chan struct{} // closed and replaced when any of these changes
}

// dead reports whether what the run brings is dead under a floor: such a run is
// nobody's to join who knows of the floor. flights.mu is held.
func (r *run) dead(floor object.Note) bool { return purge.DeadUnder(r.note, floor) }

// changed wakes whoever waits on the run. flights.mu is held.
func (r *run) changed() {
	close(r.wake)
	r.wake = make(chan struct{})
}

// leave gives back a reader's place in a run.
func (f *flights) leave(r *run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.readers--
	if r.readers == 0 {
		r.changed()
	}
}

// await waits until the run's chunk c can be read. It returns its fill, or nil
// when the run has passed it (look into the store, then ask again), or why the
// run ended without it. The chunk counts as wanted from now on.
func (f *flights) await(ctx context.Context, r *run, c int64) (*fill, error) {
	for {
		f.mu.Lock()
		if c > r.want {
			r.want = c
			r.changed()
		}
		cur, passed, gone, err := r.cur, c < r.next, c >= r.end || r.done, r.err
		wake := r.wake
		f.mu.Unlock()
		switch {
		case passed:
			return nil, nil
		case err != nil:
			return nil, err
		case gone:
			return nil, nil
		case cur != nil && cur.chunk == c:
			return cur, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// outlast waits until the run has ended.
func (f *flights) outlast(r *run) {
	for {
		f.mu.Lock()
		done, wake := r.done, r.wake
		f.mu.Unlock()
		if done {
			return
		}
		<-wake
	}
}

// handed reports whether what the run brings now comes from a former owner.
func (f *flights) handed(r *run) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return r.handed
}

func (f *flights) ended(r *run) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return r.done
}

// failed returns why a run ended before its first chunk came; nil if it did not.
func (f *flights) failed(r *run) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.done && r.next == r.from {
		return r.err
	}
	return nil
}

// finish takes the run out of the table and tells its readers.
func (f *flights) finish(r *run, err error) {
	if errors.Is(err, object.ErrGone) {
		f.node.forget(r.key, r.pin.Version)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.done, r.err = true, err
	if r.cur != nil {
		r.cur.fail(err)
		r.cur = nil
	}
	runs := f.byVersion[r.at]
	for i := range runs {
		if runs[i] == r {
			runs = append(runs[:i:i], runs[i+1:]...)
			break
		}
	}
	if len(runs) == 0 {
		delete(f.byVersion, r.at)
	} else {
		f.byVersion[r.at] = runs
	}
	f.running--
	if r.ahead {
		f.aheads--
	}
	r.changed()
}
