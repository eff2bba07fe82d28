package node

import "rookery/object"

// Waiting returns how many readers wait for the answer to the question about a
// key that is on its way to S3.
func (n *Node) Waiting(key object.Key) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.calls[key.Hash()]; c != nil {
		return c.refs - 1
	}
	return 0
}
