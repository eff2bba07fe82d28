package node

import (
	"context"
	"errors"
	"io"
	"time"

	"rookery/object"
)

// clusterBody streams one version of an object from the owners of its extents,
// one after the other. A part that breaks is continued at its next byte, at the
// same version, by the next successor; by this node itself last. One goroutine
// at a time may use it.
type clusterBody struct {
	node      *Node
	ctx       context.Context
	key       object.Key
	pin       object.Pin
	floor     object.Note // the newest purge over the object when the read began
	requestID string

	pos, end int64
	part     io.ReadCloser // gives [pos, partEnd); nil between parts
	partEnd  int64
	partFrom string // the node that gives part
	// broken are nodes that failed while this body was read.
	broken map[string]bool
}

func (b *clusterBody) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if b.pos == b.end {
			return 0, io.EOF
		}
		if b.part == nil {
			if _, err := b.next(); err != nil {
				return 0, b.fail(err)
			}
		}
		n, err := b.part.Read(p[:min(int64(len(p)), b.partEnd-b.pos)])
		b.pos += int64(n)
		switch {
		case b.pos == b.partEnd:
			b.closePart()
		case err != nil:
			if err := b.resume(err); err != nil {
				return n, b.fail(err)
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, nil
}

// fail ends a body of which bytes have left. That its version is gone is told to
// the key's owner: else the next reader would be cut at the same place, for as
// long as the info is fresh there.
func (b *clusterBody) fail(err error) error {
	if errors.Is(err, object.ErrGone) {
		ask := &object.Ask{Key: b.key, HeadOnly: true, Suspect: b.pin.Version, RequestID: b.requestID}
		_, _, _ = b.node.openAtOwner(b.ctx, ask) // it has no body, and nobody to tell of its error
	}
	return err
}

// resume drops a part that broke. It returns nil if another node may go on.
func (b *clusterBody) resume(err error) error {
	from := b.partFrom
	b.closePart()
	switch {
	case from == b.node.name && errors.Is(err, object.ErrNotHeld): // the store lost what it had
	case from != b.node.name && passOver(b.ctx, err):
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // an end before the part's own is not one
	default:
		return err
	}
	b.pass(from)
	return nil
}

func (b *clusterBody) pass(name string) {
	if b.broken == nil {
		b.broken = make(map[string]bool)
	}
	b.broken[name] = true
	if name != b.node.name {
		b.node.standIns.passOver(name)
	}
}

// next opens the part at pos: what this node has of it, or else the extent from
// its owner, its successors, and from S3 by this node.
func (b *clusterBody) next() (*object.Answer, error) {
	n := b.node
	ask := &object.Ask{
		Key: b.key, Pin: &b.pin, Floor: b.floor, RequestID: b.requestID,
		Range: object.Range{Kind: object.FromTo, First: b.pos, Last: object.ExtentEnd(b.pos, b.end) - 1},
	}
	if a, err := b.stored(ask); err == nil {
		return b.goOn(a, n.name), nil
	}
	for _, name := range n.owners(b.key, object.ExtentOf(b.pos)) {
		if name == n.name {
			break
		}
		if b.broken[name] {
			continue
		}
		a, err := b.openAt(name, ask)
		if err == nil && (a.Offset != b.pos || a.Length <= 0 || a.Length > ask.Range.Last+1-b.pos) {
			closeBody(a)
			err = object.ErrUnreachable
		}
		if err == nil {
			return b.goOn(a, name), nil
		}
		if !passOver(b.ctx, err) {
			return nil, err
		}
		b.pass(name)
	}
	a, err := n.OpenLocal(b.ctx, ask)
	if err != nil {
		return nil, err
	}
	return b.goOn(a, n.name), nil
}

// maxBusy is how often an owner that is too busy is asked: a body that has begun
// would else be cut short for what is over in a moment (0.75 s in all).
const maxBusy = 5

func (b *clusterBody) openAt(name string, ask *object.Ask) (*object.Answer, error) {
	for failures := 1; ; failures++ {
		a, err := b.node.openAt(b.ctx, name, ask)
		if !errors.Is(err, object.ErrBusy) || failures == maxBusy || pause(b.ctx, 25*time.Millisecond<<failures) != nil {
			return a, err
		}
	}
}

// stored opens what this node has of an extent that is another's. The rest is
// the owner's to fetch.
func (b *clusterBody) stored(ask *object.Ask) (*object.Answer, error) {
	if b.broken[b.node.name] || b.node.owns(b.key, object.ExtentOf(b.pos)) {
		return nil, object.ErrNotHeld
	}
	only := *ask
	only.OnlyIfHave = true
	return b.node.OpenLocal(b.ctx, &only)
}

// goOn makes the answer the part that is read next.
func (b *clusterBody) goOn(a *object.Answer, from string) *object.Answer {
	b.part, b.partEnd, b.partFrom = a.Body, b.pos+a.Length, from
	return a
}

func (b *clusterBody) closePart() {
	if b.part != nil {
		b.part.Close()
		b.part = nil
	}
}

// Close gives back what the body holds. It may be called more than once.
func (b *clusterBody) Close() error {
	b.closePart()
	return nil
}
