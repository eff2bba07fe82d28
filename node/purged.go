package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"rookery/object"
	"rookery/purge"
	"rookery/store"
)

// floorWait is how long a node that is asked under a floor may take to hear of it
// before the asker goes elsewhere. A council commits in milliseconds.
const floorWait = 500 * time.Millisecond

// leased reports whether what this node holds of the bucket may be served without
// asking S3. It is asked after the read arrived and before the floors are read:
// so no purge that was complete when the read began can be missed.
func (n *Node) leased(key object.Key) bool {
	return n.purges.Leased(n.now()) || n.policy(key).StaleWithoutLease
}

// unconfirmed is the error where S3 has to confirm what is held and does not
// answer: 503, whatever it was that S3 did.
func unconfirmed(err error) error {
	var origin *object.OriginError
	if !errors.As(err, &origin) || origin.Status == http.StatusServiceUnavailable {
		return err
	}
	refused := *origin
	refused.Status, refused.Code = http.StatusServiceUnavailable, "ServiceUnavailable"
	refused.Message = "What is held may have been purged, and S3 does not answer: " + origin.Message
	return &refused
}

// judge says what the purges say of an info, by this node's own floors.
func (n *Node) judge(key object.Key, info *object.Info) purge.Verdict {
	return n.purges.Judge(key, n.tags(key, info), info.Note)
}

// judgeFor says what the purges say of an info to a reader that came when so much
// was known of them. What is noted no lower is as new as that reader may ask for: a
// purge may come between any two steps, and none of them would else be the last.
func (n *Node) judgeFor(key object.Key, info *object.Info, came object.Note) purge.Verdict {
	if info.Note.Council == came.Council && info.Note.Applied >= came.Applied {
		return purge.Alive
	}
	return n.judge(key, info)
}

// alive reports whether no purge is over an object in memory. It judges once for each
// change of what is known of purges: hits are many, and changes a few a second.
func (n *Node) alive(key object.Key, hot *store.HotObject) bool {
	known := n.purges.Known()
	if hot.Alive.Load() == known {
		return true
	}
	if n.judge(key, &hot.Info) != purge.Alive {
		return false
	}
	hot.Alive.Store(known)
	return true
}

// floor is the newest purge over the object that this node knows of: bytes noted
// below it are dead. info may be nil; then its tags are not known.
func (n *Node) floor(key object.Key, info *object.Info) object.Note {
	if info == nil {
		return n.purges.Floor(key, nil)
	}
	return n.purges.Floor(key, n.tags(key, info))
}

func (n *Node) tags(key object.Key, info *object.Info) purge.Tags {
	return info.Tags(n.policy(key).TagHeaders)
}

// higher returns the higher of two floors. What another council says does not
// count.
func higher(own, other object.Note) object.Note {
	if other.Council == own.Council && other.Applied > own.Applied {
		return other
	}
	return own
}

// lower returns the lower of two of one council: a floor as far as it was known when
// a note was taken, or another node's note as far as this node knows. That one may be
// ahead, and what lies between has judged nothing of what is stored here.
func lower(of, known object.Note) object.Note {
	if known.Council == of.Council {
		of.Applied = min(of.Applied, known.Applied)
	}
	return of
}

// awaitFloor waits until the purge that an asker names is in place here.
func (n *Node) awaitFloor(ctx context.Context, floor object.Note) error {
	if floor.Applied == 0 {
		return nil
	}
	if now := n.purges.Note(); now.Council == floor.Council && now.Applied >= floor.Applied {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, floorWait)
	defer cancel()
	if err := n.purges.Await(ctx, floor); err != nil {
		return fmt.Errorf("purge %d: %w: %w", floor.Applied, err, object.ErrUnreachable)
	}
	return nil
}

// has reports whether a chunk is stored and alive under the floor.
func (n *Node) has(key object.Key, v object.Version, chunk int64, floor object.Note) bool {
	if floor.Applied == 0 {
		return n.store.Has(key, v, chunk)
	}
	return n.canOpen(key, v, chunk, floor)
}

// canOpen is has for whoever cannot rely on what the index alone says.
func (n *Node) canOpen(key object.Key, v object.Version, chunk int64, floor object.Note) bool {
	c, err := n.store.Chunk(key, v, chunk)
	if err != nil {
		return false
	}
	defer c.Close()
	return !purge.DeadUnder(c.Note(), floor)
}

// outdated reports whether this node's own floors refuse another node's answer,
// and what to ask it instead: under the floor that it has not heard of, or to let
// S3 confirm what may have been purged. What S3 has just said is not suspect. came
// is what was known of purges before the other node was asked.
func (n *Node) outdated(ask *object.Ask, a *object.Answer, came object.Note) (again *object.Ask, outdated bool) {
	if ask.Pin != nil { // asked under the floor to begin with
		return nil, false
	}
	held := a.Outcome == object.Hit || a.Outcome == object.Stale
	verdict := n.judgeFor(ask.Key, &a.Info, came)
	if verdict != purge.Dead && (verdict != purge.Suspect || !held) {
		return nil, false
	}
	next := *ask
	next.Floor = n.floor(ask.Key, &a.Info)
	if verdict == purge.Suspect {
		next.Suspect = a.Info.Version
	}
	return &next, true
}
