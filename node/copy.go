package node

import (
	"fmt"
	"io"

	"rookery/object"
	"rookery/store"
)

// openCopy answers from memory, be it this node's own object or a copy of another
// node's; (nil, nil) if there is none, or it is not fresh.
func (n *Node) openCopy(ask *object.Ask) (*object.Answer, error) {
	hot, ok := n.store.Hot(ask.Key)
	if !ok {
		return nil, nil
	}
	return n.openHot(ask, hot)
}

// keepCopy keeps a small object in memory that another node owns: one that is asked
// for here again and again, or any as long as there is room. So a popular key's owner
// is no bottleneck. The copy is
// fresh for as long as the owner said. The whole of the answer's body is read first;
// what fails then has not been told to anybody.
func (n *Node) keepCopy(ask *object.Ask, a *object.Answer) error {
	if !n.copies(ask, a) {
		return nil
	}
	body := make([]byte, a.Length)
	_, err := io.ReadFull(a.Body, body)
	a.Body.Close()
	if err != nil {
		return fmt.Errorf("read a copy of %s: %w", ask.Key, err)
	}
	info := a.Info
	// By this node's clock, whatever the owner's says.
	info.Validated = n.now().Add(a.TTL - n.lifetime(ask.Key, &info).Fresh)
	n.store.PutHot(ask.Key, &info, body)
	setBody(a, 0, body)
	return nil
}

// copies reports whether the answer is a whole small object that its owner keeps,
// and worth its memory here. One that S3 is still sending is left to stream.
func (n *Node) copies(ask *object.Ask, a *object.Answer) bool {
	whole := a.Length == a.Info.Size && a.Length > 0 && a.Length <= store.HotMax
	kept := a.Outcome == object.Hit || a.Outcome == object.Revalidated
	if !whole || !kept || a.Source != object.SourcePeer || a.TTL <= 0 || !a.Info.Strong() {
		return false
	}
	return n.popular.ask(ask.Key.Hash()) >= copyFrom || n.store.HotHasRoom(a.Length)
}
