package node

import (
	"time"

	"rookery/object"
	"rookery/purge"
)

// Leased returns the state of a member that never loses its lease, for tests that
// are not about purges.
func Leased() *purge.State {
	s := purge.NewState()
	s.Join([16]byte{1})
	s.Grant([16]byte{1}, time.Now(), 100*365*24*time.Hour)
	return s
}

// Readers returns how many wait for what S3 is asked about a key.
func (n *Node) Readers(key object.Key) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.calls[key.Hash()]
	if c == nil {
		return 0
	}
	return c.refs - 1 // the call's own
}

// Settle waits until no question to S3 is open.
func (n *Node) Settle() {
	for {
		n.mu.Lock()
		var open *call
		for _, c := range n.calls {
			open = c
		}
		n.mu.Unlock()
		if open == nil {
			return
		}
		<-open.done
	}
}

// Inquirers returns how many wait for a document that is asked of S3, before which
// others may be awaited.
func (n *Node) Inquirers(q object.Query) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.inquiries[q]; c != nil {
		return c.readers
	}
	return 0
}

// Documents returns how many bytes documents hold.
func (n *Node) Documents() int64 { return n.documents.held.Load() }
