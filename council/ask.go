package council

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// pool keeps connections for questions. A connection carries one question at a
// time.
type pool struct {
	dial func(ctx context.Context, id string, h hello) (net.Conn, error)
	now  func() time.Time

	mu    sync.Mutex
	idle  map[string][]idle // by raft id; nil once closed
	busy  map[net.Conn]struct{}
	swept time.Time
}

// idle is a connection that nobody uses, and since when.
type idle struct {
	net.Conn
	since time.Time
}

// maxIdle is how many connections to one member are kept, and idleFor for how long:
// members come and go.
const (
	maxIdle = 4
	idleFor = time.Minute
)

func newPool(dial func(context.Context, string, hello) (net.Conn, error), now func() time.Time) *pool {
	return &pool{dial: dial, now: now, idle: make(map[string][]idle), busy: make(map[net.Conn]struct{})}
}

// take returns a connection, and whether it was used before.
func (p *pool) take(ctx context.Context, id string, h hello) (conn net.Conn, used bool, err error) {
	p.mu.Lock()
	if p.idle == nil {
		p.mu.Unlock()
		return nil, false, errClosed
	}
	if conns := p.idle[id]; len(conns) > 0 {
		conn = conns[len(conns)-1].Conn
		p.idle[id] = conns[:len(conns)-1]
		p.busy[conn] = struct{}{}
		p.mu.Unlock()
		return conn, true, nil
	}
	p.mu.Unlock()
	conn, err = p.dial(ctx, id, h)
	if err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		conn.Close()
		return nil, false, errClosed
	}
	p.busy[conn] = struct{}{}
	return conn, false, nil
}

// give takes a connection back.
func (p *pool) give(id string, conn net.Conn, well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ours := p.busy[conn]
	delete(p.busy, conn)
	if !well || !ours || p.idle == nil || len(p.idle[id]) >= maxIdle {
		conn.Close()
		return
	}
	now := p.now()
	p.idle[id] = append(p.idle[id], idle{conn, now})
	if now.Sub(p.swept) > idleFor/2 {
		p.swept = now
		p.sweep(now)
	}
}

// sweep closes what has not been used for long. mu is held.
func (p *pool) sweep(now time.Time) {
	for id, conns := range p.idle {
		for len(conns) > 0 && now.Sub(conns[0].since) > idleFor { // the oldest is the first
			conns[0].Close()
			conns = conns[1:]
		}
		if p.idle[id] = conns; len(conns) == 0 {
			delete(p.idle, id)
		}
	}
}

// drop closes all connections: they are another council's.
func (p *pool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conns := range p.idle {
		for _, conn := range conns {
			conn.Close()
		}
	}
	for conn := range p.busy {
		conn.Close()
	}
	clear(p.idle)
	clear(p.busy)
}

func (p *pool) close() {
	p.drop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = nil
}

// ask asks a member. Every question may be asked twice, so one that meets a
// connection that has died in the pool is.
func (s *seat) ask(ctx context.Context, id string, q *request) (*answer, error) {
	for {
		conn, used, err := s.c.pool.take(ctx, id, hello{line: lineAsk, council: s.own.council})
		if err != nil {
			return &answer{}, err
		}
		a, err := converse(ctx, conn, q)
		s.c.pool.give(id, conn, err == nil)
		if err == nil {
			return a, a.err()
		}
		if !used || ctx.Err() != nil {
			return &answer{}, fmt.Errorf("ask %s for %s: %w", nameOf(id), q.Op, err)
		}
	}
}

// converse asks one question over a connection.
func converse(ctx context.Context, conn net.Conn, q *request) (*answer, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	b, err := json.Marshal(q)
	if err == nil {
		err = writeFrame(conn, b)
	}
	if err == nil {
		b, err = readFrame(conn, maxAnswerBytes)
	}
	a := new(answer)
	if err == nil {
		err = json.Unmarshal(b, a)
	}
	if !stop() && err == nil { // it is being closed
		err = ctx.Err()
	}
	return a, err
}
