package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"rookery/admin"
)

type forgetCmd struct {
	nodeFlags
	Name string `arg:"" help:"The node's name."`
}

// Help is the end of what --help prints.
func (forgetCmd) Help() string {
	return "Purges wait for it no more, and it counts no more for a quorum. A node that comes back is a new member. Nodes that\n" +
		"are gone for cluster.forget_after are forgotten without this. It takes as long as the node may still hold a lease.\n\n" +
		"Example:\n\n\trookery forget rook-7\n"
}

// Run has a member removed from the council.
func (c *forgetCmd) Run(ctx context.Context, p *process) error {
	node := c.client().patient()
	defer node.close()
	var answer admin.Forgotten
	if err := node.post(ctx, "/admin/forget", map[string]string{"name": c.Name}, &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, answer)
	}
	_, err := fmt.Fprintf(p.stdout, "%s is forgotten\n", answer.Forgotten)
	return err
}

type councilCmd struct {
	New councilNewCmd `cmd:"" help:"Start a council with a new id, of which the node is the first voter."`
}

type councilNewCmd struct {
	nodeFlags
	Yes bool `help:"Do not ask."`
}

// Help is the end of what --help prints.
func (councilNewCmd) Help() string {
	return "For a cluster whose council has lost more than half of its voters for good. The nodes that see the new council leave\n" +
		"the old one for it. What they hold is confirmed with S3 before it is served again. Never do it while the old one may\n" +
		"come back: purges that it alone knows are lost. It takes as long as a lease of the old one may still run.\n\n" +
		"Example:\n\n\trookery council new --admin http://rook-0:9080\n"
}

// Run starts a new council, if that is really meant.
func (c *councilNewCmd) Run(ctx context.Context, p *process) error {
	node := c.client().patient()
	defer node.close()
	if !c.Yes {
		if err := c.confirm(ctx, node, p); err != nil {
			return err
		}
	}
	var answer admin.CouncilView
	if err := node.post(ctx, "/admin/council/new", nil, &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, answer)
	}
	_, err := fmt.Fprintf(p.stdout, "council %s, %s\n", answer.ID, councilText(answer))
	return err
}

// confirm shows what there is and asks. Only "yes" means it.
func (c *councilNewCmd) confirm(ctx context.Context, node *client, p *process) error {
	var now admin.Cluster
	if err := node.get(ctx, "/admin/cluster", &now); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "The council of this node: %s.\nStart a new one in its place? Purges that only the old one knows are lost. Type yes: ",
		councilText(now.Council))
	line, _ := bufio.NewReader(p.stdin).ReadString('\n') // an end is no yes
	if strings.TrimSpace(line) != "yes" {
		return errors.New("not confirmed: nothing was done")
	}
	return nil
}
