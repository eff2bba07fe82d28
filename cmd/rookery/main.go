// Command rookery is the whole of Rookery in one binary: it checks
// configurations and asks running nodes through their admin listeners. It wires
// rooms together and owns nothing else; it alone reads the environment, catches
// signals and exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"rookery/config"
)

// The exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// process is what a command may use of the process around it.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(name string) (value string, ok bool)
}

// cli is the grammar of the command line: a field for each command, which
// lives in the file of its name.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Run a whole cluster and an S3 origin here, to try it."`
	Serve   serveCmd   `cmd:"" help:"Run one node."`
	Check   checkCmd   `cmd:"" help:"Check a configuration file and print what it means, secrets masked."`
	Status  statusCmd  `cmd:"" help:"Show a node's health, its cluster and its cache."`
	Purge   purgeCmd   `cmd:"" help:"Purge objects from every node, and wait until none serves them."`
	Ring    ringCmd    `cmd:"" help:"Show which node owns an object."`
	Drain   drainCmd   `cmd:"" help:"Take a node out of the ring and end it."`
	Forget  forgetCmd  `cmd:"" help:"Remove a node that will not come back."`
	Council councilCmd `cmd:"" help:"Start a new council, where the old one is lost."`
	Certs   certsCmd   `cmd:"" help:"Make a CA and the nodes' certificates, for clusters without a PKI."`
	Sign    signCmd    `cmd:"" help:"Make a signed URL, with which a browser may read one object for a while."`
	Version versionCmd `cmd:"" help:"Print what this binary was built from."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks, the second one kills
	code := runCommand(ctx, os.Args[1:], &process{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.LookupEnv})
	stop()
	os.Exit(code)
}

// runCommand parses args, runs the one command they name, and returns the exit code.
func runCommand(ctx context.Context, args []string, p *process) int {
	helped := false
	parser, err := kong.New(&cli{},
		kong.Name("rookery"),
		kong.Description("Rookery: a clustered read cache in front of S3."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { helped = true }), // kong exits by itself only after --help
		kong.Resolvers(flagsFromEnvironment(p.getenv)),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
	)
	if err != nil {
		fmt.Fprintf(p.stderr, "rookery: the command line's grammar is broken: %v\n", err)
		return exitFailed
	}
	command, err := parse(parser, args)
	if helped {
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "rookery: %v\nSee: rookery --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		report(p.stderr, err)
		return exitFailed
	}
	return exitDone
}

// parse refuses what is not UTF-8: on its way through kong, and in JSON, it would become
// another text, and so the name of another object, say.
func parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	for _, arg := range args {
		if !utf8.ValidString(arg) {
			return nil, fmt.Errorf("%q is not UTF-8", arg)
		}
	}
	return parser.Parse(args)
}

// report prints what stopped a command. Errors of a configuration come as
// file:line:column, one a line, as editors and CI read them.
func report(stderr io.Writer, err error) {
	var lines config.Errors
	if errors.As(err, &lines) {
		fmt.Fprintln(stderr, lines)
		return
	}
	fmt.Fprintf(stderr, "rookery: %v\n", err)
}
