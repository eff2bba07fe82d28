package council

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
)

// pool keeps connections for questions. A connection carries one question at a
// time.
type pool struct {
	dial func(ctx context.Context, id string, h hello) (net.Conn, error)

	mu   sync.Mutex
	idle map[string][]net.Conn // by raft id; nil once closed
	busy map[net.Conn]struct{}
}

// maxIdle is how many connections to one member are kept.
const maxIdle = 4

func newPool(dial func(context.Context, string, hello) (net.Conn, error)) *pool {
	return &pool{dial: dial, idle: make(map[string][]net.Conn), busy: make(map[net.Conn]struct{})}
}

// take returns a connection, and whether it was used before.
func (p *pool) take(ctx context.Context, id string, h hello) (conn net.Conn, used bool, err error) {
	p.mu.Lock()
	if p.idle == nil {
		p.mu.Unlock()
		return nil, false, errClosed
	}
	if idle := p.idle[id]; len(idle) > 0 {
		conn = idle[len(idle)-1]
		p.idle[id] = idle[:len(idle)-1]
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
	p.idle[id] = append(p.idle[id], conn)
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
