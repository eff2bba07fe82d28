package object

import (
	"io"
	"time"
)

// Ask is one read: from the gateway to its node, and from a node to the owner
// of what it reads. Immutable once passed on.
type Ask struct {
	Key      Key
	HeadOnly bool  // only the info is wanted; Range is ignored
	Range    Range // with a Pin always FromTo, and within the pinned size
	// Pin names the version whose bytes are wanted. Without it the node that is
	// asked decides info and freshness, as the key's owner.
	Pin *Pin
	// Suspect is a version that the asker has found to be gone from S3: the
	// key's owner confirms its info with S3 before it answers with that version.
	// Zero if there is none.
	Suspect Version
	// OnlyIfHave asks for stored bytes alone: no request to S3 (hand-off).
	OnlyIfHave bool
	// PassedOver tells the node that is asked that it gave no answer lately, so that
	// others may have stored what is its own.
	PassedOver bool
	// Floor is the purge that killed an earlier answer; who answers must have
	// applied it. Zero until purges exist.
	Floor Note
	// Wish is what the client asks of the cache; nil if nothing, or if the bucket
	// does not let clients ask.
	Wish *Wish
	// RequestID is for logs alone.
	RequestID string
}

// OnlyStored reports whether S3 is not to be asked for the ask.
func (a *Ask) OnlyStored() bool { return a.OnlyIfHave || a.Wish != nil && a.Wish.OnlyIfCached }

// Source says where an answer's first bytes came from, as the node sees it that
// talks to the client.
type Source uint8

// The sources. The numbers are part of the peer protocol.
const (
	SourceNone   Source = 0 // no bytes and nothing stored: an error, or an info from S3 by HEAD
	SourceHot    Source = 1
	SourceDisk   Source = 2
	SourcePeer   Source = 3
	SourceOrigin Source = 4
)

var sourceNames = [...]string{"none", "hot", "disk", "peer", "origin"}

func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// Outcome says how the cache came to its answer (RFC 9211's hit and fwd).
type Outcome uint8

// The outcomes. The numbers are part of the peer protocol.
const (
	Miss        Outcome = 0
	Hit         Outcome = 1
	Stale       Outcome = 2 // served stale: S3 could not be asked, or is being asked meanwhile
	Revalidated Outcome = 3 // S3 confirmed a stale entry before it was served
	Bypass      Outcome = 4 // not for the cache (no-store, private)
)

var outcomeNames = [...]string{"MISS", "HIT", "STALE", "REVALIDATED", "BYPASS"}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "UNKNOWN"
}

// Answer is what a read gives. Whoever receives it closes Body.
type Answer struct {
	// Info is the object's info. In an answer to a pinned Ask only what the pin
	// named is set.
	Info Info
	// Body streams the bytes [Offset, Offset+Length) of the object; nil exactly
	// when Length is 0. It ends with io.EOF after Length bytes and with another
	// error otherwise; it never gives bytes of another version. Its first bytes,
	// or the failure to get them, were known before the Answer was made.
	// One goroutine at a time may read it.
	//
	// A node asked by another node may give fewer bytes than the Range asks for
	// (those of the extents that it holds, from the range's first byte on); the
	// asker finds the rest elsewhere. A gateway always gets all of them.
	Body   io.ReadCloser
	Offset int64
	Length int64

	Source    Source
	Outcome   Outcome
	Collapsed bool // waited for a request to S3 that another reader had started
	Stored    bool // a miss whose bytes the cache keeps
	// Changed says of a Miss that an entry was there, and S3 has another version now.
	Changed bool
	// Requested: what was there was fresh, and the client's wish refused it.
	Requested bool
	// ForwardStatus is S3's answer to the request that was made for this one: 304
	// or 200 to a revalidation, and a 5xx where the stale is served for it. 0 where
	// none was made, or where it says no more than the Outcome.
	ForwardStatus int
	// OwnerSource is, for SourcePeer, where the owner had the bytes.
	OwnerSource Source
	// TTL is how long the entry stays fresh from now; negative when stale.
	TTL time.Duration
}
