package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"rookery/admin"
	"rookery/object"
)

type ringCmd struct {
	nodeFlags
	Offset    uint64    `help:"A place in the object, in bytes. Each 64 MiB have an owner of their own." default:"0" placeholder:"BYTES"`
	VersionID string    `help:"The version of the object, as S3 names it." placeholder:"ID"`
	Key       keyOfArgs `arg:"" help:"The object, as bucket:name."`
}

// Help is the end of what --help prints.
func (ringCmd) Help() string {
	return "Example:\n\n\trookery ring 'public:photos/a b.jpg' --offset 67108864\n"
}

// Run asks a node who owns the key.
func (c *ringCmd) Run(ctx context.Context, p *process) error {
	query := url.Values{"key": {c.Key.String()}, "offset": {strconv.FormatUint(c.Offset, 10)}}
	if c.VersionID != "" {
		query.Set("versionId", c.VersionID)
	}
	node := c.client()
	defer node.close()
	var answer admin.Ring
	if err := node.get(ctx, "/admin/ring?"+query.Encode(), &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, answer)
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tEXTENT\tOWNER\tSUCCESSORS")
	fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", answer.Key, answer.Extent,
		orNone(answer.Owner), orNone(strings.Join(answer.Successors, ", ")))
	return table.Flush()
}

// keyOfArgs is an object's key on the command line. A malformed one counts as
// wrong usage.
type keyOfArgs struct{ object.Key }

// UnmarshalText reads bucket:name.
func (k *keyOfArgs) UnmarshalText(text []byte) (err error) {
	k.Key, err = admin.ParseKey(string(text))
	return err
}

// orNone keeps an empty cell of a table from looking like a mistake.
func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
