package node

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"rookery/object"
	"rookery/purge"
)

// question is what a reader wants of S3.
type question uint8

const (
	// theInfo is asked by a HEAD.
	theInfo question = iota
	// theWhole is asked by a GET; a HEAD on its way will do as well.
	theWhole
	// onlyBytes is asked by a GET, even if a HEAD is on its way: what that says of
	// a version without a strong ETag helps no reader of its bytes.
	onlyBytes
)

// need is what a reader wants to hear about a key.
type need struct {
	of       *bucket // whose S3 is asked: that of the call's first reader
	question question
	// arrived is the moment before which the reader came; see moment.
	arrived uint64
	// seen is when the info was confirmed that the reader found and could not use;
	// zero if it found none.
	seen time.Time
	// now: only what S3 says after the reader came will do, whatever others have been
	// told: a purge may have come without this node's hearing of it, or the client
	// says so.
	now bool
}

// moment counts what is sent to S3, so that it can be told whether a reader came
// before a request was sent: the clock would not tell, and readers take their time
// on the way to their call. Moment 1 is before all.
type moment struct{ sent atomic.Uint64 }

func (m *moment) now() uint64  { return m.sent.Load() + 1 }
func (m *moment) next() uint64 { return m.sent.Add(1) + 1 }

// anew reports whether the reader needs an answer to a request that is yet to be
// sent: what it has found is too old, and what S3 says to an older request may be.
func (w *need) anew() bool { return w.now || !w.seen.IsZero() }

// call is one question to S3 about a key: a HEAD, or a whole GET whose body
// becomes a run. Whoever wants to know the same meanwhile waits for its answer.
// Who needs one that is asked from now on joins until it is sent, and shares the
// next call after that.
type call struct {
	done  chan struct{} // closed when info, run, bypass, status and err are set
	prev  *call         // the call before it, whose answer is awaited first; nil if none
	whole bool          // it is a GET. Guarded by Node.mu until sent

	info   *object.Info
	err    error
	status int     // S3's to a revalidation, 304 or 200; 0 if it was none
	run    *run    // of a GET whose bytes are kept: the call's own place in it
	bypass *opened // of a GET whose bytes are not for the cache; guarded by Node.mu

	// hold: the info is not in the store (yet), so the call stays joinable until
	// its run has ended. Set before done is closed.
	hold bool
	// handed: S3 was not asked. A former owner has told the info, which may be stale.
	handed bool
	// finish: nobody waits for its run, which brings all of a small object even so.
	// Guarded by Node.mu until sent.
	finish bool

	// Guarded by Node.mu:
	need // of all who joined before it was sent
	// sent is the moment after which S3 was asked, or a former owner; 1 if neither was;
	// 0 until then.
	sent uint64
	note object.Note // taken before S3 was asked, the last time
	refs int         // who waits, and the goroutine that asks
	left bool        // the call's place in its run was given back
}

// share is a reader's part in a call.
type share struct {
	*call
	joined bool // another reader began it
	late   bool // it had been sent before the reader came
}

// ask returns the answer of the call in progress for the key, or of a new one.
// When the reader has its place in the call's run, or wants none, it lets go of
// the call.
func (n *Node) ask(ctx context.Context, key object.Key, w need) (share, error) {
	if err := n.gate.enter(); err != nil {
		return share{}, err
	}
	defer n.gate.leave()
	w.of = n.from(ctx, key)
	came := n.purges.Note()
	for {
		c, err := n.call(key, w)
		if err != nil {
			return share{}, err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			n.letGo(c.call)
			return share{}, ctx.Err()
		}
		if c.err != nil {
			n.letGo(c.call)
			return share{}, c.err
		}
		switch {
		case c.handed && w.anew(): // it told what this reader has seen: S3 is still to be asked
		case c.joined && n.judgeFor(key, c.info, came) >= purge.Suspect: // by a tag, which nobody knew of before
		default:
			return c, nil
		}
		n.letGo(c.call)
	}
}

