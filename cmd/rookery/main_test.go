package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rookery/admin"
	"rookery/object"
)

// TestMain is rookery itself where a test has started this binary as such.
func TestMain(m *testing.M) {
	if os.Getenv(asRookery) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

const token = "s3cret-token"

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// rookery runs one command line in this process, with env as its environment.
func rookery(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	code := runCommand(t.Context(), args, &process{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: getenv})
	return result{code, stdout.String(), stderr.String()}
}

// isDone checks that the command succeeded and printed exactly this.
func (r result) isDone(t *testing.T, stdout string) {
	t.Helper()
	if r.code != exitDone || r.stderr != "" {
		t.Errorf("exit code %d, stderr: %s", r.code, r.stderr)
	}
	if r.stdout != stdout {
		t.Errorf("stdout:\n%s\nwant:\n%s", r.stdout, stdout)
	}
}

// node is a running node's admin listener, and env the environment that finds
// it.
func node(t *testing.T, change func(*admin.Options)) (env map[string]string) {
	t.Helper()
	opts := admin.Options{
		Token: token, Buckets: []string{"public"},
		Health: func() admin.Health { return admin.Health{State: admin.HealthOK, Node: "rook-0", Version: "v1"} },
		Ready:  func() admin.Ready { return admin.Ready{Ready: true} },
		Cluster: func() admin.Cluster {
			return admin.Cluster{Fingerprint: "scheme", Members: []admin.Member{
				{Name: "rook-0", State: "ready", Zone: "eu-1a", PeerAddress: "10.0.0.1:7947", Version: "v1"},
				{Name: "rook-1", State: "joining"},
			}}
		},
		Owners: func(_ object.Key, extent int64) []string { return []string{"rook-1", "rook-0"}[extent:] },
		Stats: func() admin.Stats {
			return admin.Stats{
				Disk: admin.Disk{CapacityBytes: 50 << 30, UsedBytes: 3 << 29, Segments: 24},
				Hot:  admin.Hot{CapacityBytes: 256 << 20, UsedBytes: 1000, Entries: 3},
				Reads: admin.Reads{
					Hot: admin.Tier{Hits: 10, Misses: 20}, Disk: admin.Tier{Hits: 15, Misses: 5},
					Bypassed: 1, Collapsed: 7, Origin: admin.Origin{Requests: 5, Bytes: 5 << 20},
				},
			}
		},
		Held:         func(object.Key) (admin.Held, bool) { return admin.Held{}, false },
		WriteMetrics: func(io.Writer) {},
		Now:          time.Now,
		Log:          slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&opts)
	}
	srv := httptest.NewServer(admin.New(opts))
	t.Cleanup(srv.Close)
	return map[string]string{"ROOKERY_ADMIN": srv.URL, "ROOKERY_TOKEN": token}
}

func TestEveryCommandHelps(t *testing.T) {
	for _, command := range []string{"demo", "serve", "check", "status", "purge", "ring", "drain", "forget", "council new", "sign", "version"} {
		r := rookery(t, nil, append(strings.Fields(command), "--help")...)
		if r.code != exitDone || r.stderr != "" || !strings.Contains(r.stdout, "Example:") || !strings.Contains(r.stdout, "rookery "+command) {
			t.Errorf("%s: %+v", command, r)
		}
	}
	r := rookery(t, nil, "--help")
	if r.code != exitDone || !strings.Contains(r.stdout, "check ") || !strings.Contains(r.stdout, "version ") {
		t.Errorf("%+v", r)
	}
}

// A token in the environment must not show on the screen.
func TestHelpKeepsTheToken(t *testing.T) {
	r := rookery(t, map[string]string{"ROOKERY_TOKEN": token}, "status", "--help")
	if r.code != exitDone || strings.Contains(r.stdout, token) || !strings.Contains(r.stdout, "$ROOKERY_TOKEN") {
		t.Errorf("%+v", r)
	}
}

func TestWrongUsage(t *testing.T) {
	cases := []struct {
		args   string
		stderr string
	}{
		{"", "expected one of"},
		{"nosuch", "nosuch"},
		{"status --nosuch", "--nosuch"},
		{"status extra", "extra"},
		{"status --admin 127.0.0.1:9080", "like http://127.0.0.1:9080"},
		{"status --admin ftp://x", "like http://127.0.0.1:9080"},
		{"status --admin http://user:pw@x", "like http://127.0.0.1:9080"},
		{"ring", "<key>"},
		{"ring nokey", "bucket:name"},
		{"ring public:", "empty name"},
		{"ring public:a --offset=-1", "--offset"},
		{"ring public:a --offset=x", "--offset"},
		{"check", "--config"},
		{"demo --nodes 0", "--nodes 0"},
		{"demo --port 99999", "--port 99999"},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			r := rookery(t, nil, strings.Fields(c.args)...)
			if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, c.stderr) {
				t.Errorf("got %+v, want %q", r, c.stderr)
			}
		})
	}
}

func TestWrongEnvironmentIsWrongUsage(t *testing.T) {
	r := rookery(t, map[string]string{"ROOKERY_ADMIN": "localhost"}, "status")
	if r.code != exitUsage || !strings.Contains(r.stderr, `"localhost"`) {
		t.Errorf("%+v", r)
	}
}

// brokenPipe stands for a stdout that takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestOutputThatGoesNowhereFails(t *testing.T) {
	env := node(t, func(o *admin.Options) { o.Council, o.Drain = done(), func() {} })
	getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for _, args := range []string{
		"status", "status --json", "ring public:a", "ring public:a --json", "version", "version --json",
		"purge --all", "purge --all --json", "forget a", "forget a --json", "council new --yes", "council new --yes --json", "drain --wait 0",
	} {
		var stderr bytes.Buffer
		code := runCommand(context.Background(), strings.Fields(args), &process{stdout: brokenPipe{}, stderr: &stderr, getenv: getenv})
		if code != exitFailed || !strings.Contains(stderr.String(), os.ErrClosed.Error()) {
			t.Errorf("%s: exit code %d, stderr %s", args, code, stderr.String())
		}
	}
}
