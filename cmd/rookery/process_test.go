package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asRookery makes this test binary behave as rookery: a process of its own with
// the same code, race detector included.
const asRookery = "ROOKERY_TEST_PROCESS"

// child is rookery running as a process of its own.
type child struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *text
	ended          chan struct{}
}

// begin starts rookery with a command line. It is killed at the latest when the
// test ends.
func begin(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], args...), stdout: new(text), stderr: new(text), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), asRookery+"=1")
	c.cmd.Stdout, c.cmd.Stderr = c.stdout, c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // the exit code tells
	}()
	t.Cleanup(func() {
		c.signal(syscall.SIGKILL)
		<-c.ended
		if t.Failed() {
			t.Logf("%v\n%s", args, c.stderr)
		}
	})
	return c
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) } // it may have ended

// mustRun ends the test if the process has ended.
func (c *child) mustRun() {
	c.t.Helper()
	select {
	case <-c.ended:
		c.t.Fatalf("ended: %v", c.cmd.ProcessState)
	default:
	}
}

// exits waits for the process to end by itself, and checks its exit code.
func (c *child) exits(code int) {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		c.t.Fatalf("still runs: %v", c.cmd.Args[1:])
	}
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d (%v), want %d: %s", got, c.cmd.ProcessState, code, c.stderr)
	}
}

// text is what a process writes, to be read while it does.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// until waits for something that other processes bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}

// freePorts returns ports of loopback that nobody listens on, below those that
// the system gives to outgoing connections.
func freePorts(t *testing.T, count int) []int {
	t.Helper()
	var ports []int
	for tries := 0; len(ports) < count; tries++ {
		if tries == 1000 {
			t.Fatal("no free ports")
		}
		if port := 10_000 + rand.IntN(20_000); isFree(port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// isFree reports whether neither TCP nor UDP of a port is in use.
func isFree(port int) bool {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	l.Close()
	p, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	p.Close()
	return true
}

// lastLine is the last line of a text.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return lines[len(lines)-1]
}