// call gives a part in the call in progress for the key, or in a new one. The
// caller lets go of it.
func (n *Node) call(key object.Key, w need) (share, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.calls[key.Hash()]
	switch {
	case c == nil, n.over(c, key), w.question == onlyBytes && !c.whole:
		return n.begin(key, w, nil)
	case c.sent == 0:
		c.whole = c.whole || w.question != theInfo
		c.now = c.now || w.now
		if w.seen.After(c.seen) {
			c.seen = w.seen
		}
	case n.outrun(c, key):
		return n.begin(key, w, nil)
	case w.anew() && c.sent <= w.arrived:
		return n.begin(key, w, c)
	}
	c.refs++
	return share{call: c, joined: true, late: c.sent != 0 && c.sent <= w.arrived}, nil
}

// begin starts a call that waits for prev, if that is not nil. Node.mu is held.
func (n *Node) begin(key object.Key, w need, prev *call) (share, error) {
	if n.ctx.Err() != nil {
		return share{}, errClosed
	}
	c := &call{done: make(chan struct{}), prev: prev, whole: w.question != theInfo, need: w, refs: 2}
	n.calls[key.Hash()] = c
	n.work.Go(func() { n.answer(c, key) })
	return share{call: c}, nil
}

// outrun reports whether a purge over the key is newer than the call, or may be:
// its floor is forgotten, or the call is from another council's time. Node.mu is held.
func (n *Node) outrun(c *call, key object.Key) bool {
	select {
	case <-c.done:
		if c.info != nil { // whose tags are known
			return n.judge(key, c.info) >= purge.Suspect
		}
	default:
	}
	return n.purges.Judge(key, nil, c.note) >= purge.Suspect
}

// send notes that S3 is asked now, and which purges are known before it is.
func (n *Node) send(c *call) object.Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.sent, c.note = n.moment.next(), n.purges.Note()
	return c.note
}

// over reports whether nothing more comes of the call: its GET has ended, or has
// taken so long that what it told is stale.
func (n *Node) over(c *call, key object.Key) bool {
	select {
	case <-c.done:
		return c.run != nil && (n.flights.ended(c.run) || n.ttl(c.info, n.lifetime(key, c.info)) <= 0)
	default:
		return false
	}
}

// stands reports whether no later question about the key has taken the call's
// place: only then may what it learned become what the node knows. One that waits
// for this very answer has not.
func (n *Node) stands(c *call, key object.Key) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.calls[key.Hash()]
	return now == c || now != nil && now.prev == c
}

// letGo gives back one reference to a call. When the first have all gone, its
// place in the run goes too (later readers take places of their own), and a body
// that nobody took is closed.
func (n *Node) letGo(c *call) {
	n.mu.Lock()
	c.refs--
	last := c.refs == 0 && !c.left
	c.left = c.left || last
	bypass := c.bypass
	if last {
		c.bypass = nil
	}
	n.mu.Unlock()
	if !last {
		return
	}
	if c.run != nil {
		n.flights.leave(c.run)
	}
	if bypass != nil {
		bypass.close()
	}
}

// takeBypass gives the body that is not for the cache to its first taker.
func (n *Node) takeBypass(c *call) *opened {
	n.mu.Lock()
	defer n.mu.Unlock()
	body := c.bypass
	c.bypass = nil
	return body
}

// answer publishes what S3 says. The call stays joinable until the outcome can be
// found elsewhere: in the store or, for a version without a strong ETag, until
// its only GET has ended.
func (n *Node) answer(c *call, key object.Key) {
	if c.prev != nil {
		<-c.prev.done
	}
	if !n.toldBefore(c, key) {
		n.askS3(c, key)
	}
	if !c.hold {
		n.endCall(c, key)
	}
	close(c.done)
	if c.finish && c.run != nil && c.info.Size <= object.ChunkBytes {
		n.flights.outlast(c.run)
	}
	n.letGo(c)
	if c.hold {
		n.flights.outlast(c.run)
		n.endCall(c, key)
	}
}

// toldBefore answers the call without S3 if that can be: by the call before it,
// by one that ended between its first reader's look and its beginning, or by a
// former owner. Whoever comes from now on has not been there before.
func (n *Node) toldBefore(c *call, key object.Key) bool {
	n.mu.Lock()
	w, whole := c.need, c.whole
	n.mu.Unlock()
	told := c.prev != nil && n.toldByPrevious(c, key) || n.toldMeanwhile(c, key, w.seen, whole) || !w.anew() && n.toldByFormer(c, key)
	n.mu.Lock()
	defer n.mu.Unlock()
	c.prev = nil
	if told && !c.now && (c.err != nil || c.handed || whole == c.whole && c.info.Validated.After(c.seen)) {
		c.sent = 1
		return true
	}
	c.sent, c.note = n.moment.next(), n.purges.Note()
	c.info, c.err, c.handed = nil, nil, false
	return false
}

