package node

import (
	"context"
	"time"

	"rookery/object"
)

// known is what this node, as the key's owner, says of an object now.
type known struct {
	info      *object.Info
	life      object.Lifetime
	outcome   object.Outcome
	source    object.Source // where the info came from
	status    int           // as Answer.ForwardStatus
	changed   bool          // as Answer.Changed
	requested bool          // as Answer.Requested
	collapsed bool
	call      *call // the call that told it; the reader lets go of it. nil if none
}

// lookup finds the object's info: stored (here, or by a former owner) and fresh,
// stored and confirmed by S3, or new from S3. Only the key's owner, or who stands in for it, decides this.
func (n *Node) lookup(ctx context.Context, ask *object.Ask) (known, error) {
	arrived := n.moment.now()
	if info, ok := n.store.Info(ask.Key); ok && n.usable(ask.Key, &info, !ask.HeadOnly) {
		return n.current(ctx, ask, &info, arrived)
	}
	if err := n.negatives.get(ask.Key); err != nil && !ask.Wish.Strict() {
		return known{}, err
	}
	switch {
	case ask.OnlyStored():
		return known{}, object.ErrNotHeld
	case ask.Wish != nil && ask.Wish.NoStore:
		return n.unstored(ctx, ask)
	}
	by := asked{question: theInfo, arrived: arrived, must: ask.Wish.Strict()}
	if !ask.HeadOnly && ask.Range.Kind == object.Whole {
		by.question = theWhole
	}
	c, err := n.ask(ctx, ask.Key, by)
	if err == nil && c.handed {
		n.letGo(c.call)
		return n.current(ctx, ask, c.info, arrived)
	}
	if err == nil && c.headOfUnstrong() && !ask.HeadOnly && n.lifetime(ask.Key, c.info).Keep {
		n.letGo(c.call)
		by.question = onlyBytes
		c, err = n.ask(ctx, ask.Key, by)
	}
	if err != nil {
		return known{}, err
	}
	k := known{
		info: c.info, life: n.lifetime(ask.Key, c.info),
		outcome: object.Miss, source: object.SourceOrigin, collapsed: c.joined, call: c.call,
	}
	if c.late && k.life.Keep && n.now().Sub(k.info.Validated) >= k.life.Fresh+k.life.StaleWhileRevalidate {
		n.letGo(c.call) // S3 said this before the reader came, and to be asked each time
		return n.current(ctx, ask, k.info, arrived)
	}
	return k, nil
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
	for c := range object.Chunks(info.Size) {
		if !n.store.Has(key, info.Version, c) {
			return false
		}
	}
	return true
}

// current decides whether a stored info may be used: fresh, or stale within the
// windows of RFC 5861, or confirmed by S3.
func (n *Node) current(ctx context.Context, ask *object.Ask, info *object.Info, arrived uint64) (known, error) {
	k := known{info: info, life: n.lifetime(ask.Key, info), outcome: object.Hit, source: object.SourceDisk}
	if ask.OnlyIfHave {
		return k, nil
	}
	age := n.now().Sub(info.Validated)
	if ask.Suspect != info.Version {
		switch k.life.For(age, ask.Wish) {
		case object.UseFresh:
			return k, nil
		case object.UseStale:
			k.outcome = object.Stale
			return k, nil
		case object.UseWhileRevalidating:
			k.outcome = object.Stale
			if !ask.OnlyStored() {
				n.refresh(ask.Key, info)
			}
			return k, nil
		}
	}
	k.requested = age < k.life.Fresh && ask.Wish.Strict()
	switch {
	case ask.OnlyStored():
		return known{}, object.ErrNotHeld
	case ask.Wish != nil && ask.Wish.NoStore:
		return n.unstored(ctx, ask)
	}
	c, err := n.revalidate(ctx, ask, info, asked{arrived: arrived, must: k.requested})
	if err != nil {
		return n.staleIfError(ctx, ask, k, age, err)
	}
	k.info, k.life, k.call, k.collapsed, k.status = c.info, n.lifetime(ask.Key, c.info), c.call, c.joined, c.status
	if sameVersion(info, c.info) {
		k.outcome = object.Revalidated
		return k, nil
	}
	k.outcome, k.source, k.changed = object.Miss, object.SourceOrigin, true
	return k, nil
}

// ttl is how long the info stays fresh; negative when it is stale.
func (n *Node) ttl(info *object.Info, life object.Lifetime) time.Duration {
	return info.Validated.Add(life.Fresh).Sub(n.now())
}
