package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"rookery/admin"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// machines are three nodes, each a process with a configuration file of its own.
type machines struct {
	t      *testing.T
	s3     *s3test.Server
	client *http.Client
	nodes  []*machine
}

type machine struct {
	*child
	name, file           string
	public, admin        int // ports
	gossip, peers        int
	publicURL, operators string
	drain                string // "" is none
}

// newMachines starts three nodes and waits until each has all of them ready.
func newMachines(t *testing.T) *machines {
	t.Helper()
	m := &machines{t: t, s3: s3test.Start(t), client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	t.Cleanup(m.client.CloseIdleConnections)
	ports := freePorts(t, 12)
	for i := range 3 {
		m.nodes = append(m.nodes, &machine{
			name: fmt.Sprintf("rook-%d", i), public: ports[i], admin: ports[3+i], gossip: ports[6+i], peers: ports[9+i], drain: "2s",
		})
	}
	for _, n := range m.nodes {
		m.configure(n, strings.Repeat("k", 32))
		n.child = begin(t, "serve", "--config", n.file)
	}
	m.awaitReady()
	return m
}

// configure writes a node's file: it is one of the three, or claims to be.
func (m *machines) configure(n *machine, key string) {
	m.t.Helper()
	var join []string
	for _, other := range m.nodes {
		if other != n {
			join = append(join, fmt.Sprintf("127.0.0.1:%d", other.gossip))
		}
	}
	n.publicURL, n.operators = fmt.Sprintf("http://127.0.0.1:%d", n.public), fmt.Sprintf("http://127.0.0.1:%d", n.admin)
	n.file = writeConfig(m.t, fmt.Sprintf(`
node: {name: %s, data_dir: %q}
server: {address: 127.0.0.1, port: %d, drain: %s}
admin: {port: %d, token: %s}
cluster: {bind: "127.0.0.1:%d", peer_bind: "127.0.0.1:%d", join: ["%s"], gossip_key: "%s", expect: 3}
cache: {memory: 64MiB, disk: 1GiB}
buckets:
  - {name: b, s3: {bucket: b, region: eu-1, endpoint: "%s", access_key: AK, secret_key: SK}}
`, n.name, m.t.TempDir(), n.public, cmp.Or(n.drain, "0s"), n.admin, token, n.gossip, n.peers, strings.Join(join, `", "`),
		base64.StdEncoding.EncodeToString([]byte(key)), m.s3.URL))
}

// ask gets JSON from a node's admin listener; false while there is none.
func (m *machines) ask(n *machine, path string, v any) bool {
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, n.operators+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := m.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(v) == nil
}

// count returns how many members a node sees in a state; "" is any.
func (m *machines) count(n *machine, state string) int {
	var seen admin.Cluster
	m.ask(n, "/admin/cluster", &seen)
	count := 0
	for _, member := range seen.Members {
		if state == "" || member.State == state {
			count++
		}
	}
	return count
}

func (m *machines) awaitReady() {
	m.t.Helper()
	for _, n := range m.nodes {
		until(m.t, n.name+" serves, with three nodes ready", func() bool {
			var r admin.Ready
			n.mustRun()
			return m.ask(n, "/ready", &r) && r.Ready && m.count(n, "ready") == 3
		})
	}
}

// owner returns the node that owns a key, and the others.
func (m *machines) owner(key string) (owner *machine, others []*machine) {
	m.t.Helper()
	var ring admin.Ring
	if !m.ask(m.nodes[0], "/admin/ring?key=b:"+key, &ring) {
		m.t.Fatal("no answer")
	}
	for _, n := range m.nodes {
		if n.name == ring.Owner {
			owner = n
		} else {
			others = append(others, n)
		}
	}
	return owner, others
}

// errCut is an answer that the client knows to be no whole one: no connection, or
// one that broke.
var errCut = errors.New("the connection broke")

// cuts tells the failures of a connection from a body that ends too early.
type cuts struct{ io.Reader }

func (c cuts) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errCut, err)
	}
	return n, err
}

func (m *machines) open(n *machine, o pattern.Object) (*http.Response, error) {
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, n.publicURL+"/b/"+o.Key, nil)
	if err != nil {
		return nil, err
	}
	response, err := m.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{cuts{response.Body}, response.Body}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", n.name, response.Status)
	}
	return response, nil
}

// read reads an object whole and checks each byte.
func (m *machines) read(n *machine, o pattern.Object) error {
	response, err := m.open(n, o)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = o.CheckReader(response.Body, 0, o.Size)
	return err
}

func (m *machines) put(key string, size int64) pattern.Object {
	o := pattern.Object{Bucket: "b", Key: key, Size: size}
	m.s3.Put(o, s3test.Meta{})
	return o
}

// readAll reads every object through every node.
func (m *machines) readAll(all []pattern.Object) {
	m.t.Helper()
	for _, n := range m.nodes {
		for _, o := range all {
			if err := m.read(n, o); err != nil {
				m.t.Errorf("%s: %v", n.name, err)
			}
		}
	}
}

