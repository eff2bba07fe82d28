package run_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// reloading is a cluster whose nodes' files the test rewrites.
type reloading struct {
	*testCluster
	mu    sync.Mutex
	files map[string]file // by node
}

// file makes a configuration of the usual one; nil is the usual one.
type file func(*config.Config) error

var errNotWritten = errors.New("no file was written")

func newReloading(t *testing.T, nodes int, first file) *reloading {
	t.Helper()
	r := &reloading{files: map[string]file{}}
	r.testCluster = unstarted(t, nodes, func(cfg *config.Config, o *run.Options) {
		if first != nil {
			if err := first(cfg); err != nil {
				t.Fatal(err)
			}
		}
		started := *cfg
		o.Load = func() (*config.Config, []config.Warning, error) { return r.load(&started) }
	})
	r.startAll()
	return r
}

// load is what a node reads: what a reload cannot change stays as it was started.
func (r *reloading) load(started *config.Config) (*config.Config, []config.Warning, error) {
	r.mu.Lock()
	write := r.files[started.Node.Name]
	r.mu.Unlock()
	if write == nil {
		return nil, nil, errNotWritten
	}
	next := *started
	i := int(started.Node.Name[len("rook-")] - '0')
	next.Buckets = r.config(i).Buckets
	next.Server.Port, next.Admin.Port, next.Cluster = 0, 0, r.nodes[i].Config().Cluster
	return &next, nil, write(&next)
}

// write gives node i its next file.
func (r *reloading) write(i int, f file) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[r.nodes[i].Config().Node.Name] = f
}

// post asks node i for a reload, with the token that it has now.
func (r *reloading) post(i int) (status int, done admin.Reloaded, text string) {
	r.t.Helper()
	u, err := url.Parse("http://" + r.nodes[i].AdminAddr().String() + "/admin/reload")
	if err != nil {
		r.t.Fatal(err)
	}
	token := string(r.nodes[i].Config().Admin.Token)
	response, text := r.do(i, http.MethodPost, u, http.Header{"Authorization": {"Bearer " + token}})
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(text), &done); err != nil {
			r.t.Fatal(err)
		}
	}
	return response.StatusCode, done, text
}

// reload writes node i's file and has it taken.
func (r *reloading) reload(i int, f file) admin.Reloaded {
	r.t.Helper()
	r.write(i, f)
	status, done, text := r.post(i)
	if status != http.StatusOK {
		r.t.Fatalf("rook-%d: reload: %d %s", i, status, text)
	}
	return done
}

// changeBucket makes a file that differs in the one bucket.
func changeBucket(f func(*config.Bucket)) file {
	return func(c *config.Config) error {
		f(&c.Buckets[0])
		return nil
	}
}

// addBucket makes a file with one bucket more, whose bucket at S3 has another name.
func addBucket(name, at string) file {
	return func(c *config.Config) error {
		more := c.Buckets[0]
		more.Name, more.PathPrefix, more.S3.Bucket = name, "/"+name, at
		c.Buckets = append(c.Buckets, more)
		return nil
	}
}

// putAt makes an object in a bucket of S3.
func (c *testCluster) putAt(at, key string, size int64) pattern.Object {
	o := pattern.Object{Bucket: at, Key: key, Version: "1", Size: size}
	c.s3.Put(o, s3test.Meta{})
	return o
}
