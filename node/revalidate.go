package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"rookery/object"
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
func (n *Node) revalidate(ctx context.Context, ask *object.Ask, info *object.Info, by asked) (share, error) {
	by.question, by.seen = questionFor(ask, info), info.Validated
	by.must = by.must || ask.Wish != nil && ask.Wish.NoCache
	c, err := n.ask(ctx, ask.Key, by)
	if err == nil && c.headOfUnstrong() && !ask.HeadOnly { // strong until now
		n.letGo(c.call)
		by.question, by.seen = onlyBytes, c.info.Validated
		c, err = n.ask(ctx, ask.Key, by)
	}
	return c, err
}

// staleIfError uses what is known although S3 could not confirm it, within the
// window that the origin or the bucket gives: where S3 gave no answer, a 5xx or one
// that broke its promise, all of which would be a 5xx to the client (RFC 5861 §4).
// Not for a client that said no-cache.
func (n *Node) staleIfError(ctx context.Context, ask *object.Ask, k known, age time.Duration, err error) (known, error) {
	failed := temporary(err) || errors.Is(err, object.ErrBroken)
	refused := ask.Suspect == k.info.Version || ask.Wish != nil && ask.Wish.NoCache
	if refused || ctx.Err() != nil || !failed || age >= k.life.Fresh+k.life.StaleIfError {
		return known{}, err
	}
	k.outcome = object.Stale
	if origin, ok := errors.AsType[*object.OriginError](err); ok && !origin.Unsent {
		k.status = origin.Status
	}
	return k, nil
}

// confirmable returns the stored info that a call's GET may be made conditional
// with: one whose bytes are held, here or perhaps by a former owner, or the answer
// would be worth nothing. nil if there is none.
func (n *Node) confirmable(c *call, key object.Key) *object.Info {
	if !c.anew() {
		return nil
	}
	info, ok := n.store.Info(key)
	if !ok || !info.Strong() {
		return nil
	}
	held := info.Size == 0 || n.store.Has(key, info.Version, 0) ||
		n.flights.begun(versionKey{key.Hash(), info.Version}) || len(n.handOff.former(key, 0)) > 0
	if !held {
		return nil
	}
	return &info
}

// confirmed takes a 304. It renews what is held if it names the same validators;
// otherwise it is not known what S3 has confirmed, and the info is read anew: a copy
// in place changes headers and date, and not the ETag.
func (n *Node) confirmed(c *call, key object.Key, held *object.Info, same *object.NotModified) (err error) {
	info, ok := same.Renew(held)
	if !ok {
		c.info, err = n.head(c, key)
		return err
	}
	c.info, c.status = &info, http.StatusNotModified
	n.learn(c, key, &info)
	return nil
}

// refresh lets S3 confirm an info while the stale one is served; one call
// however many readers ask for it. A new version of one chunk is brought at once.
func (n *Node) refresh(key object.Key, info *object.Info) {
	by := asked{question: theInfo, seen: info.Validated}
	if info.Strong() && info.Size <= object.ChunkBytes {
		by.question = theWhole
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.calls[key.Hash()]; c != nil && !n.over(c, key) {
		return
	}
	if c, err := n.begin(key, by, nil); err == nil {
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
	c := &call{refs: 1, whole: !ask.HeadOnly && ask.Range.Kind == object.Whole}
	var err error
	if c.whole {
		if c.bypass, err = n.getWhole(ctx, ask.Key, nil); err == nil {
			c.info = c.bypass.Info
		}
	} else {
		n.retries[ask.Key.Bucket].budget.asked()
		c.info, err = n.buckets[ask.Key.Bucket].Origin.Head(ctx, ask.Key, "")
	}
	switch {
	case ctx.Err() != nil:
		n.letGo(c)
		return known{}, ctx.Err()
	case err != nil:
		return known{}, asOrigin(err)
	}
	return known{info: c.info, source: object.SourceOrigin, call: c}, nil
}
