package run_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/admin"
	"rookery/certs"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
	"rookery/object"
	"rookery/peer"
	"rookery/ring"
)

// keyLines is the text of a file of gossip keys, each told by a letter.
func keyLines(letters string) []byte {
	var text bytes.Buffer
	for i := range len(letters) {
		fmt.Fprintln(&text, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{letters[i]}, 32)))
	}
	return text.Bytes()
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	next := path + ".next" // whole or not at all
	if err := os.WriteFile(next, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// proven is a cluster whose nodes know each other by files in a folder of their own.
type proven struct {
	*testCluster
	folders map[string]string // by the node's name
}

func (p *proven) file(i int, name string) string {
	return filepath.Join(p.folders[fmt.Sprintf("rook-%d", i)], name)
}

func newProven(t *testing.T, files func(node string) map[string][]byte, change change) *proven {
	t.Helper()
	p := &proven{folders: map[string]string{}}
	for i := range 3 {
		name := fmt.Sprintf("rook-%d", i)
		p.folders[name] = t.TempDir()
		for file, text := range files(name) {
			writeFile(t, filepath.Join(p.folders[name], file), text)
		}
	}
	p.testCluster = newCluster(t, 3, func(cfg *config.Config, o *run.Options) {
		o.Loopback = true
		o.LookAtFiles(20 * time.Millisecond)
		dir := p.folders[cfg.Node.Name]
		if _, err := os.Stat(filepath.Join(dir, "gossip")); err == nil {
			cfg.Cluster.GossipKey, cfg.Cluster.GossipKeyFile = nil, filepath.Join(dir, "gossip")
		}
		if _, err := os.Stat(filepath.Join(dir, "tls.crt")); err == nil {
			cfg.Cluster.PeerTLS = &config.PeerTLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
		}
		if change != nil {
			change(cfg, o)
		}
	})
	return p
}

// figure is a metric's value at node i, as the page has it.
func (c *testCluster) figure(i int, name string) string {
	c.t.Helper()
	_, page := c.operators(i, "/metrics", nil)
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// load reads new objects through all nodes, so that most reads go from node to node,
// until it is told to stop, which returns how many there were and how many failed. flow
// waits for some more of them.
func (c *testCluster) load() (flow func(), stop func() (reads, failed int64)) {
	over := make(chan struct{})
	var readers sync.WaitGroup
	var reads, failed atomic.Int64
	for r := range 2 * len(c.nodes) {
		readers.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-over:
					return
				default:
				}
				o := c.put(fmt.Sprintf("load/%d/%d", r, k), 2000, s3test.Meta{})
				if _, err := c.fetch(r%len(c.nodes), o, 0, o.Size); err != nil {
					failed.Add(1)
					c.t.Error(err)
				}
				reads.Add(1)
			}
		})
	}
	flow = func() {
		enough := reads.Load() + 30
		until(c.t, "reads flow", func() bool { return reads.Load() >= enough || failed.Load() > 0 })
	}
	return flow, func() (int64, int64) {
		close(over)
		readers.Wait()
		return reads.Load(), failed.Load()
	}
}

// taken waits until each node has taken a number of changes of files.
func (c *testCluster) taken(files string, times int) {
	c.t.Helper()
	for i := range c.nodes {
		until(c.t, fmt.Sprintf("rook-%d takes change %d of %s", i, times, files), func() bool {
			return c.figure(i, fmt.Sprintf("rookery_file_reloads_total{files=%q}", files)) == fmt.Sprint(times)
		})
	}
}

// undisturbed checks that no node was lost, no ring changed and nothing was fetched twice.
func (c *testCluster) undisturbed(ringChanges []string) {
	c.t.Helper()
	for i := range c.nodes {
		if got := c.figure(i, "rookery_ring_changes_total"); got != ringChanges[i] {
			c.t.Errorf("rook-%d: %s ring changes, %s before", i, got, ringChanges[i])
		}
		if lost := c.logged(i, "cluster member is failed", nil); len(lost) > 0 {
			c.t.Errorf("rook-%d: %v", i, lost)
		}
		for _, refused := range []string{`rookery_peer_refused_total{role="client",reason="certificate"}`, `rookery_gossip_refused_total{reason="key"}`} {
			if got := c.figure(i, refused); got != "0" {
				c.t.Errorf("rook-%d: %s %s", i, refused, got)
			}
		}
	}
}

