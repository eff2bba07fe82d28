package peer

import (
	"slices"
	"sync"
	"time"
)

// conn is a client's connection to a node.
type conn struct {
	wire
	node      string
	idleSince time.Time
}

// pool keeps the connections of a client: all of them, so that Close can end
// them, and by node those that carry no read.
type pool struct {
	maxIdle int           // for each node
	maxAge  time.Duration // how long a connection may be idle

	mu     sync.Mutex
	closed bool
	all    map[*conn]struct{}
	idle   map[string][]*conn // the one used last is last
}

func newPool(maxIdle int, maxAge time.Duration) *pool {
	return &pool{maxIdle: maxIdle, maxAge: maxAge, all: make(map[*conn]struct{}), idle: make(map[string][]*conn)}
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

// get returns the idle connection to node that was used last, or nil.
func (p *pool) get(node string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[node]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	idle[len(idle)-1] = nil
	p.idle[node] = idle[:len(idle)-1]
	return c
}

// put gives a connection back after a complete answer.
func (p *pool) put(c *conn, now time.Time) {
	p.mu.Lock()
	keep := !p.closed && len(p.idle[c.node]) < p.maxIdle
	if keep {
		c.idleSince = now
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
