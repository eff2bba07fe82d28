package run_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
)

// alone makes a node a cluster of its own.
func alone(cfg *config.Config, _ *run.Options) { cfg.Cluster.GossipKey = nil }

// probe asks both listeners of node i for a path, and wants one status of both.
func (c *testCluster) probe(i int, path string, status int) {
	c.t.Helper()
	u := &url.URL{Scheme: "http", Host: c.nodes[i].PublicAddr().String(), Path: path}
	public, text := c.do(i, http.MethodGet, u, nil)
	operators, _ := c.operators(i, path, nil)
	if public.StatusCode != status || operators != status || strings.ContainsAny(text, "{:") {
		c.t.Errorf("%s: %d %q to clients, %d to operators, want %d, and no reasons for clients", path, public.StatusCode, text, operators, status)
	}
}

func TestANodeIsReadyWhenTheOthersAreThere(t *testing.T) {
	c := unstarted(t, 2, nil)
	c.start(0, "127.0.0.1:0")
	c.probe(0, "/health", http.StatusOK)
	c.probe(0, "/ready", http.StatusServiceUnavailable)
	var r admin.Ready
	if c.operators(0, "/ready", &r); len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "cluster.expect") {
		t.Errorf("reasons: %q", r.Reasons)
	}
	c.start(1, "127.0.0.1:0")
	c.awaitReady()
	for i := range c.nodes {
		c.probe(i, "/ready", http.StatusOK)
		c.probe(i, "/health", http.StatusOK)
	}
}

// What a node has begun it finishes before it ends, and meanwhile says so.
func TestADrainingNodeFinishesWhatItServes(t *testing.T) {
	c := newCluster(t, 1, alone)
	o := c.put("slow", 2*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "slow", 100)
	response := c.mustBegin(t.Context(), 0, o)
	defer response.Body.Close()
	target := c.target(0, "slow")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.close(0)
	}()
	node := c.nodes[0]
	until(t, "the node drains", func() bool { return !node.Ready() })
	var r admin.Ready
	if status, _ := c.in(t).operators(0, "/ready", &r); status != http.StatusServiceUnavailable || !slices.Contains(r.Reasons, "the node is draining") {
		t.Errorf("while it drains: /ready: %d, %q", status, r.Reasons)
	}
	until(t, "new clients are refused", func() bool {
		other := http.Client{Transport: &http.Transport{}}
		again, err := other.Head(target.String())
		if err == nil {
			again.Body.Close()
		}
		other.CloseIdleConnections()
		return err != nil
	})
	gate.Open()
	if _, err := o.CheckReader(response.Body, 0, o.Size); err != nil {
		t.Error(err)
	}
	<-closed
}

// A client that takes longer than the node has is cut off, and sees it.
func TestAnAnswerIsCutWhereTheTimeToFinishEnds(t *testing.T) {
	c := newCluster(t, 1, alone)
	o := c.put("slow", 2*mib, s3test.Meta{})
	c.s3.Hold(bucket, "slow", 100)
	response := c.mustBegin(t.Context(), 0, o)
	defer response.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.nodes[0].Close(ctx); err != nil {
		t.Error(err)
	}
	c.nodes[0] = nil
	if n, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Errorf("%d bytes of %d look complete", n, o.Size)
	}
}

// A node whose disk takes nothing passes bytes through, and says that it does.
func TestANodeWhoseDiskFailsIsDegraded(t *testing.T) {
	c := newCluster(t, 1, alone)
	segments := filepath.Join(c.dirs[0], "cache", "segments")
	if err := os.Remove(segments); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segments, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := c.put("passed", 3*mib, s3test.Meta{})
	for range 2 {
		c.read(0, o)
	}
	var h admin.Health
	if status, _ := c.operators(0, "/health", &h); status != http.StatusOK || h.State != admin.HealthDegraded || len(h.Reasons) != 1 {
		t.Errorf("/health: %d, %+v", status, h)
	}
	c.probe(0, "/ready", http.StatusOK)
	if page := c.metrics(0); page["rookery_disk_full"] != 1 {
		t.Error("rookery_disk_full is not 1")
	}
}