// toldByPrevious answers the call with what the one before it has met: S3 that
// does not answer, or the key's absence, as long as that is remembered.
func (n *Node) toldByPrevious(c *call, key object.Key) bool {
	if err, note := n.negatives.get(key); err != nil && n.purges.Judge(key, nil, note) == purge.Alive {
		c.err = err
	} else if err := c.prev.err; err != nil && temporary(err) {
		c.err = err
	}
	return c.err != nil
}

// toldMeanwhile answers the call with an info that is fresh, and newer than the
// one seen, with all of the bytes if the whole is asked for.
func (n *Node) toldMeanwhile(c *call, key object.Key, seen time.Time, whole bool) bool {
	info, ok := n.store.Info(key)
	if !ok || !info.Validated.After(seen) || n.ttl(&info, n.lifetime(key, &info)) <= 0 || !n.usable(key, &info, whole) || n.judge(key, &info) != purge.Alive {
		return false
	}
	c.info = &info
	return true
}

// toldByFormer answers the call with what a former owner of the key knows, where
// this node knows nothing.
func (n *Node) toldByFormer(c *call, key object.Key) bool {
	if _, ok := n.store.Info(key); ok {
		return false
	}
	n.send(c)
	c.info = n.handOff.info(key)
	c.handed = c.info != nil
	if c.handed && n.stands(c, key) {
		n.keepInfo(key, c.info)
	}
	return c.handed
}

// askS3 asks until there is an answer, or no hope for one.
func (n *Node) askS3(c *call, key object.Key) {
	var err error
	for failures := 1; ; failures++ {
		if c.whole {
			err = n.askWhole(c, key)
		} else {
			c.info, err = n.head(c, key)
		}
		if err == nil || c.of.retries.again(n.ctx, failures, err) != nil {
			break
		}
	}
	if err == nil {
		return
	}
	c.err = asOrigin(err)
	if n.stands(c, key) {
		n.remember(key, c.err, c.note)
	}
}

// endCall makes room for the key's next call, unless that has begun already.
// nil is no call.
func (n *Node) endCall(c *call, key object.Key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := key.Hash(); n.calls[h] == c {
		delete(n.calls, h)
	}
}

// head asks S3 for the info alone, and keeps it.
func (n *Node) head(c *call, key object.Key) (*object.Info, error) {
	c.of.retries.budget.asked()
	note := n.send(c)
	info, err := c.of.Origin.Head(n.ctx, key, "")
	if err != nil {
		return nil, err
	}
	c.status = http.StatusOK
	if !info.Strong() {
		info.Version = object.OnlyVersion()
	}
	info.Note = note
	n.learn(c, key, info)
	return info, nil
}

// askWhole starts a GET of the whole object, if it is another one than what is
// held. A body of several extents is not read here: every extent has an owner of
// its own, and a run that starts at it.
func (n *Node) askWhole(c *call, key object.Key) error {
	held := n.confirmable(c, key)
	note := n.send(c)
	o, err := n.getWhole(n.ctx, c.of, key, held)
	if same, ok := errors.AsType[*object.NotModified](err); ok {
		return n.confirmed(c, key, held, same, note)
	}
	if err != nil {
		return err
	}
	info := o.Info
	info.Note = note
	c.info, c.status = info, http.StatusOK
	switch {
	case !n.lifetime(key, info).Keep:
		n.learn(c, key, info)
		c.bypass = o
		return nil
	case info.Size == 0 || info.Strong() && (info.Size > object.ExtentBytes || n.has(key, info.Version, 0, n.floor(key, info))):
		o.close()
		n.learn(c, key, info)
		return nil
	}
	stored := info.Strong() && n.learn(c, key, info)
	whole := func() { n.learn(c, key, info) }
	if c.run, err = n.flights.adopt(c.of, key, info, o, whole); err != nil {
		return err
	}
	c.hold = !stored
	return nil
}
