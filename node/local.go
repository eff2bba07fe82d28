package node

import (
	"bytes"
	"context"
	"errors"
	"time"

	"rookery/object"
	"rookery/purge"
	"rookery/store"
)

// maxRestarts is how often a read starts over because S3 has another version by
// now, before it is given up.
const maxRestarts = 2

// OpenLocal answers with what this node has and with what S3 gives it, never by
// asking another node: so a read crosses the cluster once at most. Without a pin
// this node acts as the key's owner. An answer may end early, at the first
// extent that is another node's.
func (n *Node) OpenLocal(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	of := n.from(ctx, ask.Key)
	if of == nil {
		return nil, object.ErrUnknownBucket
	}
	ctx = of.within(ctx)
	if ask.PassedOver {
		n.standIns.wasPassedOver()
	}
	if err := n.awaitFloor(ctx, ask.Floor); err != nil {
		return nil, err
	}
	if ask.Pin != nil {
		return n.openPinned(ctx, ask)
	}
	if a, err := n.openCopy(ask); a != nil || err != nil {
		return a, err
	}
	for restarts := 0; ; restarts++ {
		a, err := n.openKnown(ctx, ask)
		if !errors.Is(err, object.ErrGone) || restarts == maxRestarts {
			return a, err
		}
	}
}

// openHot answers from memory while the entry is fresh and no purge is over it;
// (nil, nil) otherwise.
func (n *Node) openHot(ask *object.Ask, hot *store.HotObject) (*object.Answer, error) {
	life := n.lifetime(ask.Key, &hot.Info)
	ttl := n.ttl(&hot.Info, life)
	if ttl <= 0 || ask.Suspect == hot.Info.Version || ask.Wish.Strict() && life.For(life.Fresh-ttl, ask.Wish) != object.UseFresh {
		return nil, nil
	}
	if !n.leased(ask.Key) || !n.alive(ask.Key, hot) {
		return nil, nil
	}
	a := &object.Answer{Info: hot.Info, Source: object.SourceHot, Outcome: object.Hit, TTL: ttl}
	n.policy(ask.Key).count.answered(a)
	if ask.HeadOnly {
		return a, nil
	}
	from, to, err := ask.Range.Resolve(hot.Info.Size)
	if err != nil {
		return nil, err
	}
	setBody(a, from, hot.Body[from:to])
	return a, nil
}

// openKnown answers as the key's owner.
func (n *Node) openKnown(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	k, err := n.lookup(ctx, ask)
	if err != nil {
		return nil, err
	}
	if k.call != nil {
		defer n.letGo(k.call)
	}
	a := &object.Answer{
		Info: *k.info, Source: k.source, Outcome: k.outcome, Collapsed: k.collapsed, TTL: n.ttl(k.info, k.life),
		Changed: k.changed, Requested: k.requested, ForwardStatus: k.status,
	}
	if k.outcome == object.Stale { // by its age, or by a purge before that
		a.TTL = min(a.TTL, -time.Second)
	}
	if !k.life.Keep {
		return n.openBypass(ctx, ask, k, a)
	}
	a.Stored = k.outcome == object.Miss && n.keeps()
	if !ask.HeadOnly {
		err := n.addBody(ctx, ask, k, a)
		if errors.Is(err, object.ErrGone) && k.call != nil {
			n.endCall(k.call, ask.Key) // what it told is no more: who asks again asks S3
		}
		if err != nil {
			return nil, err
		}
	}
	n.policy(ask.Key).count.answered(a)
	return a, nil
}

// addBody gives the answer as much of what is asked for as is this node's: bytes no
// older than the purges that the info stands for, though one may have come since.
func (n *Node) addBody(ctx context.Context, ask *object.Ask, k known, a *object.Answer) error {
	from, to, err := ask.Range.Resolve(k.info.Size)
	if err != nil {
		return err
	}
	a.Offset, a.Length = from, n.reach(ask.Key, k.info, from, to)-from
	floor := lower(n.floor(ask.Key, k.info), k.info.Note)
	if ask.OnlyStored() && !ask.OnlyIfHave && (a.Length != to-from || !n.holds(ask.Key, k.info.Version, from, to, floor)) {
		return object.ErrNotHeld // S3 is not to be asked for the rest, nor is another node that would
	}
	if a.Length == 0 {
		return nil
	}
	if k.call != nil && k.call.run != nil {
		if err := n.flights.failed(k.call.run); err != nil {
			return err // its attempts are spent: the reader begins no others
		}
	}
	if !n.promote(ask.Key, k.info, a) {
		if err := n.openBody(ctx, ask, k.info, k.info.Pin(), floor, a); err != nil {
			return err
		}
	}
	if k.call != nil && k.call.run != nil { // stored by now, but S3 was asked for this reader
		a.Source, a.Stored = object.SourceOrigin, n.keeps()
		a.Collapsed = k.collapsed // the run is the call's own, not another reader's
	}
	return nil
}

