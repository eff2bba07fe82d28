package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"rookery/cmd/run"
	"rookery/config"
)

type serveCmd struct {
	Config string `required:"" help:"The configuration file." placeholder:"FILE"`
}

// Help is the end of what --help prints.
func (serveCmd) Help() string {
	return "SIGINT and SIGTERM end it: it leaves the ring, serves on for server.drain so that balancers notice,\n" +
		"finishes what it serves (30 s at most) and exits with 0. A second signal ends it at once.\n\n" +
		"Example:\n\n\trookery serve --config /etc/rookery/rookery.yaml\n"
}

// finishTime is how long requests in progress may take once the node is told
// to end: as long as Kubernetes waits by default before it kills.
const finishTime = 30 * time.Second

// beyondCache is what a node needs beside cache.memory: the program itself, its
// stacks, and room for the collector to work in.
const beyondCache = 80 << 20

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, p *process) error {
	cfg, warnings, err := config.Load(c.Config, p.getenv)
	if err != nil {
		return err
	}
	log := newLog(p.stderr, cfg.Log)
	for _, w := range warnings {
		log.Warn("configuration", "at", fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Column), "warning", w.Message)
	}
	debug.SetMemoryLimit(cfg.Cache.MemoryBytes + beyondCache)
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	n, err := run.Start(ctx, cfg, run.Options{Version: readBuild().Version, Log: log, Drain: drain})
	if err != nil {
		return err
	}
	<-ctx.Done()
	log.Info("draining", "node", cfg.Node.Name, "for", cfg.Server.Drain.String())
	n.Drain()
	<-time.After(cfg.Server.Drain) // a second signal ends the process at once
	log.Info("ending", "node", cfg.Node.Name)
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	return n.Close(finish)
}

func newLog(w io.Writer, l config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: l.Level}
	if l.JSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
