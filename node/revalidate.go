package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"rookery/object"
	"rookery/purge"
)

// How S3 is asked whether a stored version is still its own. A HEAD tells every
// header anew; a conditional GET costs the same, tells nothing but that, and gives
// the new version where there is one. So whoever wants a whole object asks by
// GET, and whoever wants a part of it, or the info alone, by HEAD: what S3 sends of
// a new body before it is closed would be lost.

// questionFor returns how S3 is asked for what is known and cannot be used as it
// is. Without a strong ETag nothing could confirm it: whoever wants its bytes gets
// new ones.
func questionFor(ask *object.Ask, info *object.Info) question {
	switch {
	case ask.HeadOnly:
		return theInfo
	case !info.Strong() && info.Size > 0:
		return onlyBytes
	case ask.Range.Kind == object.Whole && info.Size <= object.ExtentBytes:
		return theWhole
	}
	return theInfo
}

// revalidate asks S3 for what is known and cannot be used as it is. Readers who
// came before a request was sent share it; a client that must have S3's own word is
// not told what another one has heard meanwhile.
func (n *Node) revalidate(ctx context.Context, ask *object.Ask, info *object.Info, w need) (share, error) {
	w.question, w.seen = questionFor(ask, info), info.Validated
	w.now = w.now || ask.Wish != nil && ask.Wish.NoCache
	c, err := n.ask(ctx, ask.Key, w)
	if err == nil && c.headOfUnstrong() && !ask.HeadOnly { // strong until now
		n.letGo(c.call)
		w.question, w.seen = onlyBytes, c.info.Validated
		c, err = n.ask(ctx, ask.Key, w)
	}
	return c, err
}

// failure reports whether an error would be a 5xx to the client (RFC 5861 §4): S3 gave
// no answer, a 5xx, or one that broke its promise.
func failure(err error) bool {
	return err != nil && (temporary(err) || errors.Is(err, object.ErrBroken))
}

// staleIfError reports whether what is known may be used although S3 could not confirm
// it: within the window that the origin or the bucket gives, and not for a client that
// said no-cache.
func staleIfError(ask *object.Ask, k *known, age time.Duration) bool {
	refused := ask.Suspect == k.info.Version || ask.Wish != nil && ask.Wish.NoCache
	return !refused && age < k.life.Fresh+k.life.StaleIfError
}

// forwardStatus is the status with which S3 failed; 0 if it was not asked.
func forwardStatus(err error) int {
	if origin, ok := errors.AsType[*object.OriginError](err); ok && !origin.Unsent {
		return origin.Status
	}
	return 0
}

// confirmable returns the stored info that a call's GET may be made conditional
// with: one whose bytes are held, here or perhaps by a former owner, or the answer
// would be worth nothing. nil if there is none.
func (n *Node) confirmable(c *call, key object.Key) *object.Info {
	if !c.anew() {
		return nil
	}
	info, ok := n.store.Info(key)
	if !ok || !info.Strong() || n.judge(key, &info) == purge.Dead {
		return nil
	}
	held := info.Size == 0 || n.has(key, info.Version, 0, n.floor(key, &info)) ||
		n.flights.begun(versionKey{key.Hash(), info.Version}) || len(n.handOff.former(key, 0)) > 0
	if !held {
		return nil
	}
	return &info
}

// confirmed takes a 304. It renews what is held if it names the same validators;
// otherwise it is not known what S3 has confirmed, and the info is read anew: a copy
// in place changes headers and date, and not the ETag.
func (n *Node) confirmed(c *call, key object.Key, held *object.Info, same *object.NotModified, note object.Note) (err error) {
	info, ok := same.Renew(held)
	if !ok {
		c.info, err = n.head(c, key)
		return err
	}
	info.Note = note
	c.info, c.status = &info, http.StatusNotModified
	n.learn(c, key, &info)
	return nil
}

// refresh lets S3 confirm an info while the stale one is served; one call
// however many readers ask for it. A new version of one chunk is brought at once.
func (n *Node) refresh(ctx context.Context, key object.Key, info *object.Info) {
	w := need{of: n.from(ctx, key), question: theInfo, seen: info.Validated}
	if info.Strong() && info.Size <= object.ChunkBytes {
		w.question = theWhole
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.calls[key.Hash()]; c != nil && !n.over(c, key) {
		return
	}
	if c, err := n.begin(key, w, nil); err == nil {
		c.finish = true
		c.refs-- // nobody waits for it
	}
}

// unstored asks S3 for a client that wants nothing stored: past every call and
// past the store. The answer is for that client alone.
func (n *Node) unstored(ctx context.Context, ask *object.Ask) (known, error) {
	if err := n.gate.enter(); err != nil {
		return known{}, err
	}
	defer n.gate.leave()
	note := n.purges.Note()
	of := n.from(ctx, ask.Key)
	c := &call{refs: 1, whole: !ask.HeadOnly && ask.Range.Kind == object.Whole}
	var err error
	if c.whole {
		if c.bypass, err = n.getWhole(ctx, of, ask.Key, nil); err == nil {
			c.info = c.bypass.Info
		}
	} else {
		of.retries.budget.asked()
		c.info, err = of.Origin.Head(ctx, ask.Key, "")
	}
	switch {
	case ctx.Err() != nil:
		n.letGo(c)
		return known{}, ctx.Err()
	case err != nil:
		return known{}, asOrigin(err)
	}
	c.info.Note = note
	return known{info: c.info, source: object.SourceOrigin, call: c}, nil
}
