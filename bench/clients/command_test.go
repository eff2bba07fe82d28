package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
)

// client is a program of others that speaks S3.
type client struct {
	name    string
	program string
	version []string // arguments that make it tell its version
	// prepare returns what the program needs to be sent to a place: environment, and
	// what it has written into its home.
	prepare func(home string, p place) (env []string, err error)
	stories []story
}

// story is some commands in one directory, the same for every place. What they wrote is
// compared at the end.
type story struct {
	name     string
	commands [][]string
	// last, if not nil, is what the last command must print; "" is nothing at all.
	last *string
	// refused: the last command writes, and is for nodes alone. It must fail, with one of
	// these words, and soon.
	refused []string
	// fails: the last command fails everywhere, with one of these words.
	fails []string
	env   []string
}

// outcome is what a story came to.
type outcome struct {
	said string // what all commands printed
	last string // what the last one printed
	code int    // its exit code
	took time.Duration
	tree map[string]string // path → size and hash
}

const (
	// refusedWithin is what a client may take to tell its user that nothing can be
	// written here: it must not take the refusal for one that passes.
	refusedWithin = 10 * time.Second
	commandWithin = time.Minute
)

// tell runs a story against a place.
func (c *client) tell(t *testing.T, s story, p place) outcome {
	t.Helper()
	home, dir := t.TempDir(), t.TempDir()
	env, err := c.prepare(home, p)
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "HOME="+home, "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC")
	for _, e := range s.env {
		env = append(env, at(e, home, p))
	}
	if err := os.WriteFile(filepath.Join(home, "upload"), make([]byte, 6*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	var o outcome
	tidy := strings.NewReplacer(p.url(), "URL", p.address, "ADDRESS", dir, "DIR", home, "HOME")
	for _, args := range s.commands {
		ctx, cancel := context.WithTimeout(t.Context(), commandWithin)
		args = slices.Clone(args)
		for i := range args {
			args[i] = at(args[i], home, p)
		}
		cmd := exec.CommandContext(ctx, c.program, args...)
		cmd.Env, cmd.Dir = env, dir
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		began := time.Now()
		err := cmd.Run()
		cancel()
		o.took = time.Since(began)
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatalf("%s: %v", c.name, err)
		}
		o.code = cmd.ProcessState.ExitCode()
		o.last = volatile.ReplaceAllString(tidy.Replace(said.String()), "…")
		o.said += "$ " + strings.Join(args, " ") + "\n" + o.last + "\n"
	}
	o.said = tidy.Replace(o.said)
	if o.tree, err = treeOf(dir); err != nil {
		t.Fatal(err)
	}
	return o
}

// volatile is what differs from one run to the next: request ids, times of the log, speeds.
var volatile = regexp.MustCompile(`(?i)request id: [^,\s]*|host id: [^,\s]*|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |[┌│├└].*\n|\(\d+ bytes in [^)]*\)`)

// at fills in where a program is sent to, and the home that it has.
func at(s, home string, p place) string {
	return strings.NewReplacer("{url}", p.url(), "{address}", p.address, "{home}", home).Replace(s)
}

// treeOf is what lies in a directory.
func treeOf(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%d bytes %x", len(b), xxh3.Hash128(b).Bytes())
		return err
	})
	return all, err
}
