package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"rookery/ring"
)

// version is set by the linker (-X main.version=…) in a release; without it the
// build information says what there is.
var version string

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON for machines."`
}

// Help is the end of what --help prints.
func (versionCmd) Help() string { return "Example:\n\n\trookery version --json\n" }

// Run prints the build. It asks no node.
func (c *versionCmd) Run(p *process) error {
	b := readBuild()
	if c.JSON {
		return printJSON(p.stdout, b)
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "rookery\t%s\n", b.Version)
	fmt.Fprintf(table, "commit\t%s\n", orNone(b.Commit))
	fmt.Fprintf(table, "go\t%s %s\n", b.Go, b.Platform)
	fmt.Fprintf(table, "ring\t%s\n", b.Ring)
	return table.Flush()
}

// build is what a binary was made from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // "" when it was not built in a checkout; ends in -dirty when that had changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Ring is the scheme that decides owners. Nodes whose schemes differ do not
	// read from each other.
	Ring string `json:"ring"`
}

func readBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Ring: ring.Fingerprint()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Commit = s.Value + b.Commit
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Commit += "-dirty"
		}
	}
	return b
}