func (c *testCluster) ringChanges() (all []string) {
	for i := range c.nodes {
		all = append(all, c.figure(i, "rookery_ring_changes_total"))
	}
	return all
}

// TestGossipKeysRotateUnderLoad: three keys, each added, used and removed on all nodes.
func TestGossipKeysRotateUnderLoad(t *testing.T) {
	c := newProven(t, func(string) map[string][]byte { return map[string][]byte{"gossip": keyLines("a")} }, nil)
	before := c.ringChanges()
	flow, stop := c.load()
	for step, keys := range []string{"ab", "ba", "b", "bc", "cb", "c"} {
		for i := range c.nodes {
			writeFile(t, c.file(i, "gossip"), keyLines(keys))
		}
		c.taken("gossip_keys", step+1)
		flow()
	}
	// A bad file: what was in use stays, and who looks is told.
	writeFile(t, c.file(0, "gossip"), []byte("not a key"))
	until(t, "the bad file is told", func() bool {
		return c.figure(0, `rookery_file_reload_errors_total{files="gossip_keys"}`) == "1"
	})
	fresh := c.put("afterwards", 5_000, s3test.Meta{})
	for i := range c.nodes {
		c.read(i, fresh)
	}
	reads, failed := stop()
	t.Logf("%d reads, %d failed", reads, failed)
	c.undisturbed(before)
	told := c.logged(0, "changed files are not taken, what was in use stays", map[string]any{"files": "gossip_keys"})
	if len(told) != 1 || !strings.Contains(fmt.Sprint(told), "line 1: not base64") {
		t.Errorf("the log tells %v", told)
	}
	for _, lines := range c.logs {
		for _, line := range lines.lines() {
			if strings.Contains(fmt.Sprint(line), strings.TrimSpace(string(keyLines("a")))) {
				t.Fatalf("a key is in the log: %v", line)
			}
		}
	}
}

// TestCAsRotateUnderLoad: nodes of an own PKI get certificates of another CA, by way of
// both at once.
func TestCAsRotateUnderLoad(t *testing.T) {
	first, second := newCA(t), newCA(t)
	c := newProven(t, first.files, nil)
	before := c.ringChanges()
	flow, stop := c.load()
	both := append(append([]byte{}, first.Cert...), second.Cert...)
	steps := []func(node string) map[string][]byte{
		func(string) map[string][]byte { return map[string][]byte{"ca.crt": both} },
		func(node string) map[string][]byte {
			files := second.files(node)
			delete(files, "ca.crt")
			return files
		},
		func(string) map[string][]byte { return map[string][]byte{"ca.crt": second.Cert} },
	}
	for step, change := range steps {
		for i := range c.nodes {
			for name, text := range change(fmt.Sprintf("rook-%d", i)) {
				writeFile(t, c.file(i, name), text)
			}
		}
		c.taken("peer_tls", step+1)
		flow()
	}
	fresh := c.put("afterwards", 5_000, s3test.Meta{})
	for i := range c.nodes {
		c.read(i, fresh)
	}
	reads, failed := stop()
	t.Logf("%d reads, %d failed", reads, failed)
	c.undisturbed(before)
	if left := c.figure(0, "rookery_peer_certificate_expiry_seconds"); !strings.HasPrefix(left, "359") {
		t.Errorf("the certificate of an hour is valid for %s s", left)
	}
	// One that names another node is not taken, and neither is one that has expired.
	for name, text := range second.files("rook-7") {
		writeFile(t, c.file(0, name), text)
	}
	until(t, "the other's certificate is refused", func() bool {
		return c.figure(0, `rookery_file_reload_errors_total{files="peer_tls"}`) == "1"
	})
	c.read(0, fresh)
	var health struct{ State string }
	if c.operators(0, "/health", &health); health.State != "degraded" {
		t.Errorf("a certificate that ends within the day: health is %q", health.State)
	}
}