// openPinned answers with bytes of the version that the asker names.
func (n *Node) openPinned(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	pin := *ask.Pin
	from, to, err := ask.Range.Resolve(pin.Size)
	if err != nil {
		return nil, err
	}
	a := &object.Answer{
		Info:   object.Info{Version: pin.Version, Size: pin.Size, ETag: pin.ETag, Note: pin.Note},
		Offset: from, Length: to - from, Source: object.SourceDisk, Outcome: object.Hit,
	}
	if from == to {
		return a, nil
	}
	if ask.OnlyIfHave {
		a.Length = n.held(ask, from, to) - from
		if a.Length == 0 {
			return nil, object.ErrNotHeld
		}
	}
	if err := n.openBody(ctx, ask, nil, pin, higher(n.floor(ask.Key, nil), ask.Floor), a); err != nil {
		return nil, err
	}
	n.policy(ask.Key).count.answered(a)
	return a, nil
}

// openBody gives the answer a body for its Offset and Length, and waits until
// the first bytes are there or known not to come. Bytes noted below floor are dead.
func (n *Node) openBody(ctx context.Context, ask *object.Ask, info *object.Info, pin object.Pin, floor object.Note, a *object.Answer) error {
	b := &localBody{
		node: n, ctx: ctx, of: n.from(ctx, ask.Key), key: ask.Key, info: info, pin: pin, floor: floor,
		at: versionKey{ask.Key.Hash(), pin.Version}, pos: a.Offset, end: a.Offset + a.Length, onlyStored: ask.OnlyStored(),
	}
	if !b.onlyStored {
		n.readAhead(b)
	}
	if err := b.prime(); err != nil {
		b.Close()
		return err
	}
	a.Source, a.Stored = object.SourceDisk, false
	if b.handed {
		a.Source = object.SourcePeer
	}
	if b.asked {
		a.Source, a.Stored = object.SourceOrigin, n.keeps()
		a.Collapsed = a.Collapsed || b.joined
		if a.Outcome != object.Stale {
			a.Outcome = object.Miss
		}
	}
	a.Body = b
	return nil
}

// keeps reports whether what comes from S3 can be stored at present.
func (n *Node) keeps() bool { return n.store.Healthy() == nil }

// reach returns how far this node answers of [from, to): through extent 0, which
// belongs to whoever is asked for the object, and every extent that it owns. A
// version without a strong ETag is never split.
func (n *Node) reach(key object.Key, info *object.Info, from, to int64) int64 {
	if !info.Strong() {
		return to
	}
	end := from
	for end < to {
		if extent := object.ExtentOf(end); extent != 0 && !n.owns(key, extent) {
			break
		}
		end = object.ExtentEnd(end, to)
	}
	return end
}

// held returns how far the stored chunks go from the byte at from on.
func (n *Node) held(ask *object.Ask, from, to int64) int64 {
	end, floor := from, higher(n.floor(ask.Key, nil), ask.Floor)
	for end < to && n.has(ask.Key, ask.Pin.Version, object.ChunkOf(end), floor) {
		end = min(to, (object.ChunkOf(end)+1)*object.ChunkBytes)
	}
	return end
}

// holds reports whether every byte of [from, to) is stored, and alive under the floor.
func (n *Node) holds(key object.Key, v object.Version, from, to int64, floor object.Note) bool {
	for ; from < to; from = (object.ChunkOf(from) + 1) * object.ChunkBytes {
		if !n.has(key, v, object.ChunkOf(from), floor) {
			return false
		}
	}
	return true
}

// promote reads a small object whole from disk, answers from that, and offers it
// to the hot set. It reports false when the object is not small or not there.
func (n *Node) promote(key object.Key, info *object.Info, a *object.Answer) bool {
	if info.Size > store.HotMax {
		return false
	}
	chunk, err := n.store.Chunk(key, info.Version, 0)
	if err != nil {
		return false
	}
	defer chunk.Close()
	if purge.DeadUnder(chunk.Note(), n.floor(key, info)) {
		return false
	}
	body := make([]byte, info.Size)
	if _, err := chunk.ReadAt(body, 0); err != nil {
		return false
	}
	if n.owns(key, 0) {
		n.putHot(key, info, body)
	}
	a.Source, a.Stored = object.SourceDisk, false
	setBody(a, a.Offset, body[a.Offset:a.Offset+a.Length])
	return true
}

// memoryBody is a body that is already in memory.
type memoryBody struct{ bytes.Reader }

func (*memoryBody) Close() error { return nil }

func setBody(a *object.Answer, offset int64, p []byte) {
	a.Offset, a.Length = offset, int64(len(p))
	if len(p) > 0 {
		body := new(memoryBody)
		body.Reset(p)
		a.Body = body
	}
}
