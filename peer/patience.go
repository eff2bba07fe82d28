package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// maxSilences is for how many times FirstByte one connection may be silent while
// its node gives signs of life on others: both are busy then, not dead.
const maxSilences = 5

// patience ends a handshake with a node that is silent for FirstByte.
type patience struct {
	mu    sync.Mutex
	timer *time.Timer
	done  bool // the handshake ended first
	over  bool // the connection was ended
}

// expectLife begins to watch over a handshake on raw.
func (c *Client) expectLife(ctx context.Context, node string, raw net.Conn) *patience {
	p := &patience{}
	began, silences := c.opts.Now(), 0
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(c.opts.FirstByte, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.done {
			return
		}
		silences++
		alive := c.vitals.alive(node, began)
		if alive && silences < maxSilences {
			began = c.opts.Now()
			p.timer.Reset(c.opts.FirstByte)
			return
		}
		p.over = true
		_ = raw.SetDeadline(time.Unix(1, 0)) // it fails on a connection that has ended
		if !alive {
			c.lost(ctx, node, fmt.Errorf("handshake: %w", os.ErrDeadlineExceeded))
		}
	})
	return p
}

// stop ends the watch. It is false if that has ended the connection.
func (p *patience) stop() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.done = true
	return !p.over
}
