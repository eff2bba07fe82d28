package main

import (
	"context"

	"rookery/cmd/demo"
)

type demoCmd struct {
	Nodes int    `default:"3" help:"How many nodes (1 to 9)."`
	Port  int    `default:"8080" help:"The first gateway's port P; the others take P+1…, the admin listeners P+1000…, the origin P+920."`
	Dir   string `help:"Keep the nodes' data here; the default is a temporary directory that is removed at the end." placeholder:"DIR"`
	Check bool   `help:"Read every sample object through every node, compare each byte, print a table, and end."`
}

// Help is the end of what --help prints.
func (demoCmd) Help() string {
	return "An S3 origin with sample objects and a cluster of real nodes, all on loopback in this one process.\n\n" +
		"Example:\n\n\trookery demo --port 8080\n\trookery demo --check\n"
}

// Validate makes options that cannot be had wrong usage.
func (c *demoCmd) Validate() error { return demo.Options{Nodes: c.Nodes, Port: c.Port}.Validate() }

// Run runs the demo until ctx ends, or until its check has.
func (c *demoCmd) Run(ctx context.Context, p *process) error {
	return demo.Run(ctx, demo.Options{
		Nodes: c.Nodes, Port: c.Port, Dir: c.Dir, Check: c.Check,
		Version: readBuild().Version, Out: p.stdout, Log: p.stderr,
	})
}
