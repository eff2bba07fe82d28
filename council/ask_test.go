package council

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// TestIdleConnections are closed after a while: members come and go.
func TestIdleConnections(t *testing.T) {
	now := time.Unix(1_000, 0)
	dialled := 0
	p := newPool(func(context.Context, string, hello) (net.Conn, error) {
		dialled++
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		return ours, nil
	}, func() time.Time { return now })
	use := func(id string) net.Conn {
		conn, _, err := p.take(t.Context(), id, hello{})
		if err != nil {
			t.Fatal(err)
		}
		p.give(id, conn, true)
		return conn
	}
	gone, stays := use("gone"), use("stays")
	for range 4 {
		now = now.Add(idleFor / 2)
		if again := use("stays"); again != stays {
			t.Error("a connection that is used was not kept")
		}
	}
	if err := gone.SetDeadline(now); err == nil || len(p.idle) != 1 || dialled != 2 {
		t.Errorf("after %v: %v, %d members, %d dialled", 2*idleFor, err, len(p.idle), dialled)
	}
	p.close()
	if err := stays.SetDeadline(now); err == nil {
		t.Error("a closed pool leaves connections open")
	}
	if _, _, err := p.take(t.Context(), "stays", hello{}); !errors.Is(err, errClosed) {
		t.Errorf("a closed pool: %v", err)
	}
}
