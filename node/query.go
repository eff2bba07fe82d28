package node

import (
	"context"

	"rookery/object"
)

// Query gives a document of S3's: a page of names, or what is said of one object. Any
// node asks S3 itself.
func (s *Buckets) Query(ctx context.Context, q object.Query, _ *object.Wish) (*object.Answer, error) {
	n, b := s.node, s.configured(q.Key.Bucket)
	if b == nil {
		return nil, object.ErrUnknownBucket
	}
	if err := n.gate.enter(); err != nil {
		return nil, err
	}
	defer n.gate.leave()
	document, err := b.Origin.Query(ctx, q)
	if err != nil {
		return nil, asOrigin(err)
	}
	a := &object.Answer{
		Info:   object.Info{Header: document.Header, Validated: document.Validated, Size: int64(len(document.Text))},
		Source: object.SourceOrigin, Outcome: object.Bypass,
	}
	setBody(a, 0, document.Text)
	return a, nil
}

// Query is that of the buckets in use.
func (n *Node) Query(ctx context.Context, q object.Query, wish *object.Wish) (*object.Answer, error) {
	return n.buckets.Load().Query(ctx, q, wish)
}
