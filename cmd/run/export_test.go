package run

import (
	"context"
	"errors"

	"rookery/object"
)

// HasChunk reports whether this node's own disk has a chunk.
func (n *Node) HasChunk(key object.Key, v object.Version, chunk int64) bool {
	return n.store.Has(n.node.Placed(key), v, chunk)
}

// Crash takes the node down at once: nobody is told, nothing is finished.
func (n *Node) Crash() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	errs := []error{n.cluster.Close(), n.publicServer.Close(), n.adminServer.Close()}
	err := n.Close(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(append(errs, err)...)
}

// RingMembers are the nodes of this node's ring.
func (n *Node) RingMembers() []string { return n.ring.Load().Members() }

// Pretend makes a node's ring scheme another than it is, as another version's may be.
func (o *Options) Pretend(fingerprint string) { o.fingerprint = fingerprint }
