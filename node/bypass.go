package node

import (
	"context"

	"rookery/object"
)

// openBypass answers with bytes that no shared cache may keep: the body of the
// GET that told so, for the reader that caused it; a GET of its own for others.
func (n *Node) openBypass(ctx context.Context, ask *object.Ask, k known, a *object.Answer) (*object.Answer, error) {
	a.Source, a.Outcome = object.SourceOrigin, object.Bypass
	n.count.answered(ask.Key.Bucket, a)
	if ask.HeadOnly {
		return a, nil
	}
	from, to, err := ask.Range.Resolve(k.info.Size)
	if err != nil || from == to {
		return a, err
	}
	var o *opened
	if ask.Range.Kind == object.Whole {
		if o, err = n.wholeBypass(ctx, ask.Key, k.call); err == nil {
			a.Info = *o.Info // a GET of its own may have found another version
		}
	} else {
		o, err = n.getPart(ctx, object.Fetch{Key: ask.Key, From: from, To: to}, k.info.Pin())
	}
	switch {
	case ctx.Err() != nil:
		if err == nil {
			o.close()
		}
		return nil, ctx.Err()
	case err != nil:
		return nil, asOrigin(err)
	case o.Length == 0:
		o.close()
		return a, nil
	}
	a.Offset, a.Length, a.Body = o.Offset, o.Length, bypassBody{o}
	return a, nil
}

// wholeBypass gives the body of the call to the first who takes it, and a body
// of their own to others.
func (n *Node) wholeBypass(ctx context.Context, key object.Key, c *call) (*opened, error) {
	if o := n.takeBypass(c); o != nil {
		o.endWith(ctx)
		return o, nil
	}
	return n.getWhole(ctx, key)
}

// bypassBody streams straight from S3.
type bypassBody struct{ *opened }

func (b bypassBody) Read(p []byte) (int, error) { return b.Body.Read(p) }

func (b bypassBody) Close() error {
	b.close()
	return nil
}
