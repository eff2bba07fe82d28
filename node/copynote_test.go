package node_test

import (
	"context"
	"io"
	"testing"

	"rookery/node"
	"rookery/object"
)

// behindPeers are peers of whose next body something comes first.
type behindPeers struct {
	node.Peers
	first func() // nil once it has come
}

type behindBody struct {
	io.ReadCloser
	peers *behindPeers
}

func (p *behindPeers) Open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	a, err := p.Peers.Open(ctx, name, ask)
	if err == nil && a.Body != nil {
		a.Body = &behindBody{a.Body, p}
	}
	return a, err
}

func (b *behindBody) Read(p []byte) (int, error) {
	if f := b.peers.first; f != nil {
		b.peers.first = nil
		f()
	}
	return b.ReadCloser.Read(p)
}

// A purge may come between another node's answer and its last byte. The copy that
// is kept of it is as old as the answer.
func TestACopyIsAsOldAsTheAnswer(t *testing.T) {
	late := make(map[string]*behindPeers)
	c := newPurged(t, three, func(c *testCluster) {
		c.adjustNode = func(o *node.Options) {
			late[o.Name] = &behindPeers{Peers: o.Peers}
			o.Peers = late[o.Name]
		}
	})
	owner, others := c.owner("k")
	old := c.put("k", "1", 1000, withTags("red"))
	owner.read(t, get("k"), old)
	asker := others[0]
	now := c.object("k", "2", 1000)
	late[asker.name(c.testCluster)].first = func() {
		c.put("k", "2", 1000, withTags("red"))
		c.purge(object1("k"))
	}
	asker.read(t, get("k"), old) // it was asked for before the purge
	asker.read(t, get("k"), now)
}
