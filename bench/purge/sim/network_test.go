package sim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"rookery/object"
)

const (
	// latency is what a message between nodes takes at the most.
	latency = 2 * time.Millisecond
	// unanswered is how long a node waits for one that it does not reach, patience
	// how long for one that it has reached.
	unanswered = 150 * time.Millisecond
	patience   = time.Second
)

// gate is what a stopped process is: nothing comes in and nothing goes out, until
// it goes on and finds all that has been waiting. Its clock has gone on.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // nil while it is open, else closed when it opens
}

// stop and goOn never fail; what is done to a host may.
func (g *gate) stop() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
	return nil
}

func (g *gate) goOn() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
	return nil
}

func (g *gate) stopped() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open != nil
}

// pass waits while the process is stopped.
func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open == nil {
		return ctx.Err()
	}
	select {
	case <-open:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// network says which hosts reach each other.
type network struct {
	mu  sync.Mutex
	cut map[[2]string]bool
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

func (n *network) reaches(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.cut[pair(a, b)]
}

// split cuts every link between the two sides.
func (n *network) split(side, other []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range side {
		for _, b := range other {
			n.cut[pair(a, b)] = true
		}
	}
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}

// rest lets a time pass, or less if ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// travel is the way of a message from one host to another: it leaves one that is
// not stopped, and is read by one that is not stopped.
func (n *network) travel(ctx context.Context, from, to *host) error {
	if err := from.gate.pass(ctx); err != nil {
		return err
	}
	slow := time.Duration(max(from.lag.Load(), to.lag.Load()))
	if err := rest(ctx, rand.N(latency+slow)); err != nil {
		return err
	}
	if !n.reaches(from.name, to.name) {
		return errLost
	}
	return to.gate.pass(ctx)
}

var errLost = fmt.Errorf("the network is cut: %w", object.ErrUnreachable)

// peers is one node's way to the others.
type peers struct {
	world *world
	own   *host
}

// Open asks another node. Who is cut off, stopped or killed gives no answer; the
// asker finds out after some time.
func (p *peers) Open(ctx context.Context, name string, ask *object.Ask) (*object.Answer, error) {
	other := p.world.hosts[name]
	waiting, cancel := context.WithTimeout(ctx, unanswered)
	defer cancel()
	if err := p.world.network.travel(waiting, p.own, other); err != nil {
		<-waiting.Done()
		return nil, lost(ctx)
	}
	running := other.running()
	if running == nil {
		return nil, lost(ctx) // the connection is refused
	}
	a, err := running.node.OpenLocal(ctx, ask) // the answer may take as long as S3 does
	if err == nil {
		a.OwnerSource = a.Source
		if a.Body != nil {
			a.Body = &peerBody{ReadCloser: a.Body, ctx: ctx, peers: p, other: other, running: running}
		}
	}
	back, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if way := p.world.network.travel(back, other, p.own); way != nil || other.running() != running {
		if err == nil && a.Body != nil {
			a.Body.Close()
		}
		return nil, lost(ctx)
	}
	return a, err
}

// lost is what an asker sees of a node that gives no answer.
func lost(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return object.ErrUnreachable
}

// peerBody comes behind its answer, and breaks with the connection.
type peerBody struct {
	io.ReadCloser
	ctx     context.Context
	peers   *peers
	other   *host
	running *instance
	came    bool
}

func (b *peerBody) Read(p []byte) (int, error) {
	if !b.came {
		b.came = true
		if err := b.peers.world.network.travel(b.ctx, b.other, b.peers.own); err != nil {
			return 0, lost(b.ctx)
		}
	}
	n, err := b.ReadCloser.Read(p)
	reaches := b.peers.world.network.reaches(b.peers.own.name, b.other.name)
	if !reaches || b.other.running() != b.running || b.other.gate.pass(b.ctx) != nil || b.peers.own.gate.pass(b.ctx) != nil {
		return 0, lost(b.ctx)
	}
	return n, err
}
