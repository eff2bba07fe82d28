package node

import (
	"context"
	"errors"
	"time"

	"rookery/object"
	"rookery/purge"
)

// known is what this node, as the key's owner, says of an object now.
type known struct {
	info      *object.Info
	life      object.Lifetime
	outcome   object.Outcome
	source    object.Source // where the info came from
	collapsed bool
	call      *call // the call that told it; the reader lets go of it. nil if none
}

// lookup finds the object's info: stored (here, or by a former owner) and fresh,
// stored and confirmed by S3, or new from S3. Only the key's owner, or who stands in for it, decides this.
func (n *Node) lookup(ctx context.Context, ask *object.Ask) (known, error) {
	leased := n.leased(ask.Key.Bucket)
	if info, ok := n.store.Info(ask.Key); ok && n.judge(ask.Key, &info) != purge.Dead && n.usable(ask.Key, &info, !ask.HeadOnly) {
		return n.current(ctx, ask, &info, leased)
	}
	if err, note := n.negatives.get(ask.Key); err != nil && leased && n.purges.Judge(ask.Key, nil, note) == purge.Alive {
		return known{}, err
	}
	if ask.OnlyIfHave {
		return known{}, object.ErrNotHeld
	}
	q := theInfo
	if !ask.HeadOnly && ask.Range.Kind == object.Whole {
		q = theWhole
	}
	c, joined, err := n.ask(ctx, ask.Key, need{question: q, now: !leased})
	if err == nil && c.handed {
		n.letGo(c)
		return n.current(ctx, ask, c.info, leased)
	}
	if err == nil && c.headOfUnstrong() && !ask.HeadOnly && n.lifetime(ask.Key, c.info).Keep {
		n.letGo(c)
		c, joined, err = n.ask(ctx, ask.Key, need{question: onlyBytes, now: !leased})
	}
	if err != nil {
		return known{}, err
	}
	return known{
		info: c.info, life: n.lifetime(ask.Key, c.info),
		outcome: object.Miss, source: object.SourceOrigin, collapsed: joined, call: c,
	}, nil
}

// headOfUnstrong reports whether the call was a HEAD of a version without a
// strong ETag.
func (c *call) headOfUnstrong() bool {
	return !c.whole && !c.info.Strong() && c.info.Size > 0
}

// usable reports whether a stored info can answer a reader, of bytes perhaps.
// Without a strong ETag it can only as long as all its bytes are there too.
func (n *Node) usable(key object.Key, info *object.Info, bytes bool) bool {
	if info.Strong() || !bytes {
		return true
	}
	floor := n.floor(key, info)
	for c := range object.Chunks(info.Size) {
		if !n.has(key, info.Version, c, floor) {
			return false
		}
	}
	return true
}

// current decides whether a stored info may be used: fresh, or stale within the
// windows of RFC 5861, or confirmed by S3 with a HEAD (which gives all headers
// anew, at the price of a 304). Without a strong ETag no HEAD could confirm it:
// whoever wants its bytes gets new ones. Nothing leaves before S3 has confirmed it
// where this node holds no lease, and may have missed a purge.
func (n *Node) current(ctx context.Context, ask *object.Ask, info *object.Info, leased bool) (known, error) {
	k := known{info: info, life: n.lifetime(ask.Key, info), outcome: object.Hit, source: object.SourceDisk}
	age := n.now().Sub(info.Validated)
	verdict := n.judge(ask.Key, info)
	if verdict == purge.Stale {
		age = max(age, k.life.Fresh)
	}
	unsure := !leased || verdict == purge.Suspect
	suspect := unsure || ask.Suspect == info.Version
	switch {
	case !suspect && age < k.life.Fresh, ask.OnlyIfHave: // who asks so judges for itself
		return k, nil
	case !suspect && age < k.life.Fresh+k.life.StaleWhileRevalidate:
		k.outcome = object.Stale
		n.refresh(ask.Key, info.Validated)
		return k, nil
	}
	q := theInfo
	if !info.Strong() && info.Size > 0 && !ask.HeadOnly {
		q = onlyBytes
	}
	c, joined, err := n.ask(ctx, ask.Key, need{question: q, seen: info.Validated, now: unsure})
	if err != nil {
		failed := temporary(err) || errors.Is(err, object.ErrBroken) // a 5xx to the client (RFC 5861 §4)
		if !suspect && ctx.Err() == nil && failed && age < k.life.Fresh+k.life.StaleIfError {
			k.outcome = object.Stale
			return k, nil
		}
		if unsure && failed {
			err = unconfirmed(err)
		}
		return known{}, err
	}
	if c.headOfUnstrong() && !ask.HeadOnly { // strong until now
		n.letGo(c)
		if c, joined, err = n.ask(ctx, ask.Key, need{question: onlyBytes, seen: c.info.Validated, now: unsure}); err != nil {
			return known{}, err
		}
	}
	k.info, k.life, k.call, k.collapsed = c.info, n.lifetime(ask.Key, c.info), c, joined
	k.outcome, k.source = object.Miss, object.SourceOrigin
	if sameVersion(info, c.info) {
		k.outcome, k.source = object.Revalidated, object.SourceDisk
	}
	return k, nil
}

// refresh lets S3 confirm an info while the stale one is served; one call
// however many readers ask for it.
func (n *Node) refresh(key object.Key, seen time.Time) {
	if c, _, err := n.call(key, need{seen: seen}); err == nil {
		n.letGo(c)
	}
}

// ttl is how long the info stays fresh; negative when it is stale.
func (n *Node) ttl(info *object.Info, life object.Lifetime) time.Duration {
	return info.Validated.Add(life.Fresh).Sub(n.now())
}
