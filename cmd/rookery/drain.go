package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"rookery/admin"
)

type drainCmd struct {
	nodeFlags
	Wait time.Duration `help:"How long to wait until it has ended; ${default} if not given. With 0 it is enough that it has begun." default:"1m" placeholder:"TIME"`
}

// Help is the end of what --help prints.
func (drainCmd) Help() string {
	return "The node leaves the ring and is not ready any more, serves on for server.drain so that balancers notice, finishes\n" +
		"what it serves, and exits with 0: as after SIGTERM.\n\n" +
		"Example:\n\n\trookery drain --admin http://rook-2:9080\n"
}

// Validate refuses what could never be waited for.
func (c *drainCmd) Validate() error {
	if c.Wait < 0 {
		return errors.New("--wait must not be negative")
	}
	return nil
}

// Run ends the node and waits until nobody answers there.
func (c *drainCmd) Run(ctx context.Context, p *process) error {
	node := c.client()
	defer node.close()
	expired := time.After(c.Wait)
	var answer admin.Draining
	if err := node.post(ctx, "/admin/drain", nil, &answer, http.StatusAccepted); err != nil {
		return err
	}
	if err := c.tell(p.stdout, "draining", answer); err != nil || c.Wait == 0 {
		return err
	}
	for {
		var ready admin.Ready
		err := node.get(ctx, "/ready", &ready, http.StatusServiceUnavailable)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errNoAnswer) {
			return c.tell(p.stdout, "ended", nil)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-expired:
			return fmt.Errorf("%s has not ended after %v; it goes on draining", node.base, c.Wait)
		case <-time.After(pollInterval):
		}
	}
}

// tell prints a word for people, or the answer, if there is one, for machines.
func (c *drainCmd) tell(w io.Writer, word string, answer any) error {
	if !c.JSON {
		_, err := fmt.Fprintln(w, word)
		return err
	}
	if answer == nil {
		return nil
	}
	return printJSON(w, answer)
}
