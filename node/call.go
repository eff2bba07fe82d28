package node

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"rookery/object"
)

// call is one question to S3 about a key: a HEAD, or a whole GET whose body
// becomes a run. Whoever wants to know the same meanwhile waits for its answer.
type call struct {
	done chan struct{} // closed when info, run, bypass and err are set

	info   *object.Info
	err    error
	run    *run    // of a GET whose bytes are kept: the call's own place in it
	bypass *opened // of a GET whose bytes are not for the cache; guarded by Node.mu

	// hold: the info is not in the store (yet), so the call stays joinable until
	// its run has ended. Set before done is closed.
	hold bool

	refs int  // who waits, and the goroutine that asks; guarded by Node.mu
	left bool // the call's place in its run was given back; guarded by Node.mu
}

// ask returns the answer of the call in progress for the key, or of a new one:
// a whole GET if whole is set, else a HEAD. When the reader has its place in the
// call's run, or wants none, it lets go of the call.
func (n *Node) ask(ctx context.Context, key object.Key, whole bool) (c *call, joined bool, err error) {
	if c, joined, err = n.call(key, whole); err != nil {
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
	return c, joined, nil
}

// call returns the call in progress for the key, or starts one. The caller lets
// go of it.
func (n *Node) call(key object.Key, whole bool) (c *call, joined bool, err error) {
	h := key.Hash()
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, joined = n.calls[h]; joined && n.over(c) {
		joined = false
	}
	if !joined {
		if n.ctx.Err() != nil {
			return nil, false, errClosed
		}
		c = &call{done: make(chan struct{}), refs: 1}
		n.calls[h] = c
		n.work.Go(func() { n.answer(c, key, whole) })
	}
	c.refs++
	return c, joined, nil
}

// over reports whether the call's GET has ended, so that nothing more comes of it.
func (n *Node) over(c *call) bool {
	select {
	case <-c.done:
		return c.run != nil && n.flights.ended(c.run)
	default:
		return false
	}
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

// answer asks S3 and publishes the outcome. The call stays joinable until the
// outcome can be found elsewhere: in the store or, for a version without a
// strong ETag, until its only GET has ended.
func (n *Node) answer(c *call, key object.Key, whole bool) {
	var err error
	for failures := 1; ; failures++ {
		if whole {
			err = n.askWhole(c, key)
		} else {
			c.info, err = n.head(key)
		}
		if err == nil || failures == maxAttempts || !temporary(err) || n.backOff(failures) != nil {
			break
		}
	}
	if err != nil {
		c.err = asOrigin(err)
		n.remember(key, c.err)
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

// endCall makes room for the key's next call, unless that has begun already.
func (n *Node) endCall(c *call, key object.Key) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := key.Hash(); n.calls[h] == c {
		delete(n.calls, h)
	}
}

// head asks S3 for the info alone, and keeps it.
func (n *Node) head(key object.Key) (*object.Info, error) {
	info, err := n.buckets[key.Bucket].Origin.Head(n.ctx, key, "")
	if err != nil {
		return nil, err
	}
	if !info.Strong() {
		info.Version = object.OnlyVersion()
	}
	n.keepInfo(key, info)
	return info, nil
}

// askWhole starts a GET of the whole object. A body of several extents is not
// read here: every extent has an owner of its own, and a run that starts at it.
func (n *Node) askWhole(c *call, key object.Key) error {
	o, err := n.get(object.Fetch{Key: key})
	if err != nil {
		return err
	}
	info := o.Info
	if info == nil || o.Offset != 0 || o.Length != info.Size || o.Size != info.Size {
		o.close()
		return object.ErrBroken
	}
	if !info.Strong() {
		info.Version = object.OnlyVersion()
	}
	c.info = info
	switch {
	case !n.lifetime(key, info).Keep:
		n.keepInfo(key, info)
		c.bypass = o
		return nil
	case info.Size == 0 || info.Strong() && (info.Size > object.ExtentBytes || n.store.Has(key, info.Version, 0)):
		o.close()
	default:
		if c.run, err = n.flights.adopt(key, info, o); err != nil {
			o.close()
			return err
		}
	}
	stored := (info.Strong() || info.Size == 0) && n.keepInfo(key, info)
	c.hold = c.run != nil && !stored
	return nil
}

// keepInfo stores an info whose origin allows it, in place of what was there,
// and reports whether it could. One that says the same as the stored one only
// renews that.
func (n *Node) keepInfo(key object.Key, info *object.Info) bool {
	n.negatives.forget(key)
	if hot, ok := n.store.Hot(key); ok && hot.Info.Version != info.Version {
		n.store.DropHot(key)
	}
	if !n.lifetime(key, info).Keep {
		n.forget(key, object.Version{})
		return false
	}
	var err error
	if old, ok := n.store.Info(key); ok && sameInfo(&old, info) {
		err = n.store.Renew(key, info.Version, info.Validated)
	} else {
		err = n.store.PutInfo(key, info)
	}
	if err != nil {
		n.log.Debug("info not stored", "key", key.String(), "err", err)
	}
	return err == nil
}

// sameInfo reports whether two infos promise the same but for when they were
// confirmed. Without a strong ETag nothing is the same (RFC 9110 §8.8.1).
func sameInfo(a, b *object.Info) bool {
	return sameVersion(a, b) && a.Note == b.Note && slices.Equal(a.Header, b.Header)
}

// sameVersion reports whether b confirms a: an equal strong ETag and an equal
// Last-Modified.
func sameVersion(a, b *object.Info) bool {
	return a.Strong() && a.Version == b.Version && a.LastModified.Equal(b.LastModified)
}

// forget drops what is known of a version: S3 has another one, or none.
// The zero version means whichever it is.
func (n *Node) forget(key object.Key, v object.Version) {
	if hot, ok := n.store.Hot(key); ok && (v == object.Version{} || hot.Info.Version == v) {
		n.store.DropHot(key)
	}
	if v == (object.Version{}) {
		info, ok := n.store.Info(key)
		if !ok {
			return
		}
		v = info.Version
	}
	if err := n.store.DropInfo(key, v); err != nil {
		n.log.Warn("info not dropped", "key", key.String(), "err", err)
	}
}

// remember notes that S3 has no such object, or does not show it.
func (n *Node) remember(key object.Key, err error) {
	var origin *object.OriginError
	if !errors.As(err, &origin) {
		return
	}
	if origin.Status == http.StatusNotFound || origin.Status == http.StatusForbidden {
		n.forget(key, object.Version{})
		n.negatives.put(key, origin, n.buckets[key.Bucket].Freshness.Negative)
	}
}

func (n *Node) lifetime(key object.Key, info *object.Info) object.Lifetime {
	return n.buckets[key.Bucket].Freshness.Lifetime(info)
}