// sample is a line of the Prometheus text format without a time.
var sample = regexp.MustCompile(`^([a-z_][a-z0-9_]*(?:\{(?:[A-Za-z_]+="(?:[^"\\]|\\.)*"(?:, ?)?)*\})?) (\S+)$`)

// metrics reads node i's page. Every line of it must be a sample of its own.
func (c *testCluster) metrics(i int) map[string]float64 {
	c.t.Helper()
	_, text := c.operators(i, "/metrics", nil)
	page := make(map[string]float64)
	for line := range strings.Lines(text) {
		m := sample.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			c.t.Errorf("not a sample: %q", line)
			continue
		}
		value, err := strconv.ParseFloat(m[2], 64)
		if _, twice := page[m[1]]; err != nil || twice {
			c.t.Errorf("not a number, or there before: %q", line)
		}
		page[m[1]] = value
	}
	return page
}

var documented = regexp.MustCompile("`(rookery_[a-z0-9_]+)`")

// ofFiles are the metrics of files, and of a policy server, that this test's nodes do not have.
var ofFiles = map[string]bool{
	"rookery_peer_certificate_expiry_seconds": true, "rookery_admin_certificate_expiry_seconds": true,
	"rookery_file_reloads_total": true, "rookery_file_reload_errors_total": true,
	"rookery_tls_certificate_expires_seconds": true, "rookery_tls_reloads_total": true,
	"rookery_opa_requests_total": true, "rookery_opa_cached_total": true, "rookery_opa_duration_seconds": true,
}

func TestEveryDocumentedMetricIsThere(t *testing.T) {
	withTokens := guardedBeside(t, "{enabled: true, algorithm: RS256, jwks_url: http://127.0.0.1:1/}")
	c := newCluster(t, 2, func(cfg *config.Config, options *run.Options) {
		withTokens(cfg, options)
		closed := cfg.Buckets[0]
		closed.Name, closed.PathPrefix = "closed", "/closed"
		closed.Auth = config.BucketAuth{Enabled: true, SigV4: []config.SigV4Key{{AccessKey: "AKIDPROXY", SecretKey: signingSecret}}}
		cfg.Buckets = append(cfg.Buckets, closed)
	})
	o := c.put("o", 1000, s3test.Meta{})
	owner, others := c.owner("o", 0)
	if status, _ := c.status(owner, "/closed/o"); status != 403 {
		t.Errorf("a stranger: %d", status)
	}
	for range 2 {
		c.read(owner, o)
		c.read(others[0], o)
	}
	c.forbidden(owner, "/guarded/o")
	page := c.metrics(owner)
	families := make(map[string]bool)
	for name := range page {
		name, _, _ = strings.Cut(name, "{")
		families[strings.TrimSuffix(name, "_bucket")] = true
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
		if !families[m[1]] && !ofFiles[m[1]] {
			t.Errorf("no %s on the page", m[1])
		}
	}
	for name, want := range map[string]float64{
		`rookery_origin_requests_total{bucket="b",replica="primary",kind="get",outcome="ok"}`: 1,
		`rookery_origin_bytes_total{bucket="b",replica="primary"}`:                            1000,
		`rookery_sent_bytes_total{bucket="b",source="hot"}`:                                   1000,
		`rookery_requests_total{bucket="b",source="origin",outcome="miss",code="2xx"}`:        1,
		`rookery_peer_body_bytes_total{role="server"}`:                                        1000, // the other's second read is of its copy
		`rookery_cluster_members{state="ready"}`:                                              2,
		`rookery_ring_members`:                                                                2,
		`rookery_request_duration_seconds_count{bucket="b",source="origin"}`:                  1,
		`rookery_request_duration_seconds_bucket{bucket="b",source="origin",le="+Inf"}`:       1,
	} {
		if page[name] != want {
			t.Errorf("%s is %v, want %v", name, page[name], want)
		}
	}
}

