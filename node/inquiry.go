package node

import (
	"context"
	"errors"
	"time"

	"rookery/object"
)

// inquiry is one question to S3 for a document. Whoever wants the same joins until it
// is sent; later, only who may have an answer to what was sent before, as a call
// has it. Others share the next, which is sent when this one is back.
type inquiry struct {
	of       *bucket       // that of its first reader
	done     chan struct{} // closed when document and err are set
	prev     *inquiry      // whose answer is awaited first; nil if none
	document *document     // held until the last reader has left
	err      error

	ctx    context.Context // ends with the node, or when all readers have left
	cancel context.CancelFunc

	// Guarded by Node.mu:
	readers int
	ended   bool
	keep    bool
	sent    time.Time // zero until then
	note    object.Note
}

// inquire returns the answer of the inquiry under way, or of a new one. The caller lets
// go of the document.
func (n *Node) inquire(ctx context.Context, b *bucket, q *object.Query, w inquiryNeed) (d *document, joined bool, err error) {
	if err := n.gate.enter(); err != nil {
		return nil, false, err
	}
	defer n.gate.leave()
	c, joined, err := n.inquiry(b, q, w)
	if err != nil {
		return nil, false, err
	}
	defer n.leaveInquiry(c, q)
	select {
	case <-c.done:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if c.err != nil {
		return nil, joined, c.err
	}
	return c.document.hold(), joined, nil
}

// inquiry gives a place in the inquiry under way, or in a new one.
func (n *Node) inquiry(b *bucket, q *object.Query, w inquiryNeed) (c *inquiry, joined bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c = n.inquiries[*q]
	if c != nil && (c.sent.IsZero() || n.suits(c, q, w)) {
		c.readers++
		c.keep = c.keep || w.keep
		return c, true, nil
	}
	if n.ctx.Err() != nil {
		return nil, false, errClosed
	}
	next := &inquiry{of: b, done: make(chan struct{}), prev: c, readers: 1, keep: w.keep}
	next.ctx, next.cancel = context.WithCancel(n.ctx)
	n.inquiries[*q] = next
	n.work.Go(func() { n.answerInquiry(next, *q) })
	return next, false, nil
}

// suits reports whether an inquiry that has been sent will do: for who has a lease, it
// is not too old, and nothing in the bucket was purged since. Node.mu is held.
func (n *Node) suits(c *inquiry, q *object.Query, w inquiryNeed) bool {
	return w.late > 0 && n.now().Sub(c.sent) < w.late && n.purges.Untouched(q.Key.Bucket, c.note)
}

// leaveInquiry gives a place back. An inquiry that nobody waits for ends.
func (n *Node) leaveInquiry(c *inquiry, q *object.Query) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.readers--; c.readers > 0 {
		return
	}
	if !c.ended {
		c.cancel()
		n.forgetInquiry(c, q)
	} else if c.document != nil {
		c.document.release()
	}
}

// forgetInquiry makes room for the next. Node.mu is held.
func (n *Node) forgetInquiry(c *inquiry, q *object.Query) {
	if n.inquiries[*q] == c {
		delete(n.inquiries, *q)
	}
}

// answerInquiry asks S3 and tells all who wait.
func (n *Node) answerInquiry(c *inquiry, q object.Query) {
	defer c.cancel()
	d, err := n.askDocument(c, &q)
	n.mu.Lock()
	defer n.mu.Unlock()
	c.document, c.err, c.ended = d, err, true
	n.forgetInquiry(c, &q)
	if d != nil {
		if c.keep {
			n.documents.keep(q, d)
		}
		if c.readers == 0 {
			d.release()
		}
	}
	close(c.done)
}

// askDocument asks until there is an answer, or no hope for one.
func (n *Node) askDocument(c *inquiry, q *object.Query) (*document, error) {
	if c.prev != nil {
		<-c.prev.done
		if failed, ok := errors.AsType[*object.OriginError](c.prev.err); ok && failed.Temporary() {
			return nil, c.prev.err // S3 is spared, as for calls
		}
		c.prev = nil
	}
	room, err := n.documents.reserve(c.ctx, q)
	if err != nil {
		return nil, err
	}
	for failures := 1; ; failures++ {
		c.of.retries.budget.asked()
		note := n.sendInquiry(c)
		answer, err := c.of.Origin.Query(c.ctx, *q)
		if err == nil {
			return n.documents.take(answer, note, room)
		}
		if c.of.retries.again(c.ctx, failures, err) != nil {
			n.documents.giveBack(room)
			return nil, asOrigin(err)
		}
	}
}

// sendInquiry notes that S3 is asked now, and which purges are known before it is.
func (n *Node) sendInquiry(c *inquiry) object.Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.sent, c.note = n.now(), n.purges.Note()
	return c.note
}
