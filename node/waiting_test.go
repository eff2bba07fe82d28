package node

import "rookery/object"

// Waiting returns how many readers wait for the answers to the questions about a
// key: the one that is on its way to S3, and the one that is sent next.
func (n *Node) Waiting(key object.Key) (readers int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := n.calls[key.Hash()]; c != nil; c = c.prev {
		readers += c.refs - 1
	}
	return readers
}
