package node

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
