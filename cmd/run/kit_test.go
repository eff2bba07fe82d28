package run_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

const (
	bucket = "b"
	token  = "operators"
	mib    = 1 << 20
)

// testCluster is whole nodes in this process, with sockets, certificates and
// disks of their own, over one scripted S3.
type testCluster struct {
	t      *testing.T
	s3     *s3test.Server
	client *http.Client
	change change
	nodes  []*run.Node // nil where none runs
	dirs   []string
	gossip []string // where each gossips, or did last
	logs   []*logs
	audit  *audit // nil for none
}

// change makes every node different from the usual; nil is no change.
type change func(*config.Config, *run.Options)

// newCluster starts nodes and waits until each has all of them in its ring.
func newCluster(t *testing.T, nodes int, change change) *testCluster {
	t.Helper()
	c := unstarted(t, nodes, change)
	c.startAll()
	return c
}

// unstarted is a cluster whose nodes are yet to be started.
func unstarted(t *testing.T, nodes int, change change) *testCluster {
	t.Helper()
	c := &testCluster{
		t: t, s3: s3test.Start(t), change: change, nodes: make([]*run.Node, nodes), gossip: make([]string, nodes),
		client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}},
	}
	for range nodes {
		c.dirs, c.logs = append(c.dirs, t.TempDir()), append(c.logs, new(logs))
	}
	t.Cleanup(c.stop) // before the directories are removed
	return c
}

// in returns the cluster as a part of a test sees it.
func (c *testCluster) in(t *testing.T) *testCluster {
	part := *c
	part.t = t
	return &part
}

func (c *testCluster) startAll() {
	c.t.Helper()
	for i := range c.nodes {
		c.start(i, "127.0.0.1:0")
	}
	c.awaitReady()
}

// start runs node i on its disk, gossiping at an address.
func (c *testCluster) start(i int, gossip string) {
	c.t.Helper()
	cfg := c.config(i)
	options := run.Options{Version: "test", Log: slog.New(slog.NewJSONHandler(c.logs[i], nil))}
	if c.change != nil {
		c.change(cfg, &options)
	}
	cfg.Server.Port, cfg.Admin.Port, cfg.Cluster.Bind, cfg.Cluster.PeerBind = 0, 0, gossip, "127.0.0.1:0"
	for k, n := range c.nodes {
		if n != nil {
			cfg.Cluster.Join = append(cfg.Cluster.Join, c.gossip[k])
		}
	}
	n, err := run.Start(c.t.Context(), cfg, options)
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i], c.gossip[i] = n, n.GossipAddress()
	c.audit.look(c)
}

// config is node i's, by way of the text that a user would write.
func (c *testCluster) config(i int) *config.Config {
	c.t.Helper()
	text := fmt.Sprintf(`
node: {name: rook-%d, data_dir: %q}
server: {address: 127.0.0.1}
admin: {address: 127.0.0.1, token: %s}
cluster: {gossip_key: %s, expect: %d}
cache: {memory: 128MiB, disk: 1GiB, freshness: {default: 1h, negative: 1h}}
buckets:
  - {name: %s, s3: {bucket: %s, region: eu-1, endpoint: "%s", anonymous: true}}
`, i, c.dirs[i], token, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)), len(c.nodes), bucket, bucket, c.s3.URL)
	cfg, _, err := config.Parse("test", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		c.t.Fatal(err)
	}
	return cfg
}

func (c *testCluster) running() []int {
	var all []int
	for i, n := range c.nodes {
		if n != nil {
			all = append(all, i)
		}
	}
	return all
}

// awaitReady waits until all that run serve, and are in each other's rings.
func (c *testCluster) awaitReady() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	for _, i := range c.running() {
		if err := c.nodes[i].AwaitReady(ctx, len(c.running())); err != nil {
			c.t.Fatalf("rook-%d is not ready: %v", i, err)
		}
	}
}

// close ends node i in good order.
func (c *testCluster) close(i int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.nodes[i].Close(ctx); err != nil {
		c.t.Errorf("close rook-%d: %v", i, err)
	}
	c.nodes[i] = nil
	c.audit.look(c)
}

func (c *testCluster) closeAll() {
	for _, i := range c.running() {
		c.close(i)
	}
}

func (c *testCluster) stop() {
	c.client.CloseIdleConnections()
	c.closeAll()
	if !c.t.Failed() {
		return
	}
	for i, l := range c.logs {
		for _, line := range l.lines() {
			if line["level"] != "INFO" {
				c.t.Logf("rook-%d: %v", i, line)
			}
		}
	}
}

// put makes an object that describes itself.
func (c *testCluster) put(key string, size int64, m s3test.Meta) pattern.Object {
	o := pattern.Object{Bucket: bucket, Key: key, Version: "1", Size: size}
	c.s3.Put(o, m)
	return o
}

// target is a key's URL at node i, every byte but RFC 3986's unreserved ones and
// the slash percent-encoded.
func (c *testCluster) target(i int, key string) *url.URL {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var path strings.Builder
	path.WriteString("/" + bucket + "/")
	for k := range len(key) {
		if strings.IndexByte(unreserved, key[k]) >= 0 {
			path.WriteByte(key[k])
		} else {
			fmt.Fprintf(&path, "%%%02X", key[k])
		}
	}
	u, err := url.Parse("http://" + c.nodes[i].PublicAddr().String() + path.String())
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

// send sends one request to node i; a bad connection is the error.
func (c *testCluster) send(ctx context.Context, i int, method string, u *url.URL, header http.Header) (*http.Response, error) {
	request := (&http.Request{Method: method, URL: u, Host: u.Host, Header: header.Clone()}).WithContext(ctx)
	if request.Header == nil {
		request.Header = http.Header{}
	}
	request.Header.Set("X-Amz-Checksum-Mode", "ENABLED") // as the SDKs of today do
	response, err := c.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("rook-%d: %w", i, err)
	}
	return response, nil
}

