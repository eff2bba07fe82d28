package node

import (
	"context"
	"errors"
	"fmt"

	"rookery/object"
)

// Open is the way of a read: a small object that is in memory here is given at
// once. Else the key's owner says what the object is and gives the first bytes,
// the owners of its further extents give theirs; an owner that does not answer is
// passed over for its successors, and then for S3.
//
// The answer covers the whole Range. Errors are *object.OriginError (S3's own
// answer), object.ErrUnsatisfiableRange, ErrUnknownBucket, ErrBusy, ErrGone (S3
// changed the object faster than it could be read), ErrBroken, or the context's.
//
// It sets the place of the ask's key: who asks names the bucket alone.
func (s *Buckets) Open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	b := s.configured(ask.Key.Bucket)
	if b == nil {
		return nil, object.ErrUnknownBucket
	}
	ask.Key.Place = b.Place
	if a, err := s.node.openCopy(ask); a != nil || err != nil {
		return a, err
	}
	return s.node.open(b.within(ctx), ask)
}

// Open is that of the buckets in use.
func (n *Node) Open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	return n.buckets.Load().Open(ctx, ask)
}

// open is Open where memory has no answer, under a context that knows the bucket.
func (n *Node) open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	for restarts := 0; ; restarts++ {
		a, owner, err := n.openAtOwner(ctx, ask)
		if err != nil {
			return nil, err
		}
		if ask.HeadOnly || a.Outcome == object.Bypass {
			return a, nil
		}
		from, to, err := ask.Range.Resolve(a.Info.Size)
		if err != nil {
			closeBody(a)
			return nil, err
		}
		if from == to || owner == n.name && a.Offset == from && a.Length == to-from {
			return a, nil
		}
		if err = n.extend(ctx, ask, a, owner, from, to); err == nil {
			err = n.keepCopy(ask, a)
		}
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, object.ErrGone) || restarts == maxRestarts {
			return nil, err
		}
		again := *ask
		again.Suspect = a.Info.Version
		ask = &again
	}
}

// openAtOwner asks the key's owner, or who stands in for it; itself last. It
// returns the name of the node that answered.
func (n *Node) openAtOwner(ctx context.Context, ask *object.Ask) (a *object.Answer, owner string, err error) {
	for _, owner := range n.owners(ask.Key, 0) {
		if owner == n.name {
			break
		}
		if err := n.gate.enter(); err != nil {
			return nil, n.name, err
		}
		a, err := n.openAt(ctx, owner, ask)
		n.gate.leave()
		if !passOver(ctx, err) {
			return a, owner, err
		}
		n.standIns.passOver(owner)
	}
	a, err = n.OpenLocal(ctx, ask)
	return a, n.name, err
}

// openAt asks one other node.
func (n *Node) openAt(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	if n.peers == nil {
		return nil, object.ErrUnreachable
	}
	a, err := n.openJudged(ctx, name, ask)
	if err != nil {
		n.count.passedOver(ctx, err)
		return nil, err
	}
	a.Source = object.SourcePeer
	n.policy(ask.Key).count.given(a)
	return a, nil
}

// openJudged asks another node, and once more where this node's own floors refuse its
// answer.
func (n *Node) openJudged(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	came := n.purges.Note()
	for again := false; ; again = true {
		a, err := n.handOff.open(ctx, name, ask)
		if err != nil {
			return nil, err
		}
		next, outdated := n.outdated(ask, a, came)
		if !outdated {
			a.Info.Note = lower(a.Info.Note, came)
			return a, nil
		}
		closeBody(a)
		if again {
			return nil, fmt.Errorf("%s has not heard of purge %d: %w", name, ask.Floor.Applied, object.ErrUnreachable)
		}
		ask = next
	}
}

// passOver reports whether an error of one node is a reason to ask the next: it
// gave no answer, or does not know the bucket (yet). One that is too busy is not
// passed over: others would ask S3 for what it has, and be too busy next.
func passOver(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil &&
		(errors.Is(err, object.ErrUnreachable) || errors.Is(err, object.ErrUnknownBucket))
}

// extend gives the answer a body for all of [from, to), of which the owner's is
// the beginning, and which another node continues if the owner breaks off.
func (n *Node) extend(ctx context.Context, ask *object.Ask, a *object.Answer, owner string, from, to int64) error {
	if a.Length > 0 && a.Offset != from || a.Length < 0 || a.Length > to-from {
		closeBody(a)
		return fmt.Errorf("answer for byte %d begins at %d: %w", from, a.Offset, object.ErrUnreachable)
	}
	b := &clusterBody{
		node: n, ctx: ctx, key: ask.Key, pin: a.Info.Pin(), floor: lower(n.floor(ask.Key, &a.Info), a.Info.Note), requestID: ask.RequestID,
		pos: from, end: to, part: a.Body, partEnd: from + a.Length, partFrom: owner,
	}
	if a.Length == 0 {
		first, err := b.next()
		if err != nil {
			return err
		}
		a.Source, a.OwnerSource, a.Collapsed, a.Stored = first.Source, first.OwnerSource, first.Collapsed, first.Stored
		if a.Outcome == object.Hit || a.Outcome == object.Revalidated {
			a.Outcome = first.Outcome
		}
	}
	a.Offset, a.Length, a.Body = from, to-from, b
	return nil
}

func closeBody(a *object.Answer) {
	if a.Body != nil {
		a.Body.Close()
	}
}
