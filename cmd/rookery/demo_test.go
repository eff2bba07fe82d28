package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Ctrl-C ends the demo and leaves nothing behind; until then the lines that it
// prints can be pasted.
func TestDemoUntilCtrlC(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	first := demoPort(t)
	c := begin(t, "demo", "--port", fmt.Sprint(first))
	until(t, "the greeting is complete", func() bool {
		c.mustRun()
		return strings.Contains(c.stdout.String(), "Ctrl-C ends it.\n")
	})
	t.Run("curl", func(t *testing.T) { pasteCurlLines(t, c.stdout.String()) })
	c.signal(syscall.SIGINT)
	c.exits(exitDone)
	for _, port := range demoPorts(first) {
		if !isFree(port) {
			t.Errorf("the demo has ended, and something listens at %d", port)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if c.stderr.String() != "" {
		t.Errorf("stderr: %s", c.stderr)
	}
}

// demoPorts are the ports of a demo of three nodes, as the contract with its
// users has them.
func demoPorts(first int) []int {
	return []int{first, first + 1, first + 2, first + 1000, first + 1001, first + 1002, first + 920}
}

func demoPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		first := freePorts(t, 1)[0]
		if !slices.ContainsFunc(demoPorts(first), func(port int) bool { return !isFree(port) }) {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func pasteCurlLines(t *testing.T, greeting string) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl here")
	}
	want := []string{"X-Cache: MISS", "X-Cache: HIT", "HTTP/1.1 206", "HTTP/1.1 403", "HTTP/1.1 200", "HTTP/1.1 403", `"owner"`, `"chunks"`, "rookery_origin_requests_total"}
	for line := range strings.Lines(greeting) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		out, err := exec.Command("sh", "-c", line).CombinedOutput()
		if err != nil || len(want) == 0 || !strings.Contains(string(out), want[0]) {
			t.Errorf("%s\n%v, want %v\n%s", line, err, want, out)
		}
		want = want[min(1, len(want)):]
	}
	if len(want) != 0 {
		t.Errorf("no line for %v", want)
	}
}

func TestDemoRefusesWhatItCannotDo(t *testing.T) {
	r := rookery(t, nil, "demo", "--port", "0")
	if r.code != exitUsage || !strings.Contains(r.stderr, "--port 0") {
		t.Errorf("%+v", r)
	}
	if r = rookery(t, nil, "demo", "--nodes", "10"); r.code != exitUsage || !strings.Contains(r.stderr, "--nodes 10") {
		t.Errorf("%+v", r)
	}
}