// Three processes are a cluster: it answers while one of them is killed, takes it
// back with what it had, keeps strangers out, and ends in good order.
func TestThreeProcesses(t *testing.T) {
	m := newMachines(t)
	var kept []pattern.Object
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		kept = append(kept, m.put(key, 5000))
	}
	kept = append(kept, m.put("large", 2<<20))
	m.readAll(kept)
	for _, o := range kept {
		if gets := m.s3.Count(http.MethodGet, "b", o.Key); gets != 1 {
			t.Errorf("%s: S3 was asked %d times", o.Key, gets)
		}
	}
	killed := m.killUnderLoad(kept)
	m.restart(killed)
	m.s3.Forget()
	m.readAll(kept)
	for _, r := range m.s3.Requests() {
		t.Errorf("what was kept was asked of S3 again: %s", r)
	}
	m.keepOut()
	m.end()
}

// killUnderLoad kills a node in the middle of an answer of its own, and of one
// that another node gives with its bytes, while clients read through all three.
func (m *machines) killUnderLoad(kept []pattern.Object) (killed *machine) {
	m.t.Helper()
	theirs, own := m.put("theirs", 4<<20), m.put("own", 24<<20)
	gate := m.s3.Hold("b", "theirs", 1<<20+100)
	killed, others := m.owner("theirs")
	through, err := m.open(others[0], theirs)
	if err != nil {
		m.t.Fatal(err)
	}
	defer through.Body.Close()
	direct, err := m.open(killed, own)
	if err != nil {
		m.t.Fatal(err)
	}
	defer direct.Body.Close()
	<-gate.Reached()

	var load sync.WaitGroup
	loaded := make(chan struct{}, 300)
	for range 3 {
		load.Go(func() {
			for range 30 {
				m.readAllWhile(killed, kept)
				loaded <- struct{}{}
			}
		})
	}
	<-loaded
	killed.signal(syscall.SIGKILL)
	<-killed.ended
	gate.Open()
	if _, err := theirs.CheckReader(through.Body, 0, theirs.Size); err != nil {
		m.t.Errorf("an answer that another node gives: %v", err)
	}
	if _, err := own.CheckReader(direct.Body, 0, own.Size); !errors.Is(err, errCut) {
		m.t.Errorf("an answer of the node that was killed: %v", err)
	}
	load.Wait()
	return killed
}

// readAllWhile reads everything through every node, of which one may be killed.
func (m *machines) readAllWhile(killed *machine, all []pattern.Object) {
	for _, o := range all {
		for _, n := range m.nodes {
			err := m.read(n, o)
			if err != nil && (n != killed || !errors.Is(err, errCut)) {
				m.t.Errorf("%s, while %s is killed: %v", n.name, killed.name, err)
			}
		}
	}
}

func (m *machines) restart(n *machine) {
	m.t.Helper()
	for _, other := range m.nodes {
		if other != n {
			until(m.t, other.name+" sees that "+n.name+" failed", func() bool { return m.count(other, "failed") == 1 })
		}
	}
	n.child = begin(m.t, "serve", "--config", n.file)
	m.awaitReady()
}

// keepOut starts a node with another gossip key: it joins nobody.
func (m *machines) keepOut() {
	m.t.Helper()
	ports := freePorts(m.t, 4)
	stranger := &machine{name: "rook-3", public: ports[0], admin: ports[1], gossip: ports[2], peers: ports[3]}
	m.configure(stranger, strings.Repeat("x", 32))
	stranger.child = begin(m.t, "serve", "--config", stranger.file)
	until(m.t, "it tried to join all of them", func() bool {
		return strings.Count(stranger.stderr.String(), "could not reach a node to join") >= 3
	})
	for _, n := range append(m.nodes, stranger) {
		want := 3
		if n == stranger {
			want = 1
		}
		if got := m.count(n, ""); got != want {
			m.t.Errorf("%s sees %d members, want %d", n.name, got, want)
		}
	}
	var r admin.Ready
	if m.ask(stranger, "/ready", &r) && r.Ready {
		m.t.Error("it is ready, without the others")
	}
	stranger.signal(syscall.SIGTERM)
	stranger.exits(exitDone)
}

// drains asks a node to end: while it drains it is not ready, and still serves.
func (m *machines) drains(n *machine) {
	m.t.Helper()
	n.signal(syscall.SIGTERM)
	until(m.t, "it is not ready any more", func() bool { return m.status(n, "/ready") == http.StatusServiceUnavailable })
	if status := m.status(n, "/b/no such object"); status != http.StatusNotFound {
		m.t.Errorf("a draining node answered %d", status)
	}
}

// status asks the clients' port; 0 while there is none.
func (m *machines) status(n *machine, path string) int {
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, n.publicURL+(&url.URL{Path: path}).EscapedPath(), nil)
	if err != nil {
		m.t.Fatal(err)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// end asks all nodes to end.
func (m *machines) end() {
	m.t.Helper()
	m.drains(m.nodes[0])
	m.client.CloseIdleConnections()
	for _, n := range m.nodes[1:] {
		n.signal(syscall.SIGTERM)
	}
	for _, n := range m.nodes {
		n.exits(exitDone)
		for _, port := range []int{n.public, n.admin, n.gossip, n.peers} {
			if !isFree(port) {
				m.t.Errorf("%s has ended, and something listens at %d", n.name, port)
			}
		}
	}
}
