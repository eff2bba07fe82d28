// Package nodes runs a cluster of nodes as processes of their own on loopback,
// for benchmarks that measure what a node takes. Who starts them stops them.
package nodes

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyWithin = 30 * time.Second
	endWithin   = 10 * time.Second
)

// Options are what a benchmark decides of its cluster.
type Options struct {
	Program   string // rookery
	Nodes     int
	Dir       string // for configurations and caches
	OriginURL string
	Bucket    string // at the origin and at the nodes
	MemoryMiB int64  // cache.memory of each
	DiskMiB   int64  // cache.disk of each
	Logs      bool   // show them
	// Buckets, if not "", are the buckets as YAML, in place of Bucket.
	Buckets string
	// Domain, if not "", turns on virtual-host style below it.
	Domain string
}

// Process is a node in a process of its own.
type Process struct {
	Name         string
	Client       string // address for clients
	Admin        string // address for operators
	gossip, peer string
	command      *exec.Cmd
	ended        chan error // its exit
}

// Pid is the process's number.
func (n *Process) Pid() int { return n.command.Process.Pid }

// Start starts the cluster and waits until each node may serve. The nodes that it
// returns beside an error are to be stopped too.
func Start(ctx context.Context, o Options) ([]*Process, error) {
	program, err := filepath.Abs(o.Program)
	if err != nil {
		return nil, err
	}
	planned := make([]*Process, o.Nodes)
	for i := range planned {
		if planned[i], err = newNode(i); err != nil {
			return nil, err
		}
	}
	key := make([]byte, 32)
	rand.Read(key)
	var started []*Process
	for i, n := range planned {
		text := n.config(o)
		if o.Nodes > 1 {
			text += n.clusterConfig(o.Nodes, planned[0].gossip, base64.StdEncoding.EncodeToString(key))
		}
		file := filepath.Join(o.Dir, n.Name+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return started, err
		}
		if err := n.start(program, file, o.Logs); err != nil {
			return started, fmt.Errorf("start %s: %w", program, err)
		}
		started = planned[:i+1]
	}
	for _, n := range started {
		if err := n.awaitReady(ctx); err != nil {
			return started, fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	return started, nil
}

// newNode plans a node on ports that are free at this moment.
func newNode(i int) (*Process, error) {
	n := &Process{Name: fmt.Sprintf("rook-%d", i), ended: make(chan error, 1)}
	for _, address := range []*string{&n.Client, &n.Admin, &n.gossip, &n.peer} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		*address = ln.Addr().String()
	}
	return n, nil
}

func (n *Process) config(o Options) string {
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	domain := ""
	if o.Domain != "" {
		domain = ", domain: " + o.Domain
	}
	if o.Buckets == "" {
		o.Buckets = fmt.Sprintf(`
  - name: %[1]s
    path_prefix: /%[1]s
    s3: {bucket: %[1]s, region: us-east-1, endpoint: %[2]q, anonymous: true, path_style: true}
`, o.Bucket, o.OriginURL)
	}
	return fmt.Sprintf(`
node: {name: %s, data_dir: %q}
server: {address: 127.0.0.1, port: %s, drain: 0s%s}
admin: {address: 127.0.0.1, port: %s}
cache: {memory: %dMiB, disk: %dMiB}
log: {access: false, level: warn}
buckets:
%s`, n.Name, filepath.Join(o.Dir, n.Name), port(n.Client), domain, port(n.Admin), o.MemoryMiB, o.DiskMiB, o.Buckets)
}

func (n *Process) clusterConfig(nodes int, first, key string) string {
	return fmt.Sprintf("cluster: {bind: %q, peer_bind: %q, join: [%q], gossip_key: %q, expect: %d}\n", n.gossip, n.peer, first, key, nodes)
}

func (n *Process) start(program, file string, logs bool) error {
	n.command = exec.Command(program, "serve", "--config", file)
	if logs {
		n.command.Stdout, n.command.Stderr = os.Stderr, os.Stderr
	}
	// With the terminal's Ctrl-C it is this program that ends the nodes.
	n.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.command.Start(); err != nil {
		return err
	}
	go func() { n.ended <- n.command.Wait() }()
	return nil
}

// awaitReady asks the node until it may serve.
func (n *Process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if ready(ctx, client, "http://"+n.Admin+"/ready") {
			return nil
		}
		select {
		case <-again.C:
		case err := <-n.ended:
			n.ended <- err // for who stops it
			return errors.Join(errors.New("ended before it was ready (-logs shows why)"), err)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		}
	}
}

func ready(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && response.StatusCode == http.StatusOK
}

// Stop asks every node to end, and kills those that do not.
func Stop(nodes []*Process) error {
	var errs []error
	for _, n := range nodes {
		_ = n.command.Process.Signal(syscall.SIGTERM) // one that has ended says so below
	}
	late := time.NewTimer(endWithin)
	defer late.Stop()
	for _, n := range nodes {
		var err error
		select {
		case err = <-n.ended:
		case <-late.C:
			late.Reset(0) // for the nodes that are left
			err = errors.Join(errors.New("did not end in time"), n.command.Process.Kill(), <-n.ended)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}
