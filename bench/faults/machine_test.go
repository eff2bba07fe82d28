package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"rookery/admin"
)

const (
	token      = "operators-token"
	publicPort = 8080
	adminPort  = 9080
)

// machine is one node: a namespace, a disk, and a process from time to time.
type machine struct {
	index                   int
	name, space, address    string
	program, file, logFile  string
	process                 *exec.Cmd // nil if it has never run
	ended                   chan struct{}
	lives                   int          // that have begun
	alive                   atomic.Int64 // the present or last one
	operators               *http.Client
	publicURL, operatorsURL string
}

// newMachine writes a node's configuration.
func newMachine(c *cluster, index int) (*machine, error) {
	m := &machine{
		index: index, name: nodeName(index), space: c.network.space(index), address: c.network.address(index),
		program: c.program, operators: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	m.file, m.logFile = filepath.Join(c.dir, m.name+".yaml"), filepath.Join(c.dir, m.name+".log")
	m.publicURL = fmt.Sprintf("http://%s:%d", m.address, publicPort)
	m.operatorsURL = fmt.Sprintf("http://%s:%d", m.address, adminPort)
	var join []string
	for i := range places {
		if i != index {
			join = append(join, c.network.address(i)+":7946")
		}
	}
	return m, os.WriteFile(m.file, fmt.Appendf(nil, `
node: {name: %s, data_dir: %q}
server: {address: %[6]s, port: %[3]d, drain: 2s}
admin: {address: %[6]s, port: %[4]d, token: %[5]s}
cluster: {bind: "%[6]s:7946", peer_bind: "%[6]s:7947", join: [%[7]s], gossip_key: %[8]q, expect: %[9]d, lease: %[11]s}
cache: {memory: 128MiB, disk: 1GiB}
log: {access: false}
buckets:
  - {name: still, s3: {bucket: still, endpoint: %[10]q, anonymous: true}}
  - name: changing
    s3: {bucket: changing, endpoint: %[10]q, anonymous: true}
    cache: {freshness: {default: 0s, stale_while_revalidate: 0s, stale_if_error: 0s}}
  - name: purged
    s3: {bucket: purged, endpoint: %[10]q, anonymous: true, circuit_breaker: {timeout_seconds: 1}}
    cache: {freshness: {default: 24h, negative: 1h}}
`, m.name, filepath.Join(c.dir, m.name), publicPort, adminPort, token, m.address, strings.Join(join, ", "), c.gossipKey, members, c.s3.URL, c.lease), 0o600)
}

// start runs the node on its disk. It dies with this process, however that ends.
func (m *machine) start() error {
	log, err := os.OpenFile(m.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{m.program, "serve", "--config", m.file}
	if m.space != "" {
		args = append([]string{"ip", "netns", "exec", m.space}, args...)
	}
	p := exec.Command(args[0], args[1:]...)
	p.Stdout, p.Stderr = log, log
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // ip becomes the program: it forks nothing
	if err := p.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	m.process, m.ended = p, ended
	m.lives++
	m.alive.Store(int64(m.lives))
	go func() {
		defer close(ended)
		_ = p.Wait() // the exit code tells
	}()
	return nil
}

// life names the process that runs, or the last one that did.
func (m *machine) life() string { return fmt.Sprintf("%s life %d", m.name, m.alive.Load()) }

func (m *machine) signal(s syscall.Signal) error { return m.process.Process.Signal(s) }

func (m *machine) running() bool {
	if m.process == nil {
		return false
	}
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}

// kill ends the node at once, stopped or not, and waits until it is gone.
func (m *machine) kill() {
	if m.running() {
		_ = m.signal(syscall.SIGKILL) // it may have ended by itself
		<-m.ended
	}
}

// terminate asks the node to end in good order.
func (m *machine) terminate(ctx context.Context) error {
	if err := m.signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-m.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end: %w", m.name, ctx.Err())
	}
	if code := m.process.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s: %s, see %s", m.name, m.process.ProcessState, m.logFile)
	}
	return nil
}

// ready asks as a balancer does.
func (m *machine) ready(ctx context.Context) bool {
	response, err := m.get(ctx, m.publicURL+"/ready")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// sees counts the members that the node sees ready.
func (m *machine) sees(ctx context.Context) int {
	response, err := m.get(ctx, m.operatorsURL+"/admin/cluster")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	var seen admin.Cluster
	if json.NewDecoder(response.Body).Decode(&seen) != nil {
		return 0
	}
	count := 0
	for _, member := range seen.Members {
		if member.State == "ready" {
			count++
		}
	}
	return count
}

func (m *machine) get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return m.operators.Do(request)
}
