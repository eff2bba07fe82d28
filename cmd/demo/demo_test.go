package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"rookery/cmd/s3demo"
)

// memberlist's probes end by themselves within a probe's time after its
// Shutdown, and cannot be waited for.
var memberlistsOwn = goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, memberlistsOwn) }

// freePort returns a first port with which a demo of so many nodes can be had. It
// is below those that the system gives to outgoing connections.
func freePort(t *testing.T, nodes int) int {
	t.Helper()
	for range 100 {
		first := 10_000 + rand.IntN(20_000)
		if allFree(portsOf(first, nodes)) {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

// portsOf are the ports of a demo, as the contract with its users has them.
func portsOf(first, nodes int) []int {
	ports := []int{first + 920}
	for i := range nodes {
		ports = append(ports, first+i, first+1000+i)
	}
	return ports
}

func allFree(ports []int) bool {
	for _, port := range ports {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// checked runs a check and returns its table: node and object to the row's words.
func checked(t *testing.T, o Options) map[string][]string {
	t.Helper()
	var out, log bytes.Buffer
	o.Check, o.Port, o.Out, o.Log = true, freePort(t, o.Nodes), &out, &log
	if err := Run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), log.String())
	}
	if !allFree(portsOf(o.Port, o.Nodes)) {
		t.Error("something still listens")
	}
	rows := make(map[string][]string)
	for line := range strings.Lines(out.String()) {
		for _, s := range s3demo.Samples() {
			rest, ok := strings.CutPrefix(line, s.Key+"  ")
			if !ok {
				continue
			}
			words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(rest), size(s.Size)))
			rows[words[0]+" "+s.Key] = words[1:]
		}
	}
	if private := strings.Count(out.String(), ": open to whose token it is, closed to everybody else\n"); private != o.Nodes {
		t.Errorf("the private bucket is right through %d of %d nodes in\n%s", private, o.Nodes, out.String())
	}
	if want := len(s3demo.Samples()) * o.Nodes; len(rows) != want {
		t.Errorf("%d rows of %d in\n%s", len(rows), want, out.String())
	}
	for row, words := range rows {
		if words[len(words)-1] != "right" {
			t.Errorf("%s: %v", row, words)
		}
	}
	return rows
}

// emptyTemp makes the temporary directory one of the test's own, which must be
// empty at its end.
func emptyTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

// What is kept in --dir serves the next run without S3.
func TestCheckTwiceInOneDirectory(t *testing.T) {
	emptyTemp(t)
	o := Options{Nodes: checkedNodes, Dir: t.TempDir()}
	cold := checked(t, o)
	for _, s := range s3demo.Samples() {
		if got := cold["rook-0 "+s.Key]; got[0] != "MISS" || got[1] != "origin" {
			t.Errorf("%s, read first: %v", s.Key, got)
		}
	}
	for row, got := range checked(t, o) {
		if got[0] != "HIT" {
			t.Errorf("%s, kept: %v", row, got)
		}
	}
}

// output is what a demo prints; it tells when the greeting is complete.
type output struct {
	bytes.Buffer
	greeted chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Buffer.Write(p)
	if bytes.HasSuffix(p, []byte("Ctrl-C ends it.\n")) {
		close(o.greeted)
	}
	return n, err
}

func TestADemoEndsWithItsContext(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) { endsWithItsContext(t, nodes) })
	}
}

func endsWithItsContext(t *testing.T, nodes int) {
	emptyTemp(t)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	out := &output{greeted: make(chan struct{})}
	o := Options{Nodes: nodes, Port: freePort(t, nodes), Out: out, Log: io.Discard}
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	select {
	case <-out.greeted:
	case err := <-ended:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range o.Nodes {
		r := reader{"", fmt.Sprintf("http://127.0.0.1:%d", o.Port+i), client}
		if got := r.check(t.Context(), s3demo.Samples()[2]); got.problem != nil {
			t.Error(got.problem)
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !allFree(portsOf(o.Port, o.Nodes)) {
		t.Error("something still listens")
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	emptyTemp(t)
	first := freePort(t, 2)
	for _, port := range portsOf(first, 2) {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		err = Run(t.Context(), Options{Nodes: 2, Port: first, Out: io.Discard, Log: io.Discard})
		l.Close()
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("127.0.0.1:%d", port)) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("port %d is in use: %v", port, err)
		}
		if !allFree(portsOf(first, 2)) {
			t.Errorf("port %d was in use: something listens", port)
		}
	}
}

func TestOptionsThatCannotBeMet(t *testing.T) {
	emptyTemp(t)
	for _, o := range []Options{
		{Nodes: 0, Port: 18080},
		{Nodes: -1, Port: 18080},
		{Nodes: 10, Port: 18080},
		{Nodes: 3, Port: 0},
		{Nodes: 3, Port: -5},
		{Nodes: 3, Port: 65_000},
	} {
		o.Out, o.Log = io.Discard, io.Discard
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--") {
			t.Errorf("%d nodes from port %d: %v", o.Nodes, o.Port, err)
		}
	}
}
