package node

import (
	"context"
	"errors"
	"io"

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
	requestID string

	pos, end int64
	part     io.ReadCloser // gives [pos, partEnd); nil between parts
	partEnd  int64
	partFrom string // the node that gives part
	// broken are nodes that failed while this body was read.
	broken map[string]bool
}

func (b *clusterBody) Read(p []byte) (int, error) {
	for {
		if b.pos == b.end {
			return 0, io.EOF
		}
		if b.part == nil {
			if _, err := b.next(); err != nil {
				return 0, err
			}
		}
		n, err := b.part.Read(p[:min(int64(len(p)), b.partEnd-b.pos)])
		b.pos += int64(n)
		if b.pos == b.partEnd {
			b.closePart()
			err = nil
		} else if err != nil {
			if err = b.resume(err); err != nil {
				return n, err
			}
		}
		if n > 0 {
			return n, nil
		}
	}
}

// resume drops a part that broke. It returns nil if another node may go on.
func (b *clusterBody) resume(err error) error {
	from := b.partFrom
	b.closePart()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // an end before the part's own is not one
	}
	if from == b.node.name || !errors.Is(err, object.ErrUnreachable) || b.ctx.Err() != nil {
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
}

// next opens the part at pos: from this node if it has the bytes or owns them,
// else from the extent's owner, its successors, and from S3 by this node.
func (b *clusterBody) next() (*object.Answer, error) {
	n := b.node
	to := object.ExtentEnd(b.pos, b.end)
	ask := &object.Ask{
		Key: b.key, Pin: &b.pin, RequestID: b.requestID,
		Range: object.Range{Kind: object.FromTo, First: b.pos, Last: to - 1},
	}
	if !n.store.Has(b.key, b.pin.Version, object.ChunkOf(b.pos)) {
		for _, name := range n.owners(b.key, object.ExtentOf(b.pos)) {
			if name == n.name {
				break
			}
			if b.broken[name] {
				continue
			}
			a, err := n.openAt(b.ctx, name, ask)
			if err == nil && (a.Offset != b.pos || a.Length != to-b.pos) {
				a.Body.Close()
				err = object.ErrUnreachable
			}
			if err == nil {
				b.part, b.partEnd, b.partFrom = a.Body, to, name
				return a, nil
			}
			if !passOver(b.ctx, err) {
				return nil, err
			}
			b.pass(name)
		}
	}
	a, err := n.OpenLocal(b.ctx, ask)
	if err != nil {
		return nil, err
	}
	b.part, b.partEnd, b.partFrom = a.Body, to, n.name
	return a, nil
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
