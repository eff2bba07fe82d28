package main

import (
	"context"
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
	return "SIGHUP makes it take its configuration anew, as does a change of the file: entirely, or not at all.\n" +
		"SIGINT and SIGTERM end it: it leaves the ring, serves on for server.drain so that balancers notice,\n" +
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
	load := func() (*config.Config, []config.Warning, error) { return config.Load(c.Config, p.getenv) }
	reloads, was := catchHup(), stateOf(c.Config)
	defer reloads.stop()
	cfg, warnings, err := load()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level)
	log := newLog(p.stderr, cfg.Log, level)
	run.LogWarnings(log, warnings)
	debug.SetMemoryLimit(cfg.Cache.MemoryBytes + beyondCache)
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	n, err := run.Start(ctx, cfg, run.Options{Version: readBuild().Version, Log: log, Level: level, Load: load, Drain: drain})
	if err != nil {
		return err
	}
	file := ""
	if cfg.Reload.Watch {
		file = c.Config
	}
	reloads.begin(ctx, n, file, was, log)
	<-ctx.Done()
	reloads.wait()
	wait := n.Config().Server.Drain
	log.Info("draining", "node", cfg.Node.Name, "for", wait.String())
	n.Drain()
	<-time.After(wait) // a second signal ends the process at once
	log.Info("ending", "node", cfg.Node.Name)
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	return n.Close(finish)
}

func newLog(w io.Writer, l config.Log, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if l.JSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
