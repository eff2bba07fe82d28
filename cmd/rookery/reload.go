package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"rookery/cmd/run"
)

// reloads takes the configuration anew when the process is told to by SIGHUP, or the
// file changes, until ctx ends.
type reloads struct {
	hup     chan os.Signal
	changed chan struct{}
	all     sync.WaitGroup
}

// catchHup is to be called first, and stop last: a SIGHUP that nobody catches ends the
// process.
func catchHup() *reloads {
	r := &reloads{hup: make(chan os.Signal, 1), changed: make(chan struct{}, 1)}
	signal.Notify(r.hup, syscall.SIGHUP)
	return r
}

// begin starts to take it anew; file is watched, unless it is "", from what it was when
// it was read. wait waits for the end.
func (r *reloads) begin(ctx context.Context, n *run.Node, file string, was state, log *slog.Logger) {
	if file != "" {
		r.all.Go(func() {
			if err := watch(ctx, file, was, log, r.changed); err != nil {
				log.Warn("a change of the configuration is not noticed: send SIGHUP after it", "err", err)
			}
		})
	}
	r.all.Go(func() {
		for {
			why := "the file has changed"
			select {
			case <-r.hup:
				why = "SIGHUP"
			case <-r.changed:
			case <-ctx.Done():
				return
			}
			log.Info("configuration is read anew", "because", why)
			if err := n.Reload(ctx); errors.Is(err, context.Canceled) {
				return // any other error is in the log already
			}
		}
	})
}

func (r *reloads) wait() { r.all.Wait() }

func (r *reloads) stop() { signal.Stop(r.hup) }
