package node

import (
	"context"
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

// call is one question to S3 about a key: a HEAD, or a whole GET whose body
// becomes a run. Whoever wants to know the same meanwhile waits for its answer.
type call struct {
	done  chan struct{} // closed when info, run, bypass and err are set
	whole bool          // it is a GET
	now   bool          // it asks S3, whatever is told meanwhile

	info   *object.Info
	err    error
	run    *run    // of a GET whose bytes are kept: the call's own place in it
	bypass *opened // of a GET whose bytes are not for the cache; guarded by Node.mu

	// hold: the info is not in the store (yet), so the call stays joinable until
	// its run has ended. Set before done is closed.
	hold bool
	// sent: S3 has been asked, or a former owner. Who comes after that cannot tell
	// what S3 says now from its answer. Guarded by Node.mu.
	sent bool
	// note was taken before S3 was asked, the last time. Guarded by Node.mu.
	note object.Note
	// handed: S3 was not asked. A former owner has told the info, which may be stale.
	handed bool

	refs int  // who waits, and the goroutine that asks; guarded by Node.mu
	left bool // the call's place in its run was given back; guarded by Node.mu
}

// need is what a reader wants to hear about a key.
type need struct {
	question question
	// seen is when the info was confirmed that the reader found and could not use;
	// zero if it found none.
	seen time.Time
	// now: only what S3 says after the reader came will do. It may have purged
	// without this node's hearing of it.
	now bool
}

// ask returns the answer of the call in progress for the key, or of a new one.
// When the reader has its place in the call's run, or wants none, it lets go of the
// call.
func (n *Node) ask(ctx context.Context, key object.Key, w need) (c *call, joined bool, err error) {
	if err := n.gate.enter(); err != nil {
		return nil, false, err
	}
	defer n.gate.leave()
	came := n.purges.Note()
	for {
		if c, joined, err = n.call(key, w); err != nil {
			return nil, false, err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			n.letGo(c)
			return nil, joined, ctx.Err()
		}
		if c.err != nil {
			n.letGo(c)
			return nil, joined, c.err
		}
		switch {
		case c.handed && !w.seen.IsZero(): // it told what this reader has seen: S3 is still to be asked
		case joined && n.judgeFor(key, c.info, came) >= purge.Suspect: // by a tag, which nobody knew of before
		default:
			return c, joined, nil
		}
		n.letGo(c)
	}
}

// call returns the call in progress for the key, or starts one. The caller lets
// go of it.
func (n *Node) call(key object.Key, w need) (c *call, joined bool, err error) {
	h := key.Hash()
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, joined = n.calls[h]; joined && !n.answers(c, key, w) {
		joined = false
	}
	if !joined {
		if n.ctx.Err() != nil {
			return nil, false, errClosed
		}
		c = &call{done: make(chan struct{}), whole: w.question != theInfo, now: w.now, refs: 1}
		n.calls[h] = c
		n.work.Go(func() { n.answer(c, key, w) })
	}
	c.refs++
	return c, joined, nil
}

// answers reports whether a reader may join the call in progress: one that came
// before S3 was asked, or one that knows of every purge since. Node.mu is held.
func (n *Node) answers(c *call, key object.Key, w need) bool {
	switch {
	case n.over(c, key), w.question == onlyBytes && !c.whole:
		return false
	case !c.sent:
		return c.now || !w.now
	}
	return !w.now && !n.outrun(c, key)
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
	c.sent, c.note = true, n.purges.Note()
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
// place: only then may what it learned become what the node knows.
func (n *Node) stands(c *call, key object.Key) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[key.Hash()] == c
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
func (n *Node) answer(c *call, key object.Key, w need) {
	// The reader looked before this call began. Another one may have ended between
	// the two: its answer is this one's.
	if w.now || !n.toldMeanwhile(c, key, w.seen) && !n.toldByFormer(c, key, w.seen) {
		n.askS3(c, key)
	}
	if !c.hold {
		n.endCall(c, key)
	}
	close(c.done)
	n.letGo(c)
	if c.hold {
		n.flights.outlast(c.run)
		n.endCall(c, key)
	}
}

// toldMeanwhile answers the call with an info that is fresh, and newer than the
// one seen.
func (n *Node) toldMeanwhile(c *call, key object.Key, seen time.Time) bool {
	info, ok := n.store.Info(key)
	if !ok || !info.Validated.After(seen) || n.ttl(&info, n.lifetime(key, &info)) <= 0 || !n.usable(key, &info, c.whole) || n.judge(key, &info) != purge.Alive {
		return false
	}
	c.info = &info
	return true
}

// toldByFormer answers the call with what a former owner of the key knows, where
// this node knows nothing.
func (n *Node) toldByFormer(c *call, key object.Key, seen time.Time) bool {
	if !seen.IsZero() {
		return false
	}
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
		if err == nil || n.retries[key.Bucket].again(n.ctx, failures, err) != nil {
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
	n.retries[key.Bucket].budget.asked()
	note := n.send(c)
	info, err := n.buckets[key.Bucket].Origin.Head(n.ctx, key, "")
	if err != nil {
		return nil, err
	}
	if !info.Strong() {
		info.Version = object.OnlyVersion()
	}
	info.Note = note
	n.learn(c, key, info)
	return info, nil
}

// askWhole starts a GET of the whole object. A body of several extents is not
// read here: every extent has an owner of its own, and a run that starts at it.
func (n *Node) askWhole(c *call, key object.Key) error {
	note := n.send(c)
	o, err := n.getWhole(n.ctx, key)
	if err != nil {
		return err
	}
	info := o.Info
	info.Note = note
	c.info = info
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
	if c.run, err = n.flights.adopt(key, info, o, whole); err != nil {
		return err
	}
	c.hold = !stored
	return nil
}
