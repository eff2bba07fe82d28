package peer

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// conn is a client's connection to a node.
type conn struct {
	wire
	node      string
	council   [16]byte // this node's when the two agreed to read
	papers    *papers  // this node's, under which the other was last trusted
	idleSince time.Time
}

// pool keeps the connections of a client: all of them, so that Close can end
// them, and by node those that carry no read. Only a few connections to a node are
// made at once: a thousand asks that come together would else be a thousand
// handshakes together, which starve both nodes until each takes the other for
// dead. Who has to wait gets the first connection that is free, made or used.
type pool struct {
	maxIdle int           // for each node
	maxAge  time.Duration // how long a connection may be idle
	// fits reports whether a connection may still be used: one that was made under
	// another council or for a CA that is trusted no more may not. It must not block;
	// calls are one at a time.
	fits func(*conn) bool

	mu     sync.Mutex
	closed bool
	all    map[*conn]struct{}
	idle   map[string][]*conn // the one used last is last
	queues map[string]*queue
}

// maxDials is how many connections to one node are made at once.
const maxDials = 8

// queue is who makes connections to a node, and who waits for one.
type queue struct {
	dialing int
	waiting []chan turn // each has room for one
}

// turn is what a waiter gets: a connection, or the right to make one (and the duty
// to say when that is over), or why there will be none.
type turn struct {
	conn *conn
	err  error
}

func newPool(maxIdle int, maxAge time.Duration, fits func(*conn) bool) *pool {
	return &pool{
		maxIdle: maxIdle, maxAge: maxAge, fits: fits,
		all: make(map[*conn]struct{}), idle: make(map[string][]*conn), queues: make(map[string]*queue),
	}
}

// add takes a new connection, in use, into the pool. It is false, and the
// connection is not taken, once the pool is closed.
func (p *pool) add(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.all[c] = struct{}{}
	}
	return !p.closed
}

// get returns a connection to node that is in use from now on: the idle one that
// was used last (not if a fresh one is wanted), or one that another read has just
// ended with. nil means that the caller makes one, and calls dialed when that has
// ended, well or not.
func (p *pool) get(ctx context.Context, node string, fresh bool) (*conn, error) {
	p.mu.Lock()
	c, stale := p.takeIdle(node, fresh)
	if c != nil {
		p.mu.Unlock()
		return c, nil
	}
	if len(stale) > 0 {
		p.mu.Unlock()
		for _, c := range stale {
			c.abort()
		}
		p.mu.Lock()
	}
	q := p.queues[node]
	if q == nil {
		q = &queue{}
		p.queues[node] = q
	}
	if q.dialing < maxDials || p.closed {
		q.dialing++
		p.mu.Unlock()
		return nil, nil
	}
	mine := make(chan turn, 1)
	q.waiting = append(q.waiting, mine)
	p.mu.Unlock()
	select {
	case t := <-mine:
		return t.conn, t.err
	case <-ctx.Done():
		p.giveUp(node, mine)
		return nil, ctx.Err()
	}
}

// takeIdle takes the idle connection out that was used last, or, if that one
// fits no more, all of them, for the caller to end. mu is held.
func (p *pool) takeIdle(node string, fresh bool) (c *conn, stale []*conn) {
	idle := p.idle[node]
	if len(idle) == 0 || fresh {
		return nil, nil
	}
	if c = idle[len(idle)-1]; p.fits(c) {
		idle[len(idle)-1] = nil
		p.idle[node] = idle[:len(idle)-1]
		return c, nil
	}
	for _, c := range idle {
		delete(p.all, c)
	}
	delete(p.idle, node)
	return nil, idle
}

// giveUp takes a waiter out of the queue, and passes on what it got meanwhile.
func (p *pool) giveUp(node string, mine chan turn) {
	p.mu.Lock()
	q := p.queues[node]
	if i := slices.Index(q.waiting, mine); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	switch t := <-mine; {
	case t.conn != nil:
		p.put(t.conn, t.conn.idleSince)
	case t.err == nil:
		p.dialed(node)
	}
}

// serve gives a turn to who has waited longest. pool.mu is held.
func (q *queue) serve(t turn) bool {
	if q == nil || len(q.waiting) == 0 {
		return false
	}
	q.waiting[0] <- t
	q.waiting = q.waiting[1:]
	return true
}

// dialed is for who was told to make a connection: the next one may.
func (p *pool) dialed(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queues[node]
	q.dialing--
	for q.dialing < maxDials && q.serve(turn{}) {
		q.dialing++
	}
}

// sendAway tells all who wait for a connection to node why they get none.
func (p *pool) sendAway(node string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queues[node]
	for q.serve(turn{err: err}) { // nobody is left
	}
}

// put gives a connection back after a complete answer.
func (p *pool) put(c *conn, now time.Time) {
	p.mu.Lock()
	c.idleSince = now
	fits := p.fits(c)
	if fits && p.queues[c.node].serve(turn{conn: c}) {
		p.mu.Unlock()
		return
	}
	keep := fits && !p.closed && len(p.idle[c.node]) < p.maxIdle
	if keep {
		p.idle[c.node] = append(p.idle[c.node], c)
	} else {
		delete(p.all, c)
	}
	p.mu.Unlock()
	if !keep {
		c.abort()
	}
}

// drop ends a connection that is in use.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	delete(p.all, c)
	p.mu.Unlock()
	c.abort()
}

// sweep ends the connections that have been idle for too long.
func (p *pool) sweep(now time.Time) {
	var old []*conn
	p.mu.Lock()
	for node, idle := range p.idle {
		fresh := slices.IndexFunc(idle, func(c *conn) bool { return now.Sub(c.idleSince) < p.maxAge })
		if fresh < 0 {
			fresh = len(idle)
			delete(p.idle, node)
		} else {
			p.idle[node] = slices.Clone(idle[fresh:])
		}
		old = append(old, idle[:fresh]...)
	}
	for _, c := range old {
		delete(p.all, c)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.abort()
	}
}

// close ends every connection, in use or not.
func (p *pool) close() {
	p.mu.Lock()
	all := p.all
	p.closed, p.all, p.idle = true, nil, nil
	for _, q := range p.queues {
		for q.serve(turn{err: net.ErrClosed}) { // nobody is left
		}
	}
	p.mu.Unlock()
	for c := range all {
		c.abort()
	}
}

// size returns how many connections there are.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}
