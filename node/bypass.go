package node

import (
	"context"
	"fmt"
	"io"

	"rookery/object"
)

// openBypass answers with bytes that no shared cache may keep: the body of the
// GET that told so, for the reader that caused it; a GET of its own for others.
func (n *Node) openBypass(ctx context.Context, ask *object.Ask, k known, a *object.Answer) (*object.Answer, error) {
	a.Source, a.Outcome = object.SourceOrigin, object.Bypass
	n.policy(ask.Key).count.answered(a)
	if ask.HeadOnly {
		return a, nil
	}
	from, to, err := ask.Range.Resolve(k.info.Size)
	if err != nil || from == to {
		return a, err
	}
	o, err := n.pastCache(ctx, ask, k)
	if err == nil {
		err = o.give(a, ask.Range)
	}
	switch {
	case ctx.Err() != nil:
		closeBody(a)
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	return a, nil
}

// pastCache starts the GET. Without a strong ETag that is always one of the
// whole: a part could not be told from that of another version.
func (n *Node) pastCache(ctx context.Context, ask *object.Ask, k known) (o *opened, err error) {
	if k.info.Strong() && ask.Range.Kind != object.Whole {
		from, to, err := ask.Range.Resolve(k.info.Size)
		if err != nil {
			return nil, err
		}
		o, err = n.getPart(ctx, n.from(ctx, ask.Key), object.Fetch{Key: ask.Key, From: from, To: to}, k.info.Pin())
		return o, asOrigin(err)
	}
	if o = n.takeBypass(k.call); o != nil {
		o.endWith(ctx)
		return o, nil
	}
	o, err = n.getWhole(ctx, n.from(ctx, ask.Key), ask.Key, nil)
	return o, asOrigin(err)
}

// give makes the GET the answer's body, from the range's first byte on, and its
// info the answer's: it may be another version than the one that was told of.
func (o *opened) give(a *object.Answer, want object.Range) error {
	a.Offset, a.Length = o.Offset, o.Length
	if o.Info != nil {
		a.Info = *o.Info
		from, to, err := want.Resolve(o.Size)
		if err != nil {
			o.close()
			return err
		}
		a.Offset, a.Length = from, to-from
	}
	if _, err := io.CopyN(io.Discard, o.Body, a.Offset-o.Offset); err != nil {
		o.close()
		return asOrigin(fmt.Errorf("skip to byte %d: %w", a.Offset, err))
	}
	if a.Length == 0 {
		o.close()
		return nil
	}
	a.Body = &bypassBody{o, a.Length}
	return nil
}

// bypassBody streams straight from S3.
type bypassBody struct {
	*opened
	left int64
}

func (b *bypassBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.Body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *bypassBody) Close() error {
	b.close()
	return nil
}
