package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/groupcache/lru"

	"rookery/object"
	"rookery/purge"
	"rookery/ring"
)

const (
	// handOffFor is how long after a change of the ring a node asks the former
	// owners of what is its own now, before it asks S3. An ask costs a round trip
	// between nodes, a missed one a GET; a day is longer than most of what is read
	// again goes unread.
	handOffFor = 24 * time.Hour
	// handOffWait is how long a former owner may take to begin. It looks into its
	// own store alone, so one that takes longer is not well.
	handOffWait = time.Second
	// ownerWait is how long the owner may take to begin, where this node stands in for
	// it: the reader has waited for it in vain before, elsewhere.
	ownerWait = 250 * time.Millisecond
	// formerOwners is how many nodes are asked at most.
	formerOwners = 2
	// maxMoved bounds how many keys are remembered that S3 has told something new
	// of; about 100 bytes each.
	maxMoved = 10_000
)

// handOff takes over what former owners hold of what is this node's since the
// ring changed: asked before S3, "only if you have it". Safe for concurrent use.
type handOff struct {
	node   *Node
	window atomic.Pointer[handOffWindow]

	mu sync.Mutex
	// moved are keys of which S3 has said that what was known is no more: what a
	// former owner knows of them is older than that.
	moved *lru.Cache
}

type handOffWindow struct {
	ring  *ring.Snapshot
	since time.Time // when this node first read with it
}

func newHandOff(n *Node) *handOff { return &handOff{node: n, moved: lru.New(maxMoved)} }

// former returns the nodes that may hold an extent in this node's place: who owned
// it before the ring changed, as long as the change is recent; who owns it, where
// this node only stands in (another node could not reach the owner, this one may);
// and who would own it if this node were not there, for as long as it may have
// been passed over for them. There are none without a reason. It notes for whom this
// node stands in.
func (h *handOff) former(key object.Key, extent int64) []string {
	n := h.node
	if n.peers == nil {
		return nil
	}
	now, recent := n.owners(key, extent), h.recent()
	var may []string
	if before := n.ring.Previous().Owners(key, extent); recent && len(before) > 0 {
		may = append(may, before[0])
	}
	if !n.owns(key, extent) {
		n.standIns.standFor(now[0])
		may = append(may, now[0])
	}
	if recent || n.standIns.lately() {
		may = append(may, now[min(1, len(now)):]...)
	}
	var names []string
	for _, name := range may {
		if name != n.name && len(names) < formerOwners && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (h *handOff) recent() bool { return h.node.now().Sub(h.watch().since) < handOffFor }

// watch notices a change of the ring. Whom the ring lost is passed over from now
// on, and may never hear of it.
func (h *handOff) watch() *handOffWindow {
	now := h.node.ring.Load()
	w := h.window.Load()
	if w != nil && w.ring == now {
		return w
	}
	w = &handOffWindow{ring: now, since: h.node.now()}
	h.window.Store(w)
	for _, name := range h.node.ring.Previous().Members() {
		if _, there := slices.BinarySearch(now.Members(), name); !there {
			h.node.standIns.standFor(name)
		}
	}
	return w
}

// open asks another node, and tells it if it was passed over lately. Under a floor
// that it had not heard of a moment ago it is not asked.
func (h *handOff) open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	h.watch()
	deaf := h.node.deaf
	if ask.Floor.Applied > 0 && deaf.to(name, ask.Floor) {
		return nil, fmt.Errorf("%s has not heard of purge %d: %w", name, ask.Floor.Applied, object.ErrUnreachable)
	}
	a, err := h.node.peers.Open(ctx, name, h.node.standIns.tell(name, ask))
	if ask.Floor.Applied > 0 && ctx.Err() == nil && errors.Is(err, object.ErrUnreachable) {
		deaf.is(name, ask.Floor)
	}
	return a, err
}

// supersede notes that S3 has said something newer of the key than what this
// node, and so any former owner, knew.
func (h *handOff) supersede(key object.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moved.Add(key.Hash(), nil)
}

func (h *handOff) superseded(key object.Key) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.moved.Get(key.Hash())
	return ok
}

// info returns what a former owner of the key knows of it; nil if none does. It
// may be stale. Without a strong ETag an object is one GET to one node, and is
// not handed over.
func (h *handOff) info(key object.Key) *object.Info {
	if h.superseded(key) {
		return nil
	}
	for _, name := range h.former(key, 0) {
		came := h.node.purges.Note()
		a, cancel, err := h.ask(name, &object.Ask{Key: key, HeadOnly: true, OnlyIfHave: true})
		if err != nil {
			continue
		}
		cancel()
		a.Info.Note = lower(a.Info.Note, came)
		if a.Info.Strong() && h.node.judge(key, &a.Info) != purge.Dead {
			return &a.Info
		}
	}
	return nil
}

// body returns what a former owner holds of the bytes [from, to) of one version,
// from the first on and alive under the floor, and where it ends; nil if there is
// nothing.
func (h *handOff) body(key object.Key, pin object.Pin, floor object.Note, from, to int64) (o *opened, end int64) {
	if !pin.Strong() {
		return nil, 0
	}
	ask := &object.Ask{
		Key: key, Pin: &pin, Floor: floor, OnlyIfHave: true,
		Range: object.Range{Kind: object.FromTo, First: from, Last: to - 1},
	}
	for _, name := range h.former(key, object.ExtentOf(from)) {
		a, cancel, err := h.ask(name, ask)
		if err != nil {
			continue
		}
		if a.Offset == from && a.Length > 0 && a.Length <= to-from {
			return &opened{&object.Fetched{Offset: from, Length: a.Length, Size: pin.Size, Body: a.Body}, cancel}, from + a.Length
		}
		closeBody(a)
		cancel()
	}
	return nil, 0
}

// ask asks a former owner, on the node's own time: no reader's leaving ends what
// others wait for. The caller calls cancel when it is done with the answer.
func (h *handOff) ask(name string, ask *object.Ask) (a *object.Answer, cancel func(), err error) {
	ctx, cancel := context.WithCancel(h.node.ctx)
	wait := handOffWait
	if owners := h.node.owners(ask.Key, object.ExtentOf(ask.Range.First)); len(owners) > 0 && owners[0] == name {
		wait = ownerWait
	}
	timer := time.AfterFunc(wait, cancel)
	a, err = h.open(ctx, name, ask)
	if !timer.Stop() && err == nil {
		closeBody(a)
		err = object.ErrUnreachable
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return a, cancel, nil
}
