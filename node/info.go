package node

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"rookery/object"
	"rookery/purge"
)

// learn makes an info of S3 what the node knows, if the call that told it stands
// and no purge has come since it was sent.
// It reports whether the info is stored.
func (n *Node) learn(c *call, key object.Key, info *object.Info) bool {
	n.handOff.supersede(key)
	return n.stands(c, key) && n.judge(key, info) != purge.Dead && n.keepInfo(key, info)
}

// keepInfo stores an info whose origin allows it, in place of what was there,
// and reports whether it could. One that says the same as the stored one only
// renews that. Where the new one cannot be kept the old one goes all the same.
func (n *Node) keepInfo(key object.Key, info *object.Info) bool {
	n.negatives.forget(key)
	if !n.lifetime(key, info).Keep {
		n.forget(key, object.Version{})
		return false
	}
	old, ok := n.store.Info(key)
	var err error
	if ok && sameInfo(&old, info) {
		err = n.store.Renew(key, info.Version, info.Validated, info.Note)
	} else {
		err = n.store.PutInfo(key, info)
	}
	if err != nil {
		n.log.Debug("info not stored", "key", key.String(), "err", err)
		if ok && old.Version != info.Version {
			n.forget(key, old.Version)
		}
	}
	if hot, ok := n.store.Hot(key); ok && hot.Info.Version != info.Version {
		n.store.DropHot(key) // last: see putHot
	}
	return err == nil
}

// putHot offers a whole small object to the hot set, which takes body over. The
// node may have learned of another version meanwhile, or that there is none:
// then the object goes again. Who learns such a thing changes the info first and
// the hot set second, so one of the two sees the other.
func (n *Node) putHot(key object.Key, info *object.Info, body []byte) {
	n.store.PutHot(key, info, body)
	now, ok := n.store.Info(key)
	if ok && now.Version != info.Version || !ok && n.store.Healthy() == nil {
		n.store.DropHot(key)
	}
}

// sameInfo reports whether two infos promise the same but for when, and under which
// purges, they were confirmed. Without a strong ETag nothing is the same (RFC 9110 §8.8.1).
func sameInfo(a, b *object.Info) bool {
	return sameVersion(a, b) && a.Replica == b.Replica && slices.Equal(a.Header, b.Header)
}

// sameVersion reports whether b confirms a: an equal strong ETag and an equal
// Last-Modified.
func sameVersion(a, b *object.Info) bool {
	return a.Strong() && a.Version == b.Version && a.LastModified.Equal(b.LastModified)
}

// forget drops what is known of a version: S3 has another one, or none.
// The zero version means whichever it is.
func (n *Node) forget(key object.Key, v object.Version) {
	n.handOff.supersede(key)
	drop, any := v, v == object.Version{}
	if any {
		info, _ := n.store.Info(key)
		drop = info.Version
	}
	if err := n.store.DropInfo(key, drop); err != nil {
		n.log.Warn("info not dropped", "key", key.String(), "err", err)
	}
	if hot, ok := n.store.Hot(key); ok && (any || hot.Info.Version == v) {
		n.store.DropHot(key) // last: see putHot
	}
}

// remember notes that S3 has no such object, or does not show it.
func (n *Node) remember(key object.Key, err error, note object.Note) {
	var origin *object.OriginError
	if !errors.As(err, &origin) {
		return
	}
	policy := n.policy(key).Freshness
	var ttl time.Duration
	switch origin.Status {
	case http.StatusNotFound:
		ttl = policy.NotFound
	case http.StatusForbidden:
		ttl = policy.Forbidden
	default:
		return
	}
	if origin.Replica {
		ttl = min(ttl, object.ReplicaLifetime)
	}
	n.forget(key, object.Version{})
	n.negatives.put(key, origin, note, ttl)
}

func (n *Node) lifetime(key object.Key, info *object.Info) object.Lifetime {
	return n.policy(key).Freshness.Lifetime(info)
}
