package main

import (
	"context"
	"fmt"

	"rookery/cmd/run"
	"rookery/config"
)

type checkCmd struct {
	Config string `required:"" help:"The configuration file." placeholder:"FILE"`
}

// Help is the end of what --help prints.
func (checkCmd) Help() string {
	return "Errors go to stderr as file:line:column: message, one a line.\n\nExample:\n\n\trookery check --config deploy/single.yaml\n"
}

// Run prints the effective configuration. What has no effect is told on stderr
// and fails nothing.
func (c *checkCmd) Run(ctx context.Context, p *process) error {
	cfg, warnings, err := config.Load(c.Config, p.getenv)
	for _, w := range warnings {
		fmt.Fprintf(p.stderr, "%s:%d:%d: warning: %s\n", w.File, w.Line, w.Column, w.Message)
	}
	if err != nil {
		return err
	}
	if err := run.Check(ctx, cfg); err != nil {
		return err
	}
	_, err = p.stdout.Write(cfg.Effective())
	return err
}
