package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"rookery/admin"
)

type purgeCmd struct {
	nodeFlags
	Bucket *string       `help:"The bucket. Alone it means all of it." placeholder:"NAME"`
	Key    []string      `sep:"none" help:"The name of an object, in all its versions. May be given again." placeholder:"NAME"`
	Prefix *string       `help:"Every object whose name begins so." placeholder:"TEXT"`
	Tag    []string      `sep:"none" help:"Every object with this tag. May be given again." placeholder:"TAG"`
	All    bool          `help:"Everything, in every bucket."`
	Soft   bool          `help:"Mark stale only: it is served while S3 is asked for a newer one."`
	ID     *string       `name:"id" help:"Your name for the purge. With the same one and the same scope it is the same purge." placeholder:"ID"`
	Wait   time.Duration `help:"How long to wait until no node serves it any more; ${default} if not given. With 0 it is enough that the purge is kept." default:"1m" placeholder:"TIME"`
}

// Help is the end of what --help prints.
func (purgeCmd) Help() string {
	return "It prints each node when it has applied the purge. It fails when that takes longer than --wait; the purge goes on\n" +
		"then, and the same command with --id goes on waiting for it.\n\n" +
		"Example:\n\n\trookery purge --bucket products --prefix img/2024/\n\trookery purge --bucket products --key a.jpg --key b.jpg --soft\n"
}

const (
	// askedWait is how long one request to the node may wait for the purge.
	askedWait = 2 * time.Second
	// pollInterval is how often the node is asked after that.
	pollInterval = 250 * time.Millisecond
	// maxFailedPolls is how often in a row it may not know: leaders change, and a
	// node may be away for a moment.
	maxFailedPolls = 20
)

// Validate makes a wrong scope wrong usage. An empty value is one: it comes from a
// variable that was not set, and must not mean the whole bucket.
func (c *purgeCmd) Validate() error {
	scopes := 0
	for _, given := range []bool{len(c.Key) > 0, c.Prefix != nil, len(c.Tag) > 0, c.All} {
		if given {
			scopes++
		}
	}
	empty := func(text *string) bool { return text != nil && *text == "" }
	switch {
	case empty(c.Bucket) || empty(c.Prefix) || empty(c.ID) || slices.Contains(c.Key, "") || slices.Contains(c.Tag, ""):
		return errors.New("--bucket, --key, --prefix, --tag and --id must not be empty")
	case scopes > 1:
		return errors.New("give one of --key, --prefix, --tag and --all")
	case c.All && c.Bucket != nil:
		return errors.New("--all means every bucket: give it without --bucket")
	case !c.All && c.Bucket == nil:
		return errors.New("say what to purge: --bucket, with --key, --prefix or --tag for less than all of it; or --all")
	case c.Wait < 0:
		return errors.New("--wait must not be negative")
	}
	return nil
}

// body is the request. The id is made here, so that it is known whatever becomes of
// the answer.
func (c *purgeCmd) body() map[string]any {
	body := map[string]any{"id": rand.Text(), "wait": min(c.Wait, askedWait).String()}
	if c.ID != nil {
		body["id"] = *c.ID
	}
	if c.Bucket != nil {
		body["bucket"] = *c.Bucket
	}
	if c.Soft {
		body["soft"] = true
	}
	switch {
	case c.All:
		body["all"] = true
	case len(c.Key) == 1:
		body["key"] = c.Key[0]
	case len(c.Key) > 1:
		body["keys"] = c.Key
	case c.Prefix != nil:
		body["prefix"] = *c.Prefix
	case len(c.Tag) > 0:
		body["tags"] = c.Tag
	}
	return body
}

// Run purges and waits.
func (c *purgeCmd) Run(ctx context.Context, p *process) error {
	node := c.client()
	defer node.close()
	out := purgeProgress{w: p.stdout}
	if c.JSON {
		out.w = io.Discard
	}
	body := c.body()
	last, err := c.follow(ctx, node, body, &out)
	if err != nil {
		return fmt.Errorf("purge %s: %w", body["id"], err)
	}
	if c.JSON {
		err = printJSON(p.stdout, last)
	} else {
		err = out.end(last)
	}
	if err == nil && !last.Complete && c.Wait > 0 {
		err = fmt.Errorf("not complete after %v, waiting for %s; the purge goes on: run the same with --id %s to go on waiting",
			c.Wait, waitingFor(last), last.ID)
	}
	return err
}

// follow sends the purge and asks how far it is until it is complete or the time is
// up. It returns the last answer.
func (c *purgeCmd) follow(ctx context.Context, node *client, body map[string]any, out *purgeProgress) (*admin.Purge, error) {
	expired := time.After(c.Wait)
	last, id := new(admin.Purge), body["id"]
	if err := node.post(ctx, "/admin/cache/purge", body, last, http.StatusAccepted); err != nil {
		return nil, err
	}
	if last.ID != id {
		return nil, fmt.Errorf("%s answers for purge %q: it is no node, or something between changes what it says", node.base, last.ID)
	}
	for failed := 0; ; {
		if err := out.show(last); err != nil || last.Complete {
			return last, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-expired:
			return last, nil
		case <-time.After(pollInterval):
		}
		next := new(admin.Purge)
		err := node.get(ctx, "/admin/cache/purges/"+url.PathEscape(last.ID), next, http.StatusAccepted)
		switch {
		case err == nil && next.ID == id:
			last, failed = next, 0
		case failed == maxFailedPolls:
			return nil, cmp.Or(err, fmt.Errorf("%s answers for purge %q", node.base, next.ID))
		default:
			failed++
		}
	}
}

// purgeProgress prints a purge's nodes as they come.
type purgeProgress struct {
	w     io.Writer
	begun bool
	told  []string
	kept  bool // said that there is no quorum
}

func (o *purgeProgress) show(p *admin.Purge) error {
	var text strings.Builder
	if !o.begun {
		o.begun = true
		fmt.Fprintf(&text, "purge %s\n", p.ID)
	}
	if p.Number == 0 && !p.Complete && !o.kept {
		o.kept = true
		text.WriteString("kept by the node until the council has a quorum\n")
	}
	for _, n := range p.Nodes {
		if (!n.Applied && !n.Excused) || slices.Contains(o.told, n.Name) {
			continue
		}
		o.told = append(o.told, n.Name)
		if n.Applied {
			fmt.Fprintf(&text, "%s  applied after %d ms\n", n.Name, n.MS)
		} else {
			fmt.Fprintf(&text, "%s  away, without a lease: serves nothing unconfirmed\n", n.Name)
		}
	}
	_, err := io.WriteString(o.w, text.String())
	return err
}

func (o *purgeProgress) end(p *admin.Purge) error {
	text := "complete\n"
	if !p.Complete {
		text = "pending: " + waitingFor(p) + "\n"
	}
	_, err := io.WriteString(o.w, text)
	return err
}

func waitingFor(p *admin.Purge) string {
	switch {
	case p.Number == 0:
		return "a quorum of the council"
	case len(p.Pending) == 0:
		return "leases to end"
	}
	return strings.Join(p.Pending, ", ")
}