// begin asks node i for a whole object. The caller reads and closes the body.
func (c *testCluster) begin(ctx context.Context, i int, o pattern.Object) (*http.Response, error) {
	return c.send(ctx, i, http.MethodGet, c.target(i, o.Key), nil)
}

func (c *testCluster) mustBegin(ctx context.Context, i int, o pattern.Object) *http.Response {
	c.t.Helper()
	response, err := c.begin(ctx, i, o)
	if err != nil {
		c.t.Fatal(err)
	}
	return response
}

// fetch reads [from, to) of an object through node i and checks each byte. A
// range is asked for unless that is all of it.
func (c *testCluster) fetch(i int, o pattern.Object, from, to int64) (*http.Response, error) {
	header, status := http.Header{}, http.StatusOK
	if from != 0 || to != o.Size {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
		status = http.StatusPartialContent
	}
	response, err := c.send(c.t.Context(), i, http.MethodGet, c.target(i, o.Key), header)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != status || response.ContentLength != to-from {
		return nil, fmt.Errorf("rook-%d: %s: %s, %d bytes, want %d and %d bytes", i, o.Key, response.Status, response.ContentLength, status, to-from)
	}
	if _, err := o.CheckReader(response.Body, from, to); err != nil {
		return nil, fmt.Errorf("rook-%d: %w", i, err)
	}
	return response, nil
}

// read is fetch of the whole object; it must succeed.
func (c *testCluster) read(i int, o pattern.Object) *http.Response {
	c.t.Helper()
	response, err := c.fetch(i, o, 0, o.Size)
	if err != nil {
		c.t.Fatal(err)
	}
	return response
}

// do sends a request that needs no object, and returns its answer's text.
func (c *testCluster) do(i int, method string, u *url.URL, header http.Header) (*http.Response, string) {
	c.t.Helper()
	response, err := c.send(c.t.Context(), i, method, u, header)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response, string(text)
}

// operators asks node i's admin listener and decodes its JSON into v, if that
// is not nil. It returns the status and the text.
func (c *testCluster) operators(i int, path string, v any) (int, string) {
	c.t.Helper()
	u, err := url.Parse("http://" + c.nodes[i].AdminAddr().String() + path)
	if err != nil {
		c.t.Fatal(err)
	}
	response, text := c.do(i, http.MethodGet, u, http.Header{"Authorization": {"Bearer " + token}})
	if v != nil {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			c.t.Fatalf("%s: %v in %s", path, err, text)
		}
	}
	return response.StatusCode, text
}

// owner asks for the node that owns the byte at offset, and the others.
func (c *testCluster) owner(key string, offset int64) (owner int, others []int) {
	c.t.Helper()
	var ring admin.Ring
	c.operators(c.running()[0], fmt.Sprintf("/admin/ring?key=%s:%s&offset=%d", bucket, url.QueryEscape(key), offset), &ring)
	owner = -1
	for _, i := range c.running() {
		if fmt.Sprintf("rook-%d", i) == ring.Owner {
			owner = i
		} else {
			others = append(others, i)
		}
	}
	if owner < 0 {
		c.t.Fatalf("%s: no owner among those that run: %+v", key, ring)
	}
	return owner, others
}

// has reports whether node i has a chunk of an object on its own disk.
func (c *testCluster) has(i int, o pattern.Object, chunk int64) bool {
	key := object.Key{Bucket: bucket, Name: o.Key}
	return c.nodes[i].HasChunk(key, object.VersionOf(s3test.ETag(o), o.Size), chunk)
}

// requests checks how many requests S3 got since it last forgot.
func (c *testCluster) requests(key string, heads, gets int) {
	c.t.Helper()
	h, g := c.s3.Count(http.MethodHead, bucket, key), c.s3.Count(http.MethodGet, bucket, key)
	if h == heads && g == gets {
		return
	}
	c.t.Errorf("%q: %d HEADs and %d GETs, want %d and %d", key, h, g, heads, gets)
	for _, r := range c.s3.Requests() {
		c.t.Log(r)
	}
}

// fetchedOnce checks that S3 was asked for each chunk once.
func (c *testCluster) fetchedOnce(o pattern.Object) {
	c.t.Helper()
	chunks := c.s3.Fetches(bucket, o.Key)
	if want := int((o.Size + mib - 1) / mib); len(chunks) != want {
		c.t.Errorf("%s: %d chunks fetched, want %d", o.Key, len(chunks), want)
	}
	for n, times := range chunks {
		if times != 1 {
			c.t.Errorf("%s: chunk %d was fetched %d times", o.Key, n, times)
		}
	}
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}

// logs keeps what a node logs.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns all lines so far.
func (l *logs) lines() []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range bytes.Lines(l.text.Bytes()) {
		fields := make(map[string]any)
		if json.Unmarshal(line, &fields) == nil {
			all = append(all, fields)
		}
	}
	return all
}

// logged returns the lines of node i with a message and these fields.
func (c *testCluster) logged(i int, message string, fields map[string]any) []map[string]any {
	var found []map[string]any
	for _, line := range c.logs[i].lines() {
		fits := line["msg"] == message
		for name, value := range fields {
			fits = fits && line[name] == value
		}
		if fits {
			found = append(found, line)
		}
	}
	return found
}