// ca is a test's PKI.
type ca struct {
	t *testing.T
	*certs.Issued
}

func newCA(t *testing.T) ca {
	t.Helper()
	made, err := certs.NewCA("test", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca{t, made}
}

func (c ca) files(node string) map[string][]byte {
	c.t.Helper()
	n, err := certs.NewNode(c.Issued, node, nil, time.Now(), time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	return map[string][]byte{"tls.crt": n.Cert, "tls.key": n.Key, "ca.crt": c.Cert}
}

// TestClustersOfTwoLabelsStayApart: two clusters on one network with the same key, which
// are told of each other.
func TestClustersOfTwoLabelsStayApart(t *testing.T) {
	prod := newCluster(t, 2, func(cfg *config.Config, o *run.Options) {
		o.Loopback, cfg.Cluster.Label, cfg.Cluster.Expect = true, "prod", 2
	})
	other := unstarted(t, 1, func(cfg *config.Config, o *run.Options) {
		o.Loopback, cfg.Cluster.Label, cfg.Cluster.Expect = true, "test", 1
		cfg.Cluster.Join = append(cfg.Cluster.Join, prod.gossip...)
	})
	other.start(0, "127.0.0.1:0")
	until(t, "prod hears of the stranger", func() bool { return prod.figure(0, `rookery_gossip_refused_total{reason="label"}`) != "0" })
	for _, c := range []*testCluster{prod, other} {
		for i := range c.nodes {
			var seen admin.Cluster
			if c.operators(i, "/admin/cluster", &seen); len(seen.Members) != len(c.nodes) {
				t.Errorf("members %+v, want %d", seen.Members, len(c.nodes))
			}
		}
	}
	if told := prod.logged(0, "gossip refused: it has another cluster.label than this node", nil); len(told) != 1 {
		t.Errorf("the log tells %v", told)
	}
}

// TestAForgottenMemberIsRefused, with a certificate that is good: gossip has lost it and
// the council forgotten it. Nor is a name let in that was never a member's.
func TestAForgottenMemberIsRefused(t *testing.T) {
	c := newCluster(t, 3, func(_ *config.Config, o *run.Options) { o.Loopback = true })
	var seen admin.Cluster
	c.operators(0, "/admin/cluster", &seen)
	refused := func(name string) bool {
		id, err := peer.DeriveIdentity([][]byte{bytes.Repeat([]byte{7}, 32)}, "", name, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		client := peer.NewClient(peer.ClientOptions{
			Self: name, Identity: id, Fingerprint: ring.Fingerprint(),
			Resolve: func(string) (string, bool) { return seen.Members[0].PeerAddress, true },
		})
		defer client.Close()
		_, err = client.Open(t.Context(), "rook-0", &object.Ask{Key: object.Key{Bucket: "no such", Name: "o"}, HeadOnly: true})
		if stranger := strings.Contains(err.Error(), "not_a_member"); stranger || errors.Is(err, object.ErrUnknownBucket) {
			return stranger
		}
		t.Fatal(err)
		return false
	}
	if refused("rook-2") || !refused("rook-7") {
		t.Fatal("members are let in, and nobody else")
	}
	if err := c.nodes[2].Crash(); err != nil {
		t.Error(err)
	}
	c.nodes[2] = nil
	until(t, "gossip loses it", func() bool {
		c.operators(0, "/admin/cluster", &seen)
		return len(seen.Members) == 3 && seen.Members[2].State == "failed"
	})
	if refused("rook-2") {
		t.Error("a member that was lost a moment ago is refused")
	}
	if status := c.post(0, "/admin/forget", `{"name": "rook-2"}`, nil); status != 200 {
		t.Fatalf("forget: %d", status)
	}
	until(t, "it is refused", func() bool { return refused("rook-2") })
}
