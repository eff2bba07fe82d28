package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// short makes leases as short as a configuration may have them, and silent nodes
// found within seconds: what has to wait for either waits less.
func short(cfg *config.Config, o *run.Options) {
	quick(cfg, o)
	cfg.Cluster.Lease = shortLease
}

const shortLease = time.Second

// smallBytes is the size of objects that say which version they are.
const smallBytes = 1000

// write makes version n of an object the newest at S3. It has the tag t.
func (c *testCluster) write(key string, n int) {
	v := strconv.Itoa(n)
	header := http.Header{"X-Amz-Meta-Version": {v}, "X-Amz-Meta-Cache-Tag": {"t"}}
	c.s3.Put(pattern.Object{Bucket: bucket, Key: key, Version: v, Size: smallBytes}, s3test.Meta{Header: header})
}

// version reads an object through node i and returns which version came, all of
// whose bytes are right.
func (c *testCluster) version(i int, key string) (n int, response *http.Response, err error) {
	response, err = c.send(c.t.Context(), i, http.MethodGet, c.target(i, key), nil)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	n, err = versionOf(key, response)
	return n, response, err
}

// versionOf reads an answer and returns which version it is.
func versionOf(key string, response *http.Response) (n int, err error) {
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", key, response.Status)
	}
	o := pattern.Object{Bucket: bucket, Key: key, Version: response.Header.Get("X-Amz-Meta-Version"), Size: smallBytes}
	if _, err := o.CheckReader(response.Body, 0, o.Size); err != nil {
		return 0, err
	}
	return strconv.Atoi(o.Version)
}

// everywhere checks that each node that runs gives version n.
func (c *testCluster) everywhere(key string, n int) {
	c.t.Helper()
	for _, i := range c.running() {
		if got, _, err := c.version(i, key); err != nil || got != n {
			c.t.Errorf("rook-%d gives version %d of %s, want %d (%v)", i, got, key, n, err)
		}
	}
}

// post asks node i's admin listener for something and decodes its answer into v,
// if that is not nil.
func (c *testCluster) post(i int, path, body string, v any) (status int) {
	c.t.Helper()
	status, text, err := c.tryPost(c.t.Context(), c.nodes[i].AdminAddr().String(), path, body)
	if err == nil && v != nil {
		err = json.Unmarshal([]byte(text), v)
	}
	if err != nil {
		c.t.Fatalf("rook-%d: %s: %d %s: %v", i, path, status, text, err)
	}
	return status
}

func (c *testCluster) tryPost(ctx context.Context, address, path, body string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	return response.StatusCode, string(all), err
}

const purgePath = "/admin/cache/purge"

// purge asks node i for a purge. Its fields are those of the API without the
// bucket: `"key": "k"`.
func (c *testCluster) purge(i int, fields string) (status int, p admin.Purge) {
	c.t.Helper()
	status = c.post(i, purgePath, fmt.Sprintf(`{"bucket": %q, %s}`, bucket, fields), &p)
	return status, p
}

// purged is a purge that is complete at once, with a report of each node that runs.
func (c *testCluster) purged(i int, fields string) admin.Purge {
	c.t.Helper()
	status, p := c.purge(i, fields+`, "wait": "20s"`)
	if status != http.StatusOK || !p.Complete || p.Number == 0 {
		c.t.Fatalf("rook-%d: purge of %s: %d, %+v", i, fields, status, p)
	}
	for _, k := range c.running() {
		if !slices.ContainsFunc(p.Nodes, func(n admin.PurgeNode) bool { return n.Name == nodeName(k) && n.Applied }) {
			c.t.Errorf("rook-%d: purge of %s: rook-%d has not reported: %+v", i, fields, k, p)
		}
	}
	return p
}

func nodeName(i int) string { return fmt.Sprintf("rook-%d", i) }

// progress asks node i how far a purge is.
func (c *testCluster) progress(i int, id string) (status int, p admin.Purge) {
	c.t.Helper()
	status, _ = c.operators(i, "/admin/cache/purges/"+url.PathEscape(id), &p)
	return status, p
}

// council is what node i knows of its council, and whether it holds a lease.
func (c *testCluster) council(i int) (admin.CouncilView, admin.Lease) {
	c.t.Helper()
	var v admin.Cluster
	c.operators(i, "/admin/cluster", &v)
	return v.Council, v.Lease
}

// leader returns the node that leads the council, once all that run agree on it.
func (c *testCluster) leader() int {
	c.t.Helper()
	leader := ""
	until(c.t, "one leader", func() bool {
		seen := make(map[string]bool)
		for _, i := range c.running() {
			v, _ := c.council(i)
			leader = v.Leader
			seen[leader] = true
		}
		return len(seen) == 1 && leader != ""
	})
	for _, i := range c.running() {
		if nodeName(i) == leader {
			return i
		}
	}
	c.t.Fatalf("%s leads, and does not run", leader)
	return -1
}

// without returns the nodes that run, but one.
func (c *testCluster) without(i int) []int {
	return slices.DeleteFunc(c.running(), func(k int) bool { return k == i })
}

// awaitMembers waits until the council, as node i knows it, has the nodes that run
// as its members, and so many voters.
func (c *testCluster) awaitMembers(i, voters int) {
	c.t.Helper()
	var want []string
	for _, k := range c.running() {
		want = append(want, nodeName(k))
	}
	slices.Sort(want)
	var v admin.CouncilView
	defer func() {
		if c.t.Failed() {
			c.t.Logf("rook-%d: %+v", i, v)
		}
	}()
	until(c.t, fmt.Sprintf("%d voters of %v", voters, want), func() bool {
		v, _ = c.council(i)
		return slices.Equal(v.Members, want) && len(v.Voters) == voters
	})
}

// took fails the test if something that began at start took too long.
func took(t *testing.T, what string, start time.Time, most time.Duration) {
	t.Helper()
	if d := time.Since(start); d > most {
		t.Errorf("%s took %v, want at most %v", what, d, most)
	}
}
