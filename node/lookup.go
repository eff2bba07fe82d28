package node

import (
	"context"
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
	status    int           // as Answer.ForwardStatus
	changed   bool          // as Answer.Changed
	requested bool          // as Answer.Requested
	collapsed bool
	call      *call // the call that told it; the reader lets go of it. nil if none
}

// lookup finds the object's info: stored (here, or by a former owner) and fresh,
// stored and confirmed by S3, or new from S3. Only the key's owner, or who stands in for it, decides this.
func (n *Node) lookup(ctx context.Context, ask *object.Ask) (known, error) {
	// The lease is looked at after the read has come, and before the floors are.
	w := need{arrived: n.moment.now(), now: !n.leased(ask.Key)}
	if info, ok := n.store.Info(ask.Key); ok && n.judge(ask.Key, &info) != purge.Dead && n.usable(ask.Key, &info, !ask.HeadOnly) {
		return n.current(ctx, ask, &info, w)
	}
	if err, note := n.negatives.get(ask.Key); err != nil && !w.now && n.purges.Judge(ask.Key, nil, note) == purge.Alive && !ask.Wish.Strict() {
		return known{}, err
	}
	switch {
	case ask.OnlyStored():
		return known{}, object.ErrNotHeld
	case ask.Wish != nil && ask.Wish.NoStore:
		return n.unstored(ctx, ask)
	}
	cold := need{question: theInfo, arrived: w.arrived, now: w.now || ask.Wish.Strict()}
	if !ask.HeadOnly && ask.Range.Kind == object.Whole {
		cold.question = theWhole
	}
	c, err := n.ask(ctx, ask.Key, cold)
	if err == nil && c.handed {
		n.letGo(c.call)
		return n.current(ctx, ask, c.info, w)
	}
	if err == nil && c.headOfUnstrong() && !ask.HeadOnly && n.lifetime(ask.Key, c.info).Keep {
		n.letGo(c.call)
		cold.question = onlyBytes
		c, err = n.ask(ctx, ask.Key, cold)
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
		return n.current(ctx, ask, k.info, w)
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
	floor := n.floor(key, info)
	for c := range object.Chunks(info.Size) {
		if !n.has(key, info.Version, c, floor) {
			return false
		}
	}
	return true
}

// current decides whether a stored info may be used: fresh, or stale within the
// windows of RFC 5861, or confirmed by S3. Nothing leaves before S3 has confirmed it
// where this node holds no lease (w.now), and may have missed a purge.
func (n *Node) current(ctx context.Context, ask *object.Ask, info *object.Info, w need) (known, error) {
	k := known{info: info, life: n.lifetime(ask.Key, info), outcome: object.Hit, source: object.SourceDisk}
	if ask.OnlyIfHave { // who asks so judges for itself
		return k, nil
	}
	age := n.now().Sub(info.Validated)
	verdict := n.judge(ask.Key, info)
	if verdict == purge.Stale {
		age = max(age, k.life.Fresh)
	}
	unsure := w.now || verdict == purge.Suspect
	if !unsure && ask.Suspect != info.Version {
		switch k.life.For(age, ask.Wish) {
		case object.UseFresh:
			return k, nil
		case object.UseStale:
			k.outcome = object.Stale
			return k, nil
		case object.UseWhileRevalidating:
			k.outcome = object.Stale
			if !ask.OnlyStored() {
				n.refresh(ctx, ask.Key, info)
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
	c, err := n.revalidate(ctx, ask, info, need{arrived: w.arrived, now: unsure || k.requested})
	switch failed := failure(err); {
	case failed && unsure:
		return known{}, unconfirmed(err)
	case failed && ctx.Err() == nil && staleIfError(ask, &k, age):
		k.outcome, k.status = object.Stale, forwardStatus(err)
		return k, nil
	case err != nil:
		return known{}, err
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