func TestTheAccessLog(t *testing.T) {
	c := newCluster(t, 2, nil)
	o := c.put("logged", 1000, s3test.Meta{})
	owner, others := c.owner("logged", 0)
	c.do(owner, http.MethodGet, c.target(owner, o.Key), http.Header{"X-Request-Id": {"from-the-client.1"}})
	made := c.read(others[0], o).Header.Get("X-Request-Id")
	c.do(owner, http.MethodGet, c.target(owner, "absent"), http.Header{"X-Request-Id": {"not sane"}})

	want := map[string]any{
		"request_id": "from-the-client.1", "method": "GET", "bucket": bucket, "key": "logged", "status": 200.0,
		"bytes": 1000.0, "source": "origin", "outcome": "MISS",
	}
	until(t, "the owner logs its reads", func() bool { return len(c.logged(owner, "request", nil)) == 2 })
	until(t, "the other logs its read", func() bool { return len(c.logged(others[0], "request", nil)) == 1 })
	lines := c.logged(owner, "request", want)
	if len(lines) != 1 {
		t.Fatalf("no %v in %v", want, c.logged(owner, "request", nil))
	}
	for _, figure := range []string{"duration_ms", "ttfb_ms"} {
		if ms, ok := lines[0][figure].(float64); !ok || ms <= 0 {
			t.Errorf("%s: %v", figure, lines[0][figure])
		}
	}
	want = map[string]any{"request_id": made, "source": "peer", "outcome": "HIT", "bytes": 1000.0}
	if made == "" || len(c.logged(others[0], "request", want)) != 1 {
		t.Errorf("no %v in %v", want, c.logged(others[0], "request", nil))
	}
	absent := c.logged(owner, "request", map[string]any{"status": 404.0, "error": "NoSuchKey"})
	if len(absent) != 1 || absent[0]["request_id"] == "not sane" || absent[0]["request_id"] == "" {
		t.Errorf("the line of the 404: %v", absent)
	}
}

func TestTheAccessLogCanBeTurnedOff(t *testing.T) {
	c := newCluster(t, 1, func(cfg *config.Config, o *run.Options) {
		alone(cfg, o)
		cfg.Log.Access = false
	})
	c.read(0, c.put("unlogged", 1000, s3test.Meta{}))
	c.do(0, http.MethodGet, c.target(0, "absent"), nil)
	c.closeAll() // nothing is logged any more
	if lines := c.logged(0, "request", nil); len(lines) != 0 {
		t.Errorf("logged: %v", lines)
	}
}

// A start that fails names the address that is taken, and leaves nothing running:
// the same data directory serves the next attempt.
func TestAFailedStart(t *testing.T) {
	c := newCluster(t, 1, nil)
	dir := t.TempDir()
	start := func(change func(*config.Config)) (*run.Node, error) {
		cfg := c.config(0)
		cfg.Node.Name, cfg.Node.DataDir = "rook-1", dir
		cfg.Server.Port, cfg.Admin.Port, cfg.Cluster.Bind, cfg.Cluster.PeerBind = 0, 0, "127.0.0.1:0", "127.0.0.1:0"
		change(cfg)
		return run.Start(t.Context(), cfg, run.Options{Log: slog.New(slog.DiscardHandler)})
	}
	public, operators := c.nodes[0].PublicAddr().String(), c.nodes[0].AdminAddr().String()
	port := func(address string) int { return int(netip.MustParseAddrPort(address).Port()) }
	for _, taken := range []struct {
		what, address string
		take          func(*config.Config)
	}{
		{"server.port", public, func(cfg *config.Config) { cfg.Server.Port = port(public) }},
		{"admin.port", operators, func(cfg *config.Config) { cfg.Admin.Port = port(operators) }},
		{"cluster.peer_bind", public, func(cfg *config.Config) { cfg.Cluster.PeerBind = public }},
		{"cluster", c.gossip[0], func(cfg *config.Config) { cfg.Cluster.Bind = c.gossip[0] }},
	} {
		_, err := start(taken.take)
		if err == nil || !strings.Contains(err.Error(), taken.what) || !strings.Contains(err.Error(), taken.address) {
			t.Errorf("%s at %s is taken: %v", taken.what, taken.address, err)
		}
	}
	n, err := start(func(*config.Config) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
