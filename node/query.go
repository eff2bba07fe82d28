package node

import (
	"bytes"
	"context"
	"sync"
	"time"

	"rookery/object"
)

// Query gives a document of S3's: a page of names, or what is said of one object. It
// asks S3 itself, whichever node it is; who asks the same at the same time shares the
// answer. Where the bucket lets lists be kept, one that is held answers under a lease for as long as
// nothing in the bucket is purged.
//
// Errors are those of Open.
func (s *Buckets) Query(ctx context.Context, q object.Query, wish *object.Wish) (*object.Answer, error) {
	b := s.configured(q.Key.Bucket)
	if b == nil {
		return nil, object.ErrUnknownBucket
	}
	q.Key.Place = b.Place
	return s.node.query(ctx, b, &q, wish)
}

// Query is that of the buckets in use.
func (n *Node) Query(ctx context.Context, q object.Query, wish *object.Wish) (*object.Answer, error) {
	return n.buckets.Load().Query(ctx, q, wish)
}

func (n *Node) query(ctx context.Context, b *bucket, q *object.Query, wish *object.Wish) (*object.Answer, error) {
	life := object.Lifetime{Strict: true}
	if q.IsList() {
		life.Fresh = b.Lists
	}
	w := inquiryNeed{keep: life.Fresh > 0 && (wish == nil || !wish.NoStore)}
	if life.Fresh > 0 && n.leased(q.Key) {
		if d := n.documents.get(*q, n.purges); d != nil {
			if age := n.now().Sub(d.Validated); lifeOf(d, life).For(age, wish) == object.UseFresh {
				return n.tell(b, d, object.Answer{Source: object.SourceHot, Outcome: object.Hit, TTL: lifeOf(d, life).Fresh - age}), nil
			}
			d.release()
		}
		if !wish.Strict() {
			w.late = life.Fresh
		}
	}
	if wish != nil && wish.OnlyIfCached {
		return nil, object.ErrNotHeld
	}
	d, joined, err := n.inquire(ctx, b, q, w)
	if err != nil {
		return nil, err
	}
	a := object.Answer{Source: object.SourceOrigin, Outcome: object.Bypass, Collapsed: joined}
	if life.Fresh > 0 {
		a.Outcome, a.Stored, a.TTL = object.Miss, w.keep, lifeOf(d, life).Fresh-n.now().Sub(d.Validated)
	}
	return n.tell(b, d, a), nil
}

// lifeOf is how long a document may be told again. What a replica says may be behind.
func lifeOf(d *document, l object.Lifetime) *object.Lifetime {
	if d.Replica {
		l.Fresh = min(l.Fresh, object.ReplicaLifetime)
	}
	return &l
}

// tell makes the answer of a document, whose reference it takes over.
func (n *Node) tell(b *bucket, d *document, a object.Answer) *object.Answer {
	b.count.told(&a)
	a.Info = object.Info{Header: d.Header, Validated: d.Validated, Size: int64(len(d.Text))}
	a.Length = a.Info.Size
	body := &documentBody{release: sync.OnceFunc(d.release)}
	body.Reset(d.Text)
	a.Body = body
	return &a
}

// documentBody holds its document until it is closed.
type documentBody struct {
	bytes.Reader
	release func()
}

func (b *documentBody) Close() error {
	b.release()
	return nil
}

// inquiryNeed is what a reader wants of an inquiry.
type inquiryNeed struct {
	// late is how old an answer on its way may be: it was sent before the reader came,
	// who holds a lease. 0: only what is sent after that will do.
	late time.Duration
	keep bool // the answer may be kept
}
