package run_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"rookery/config"
	"rookery/internal/s3test"
)

// status asks node i for a path and returns the answer's.
func (c *testCluster) status(i int, path string) (int, string) {
	c.t.Helper()
	u, err := url.Parse("http://" + c.nodes[i].PublicAddr().String() + path)
	if err != nil {
		c.t.Fatal(err)
	}
	response, text := c.do(i, http.MethodGet, u, nil)
	return response.StatusCode, text
}

// A reload brings a bucket, another takes it away again, and both tell what they did.
func TestReload(t *testing.T) {
	c := newReloading(t, 1, nil)
	o := c.put("k", 1000, s3test.Meta{})
	c.read(0, o)
	if status, text := c.status(0, "/more/k"); status != 404 || !strings.Contains(text, "NoSuchBucket") {
		t.Fatalf("before: %d %s", status, text)
	}
	done := c.reload(0, func(cfg *config.Config) error {
		cfg.Admin.Token = "another"
		return addBucket("more", bucket)(cfg)
	})
	if want := []string{"admin.token", "buckets.more (added)"}; done.Generation != 2 || !slices.Equal(done.Changed, want) {
		t.Errorf("answered %+v, want generation 2 and %q", done, want)
	}
	if status, text := c.status(0, "/more/k"); status != 200 || len(text) != 1000 {
		t.Errorf("added: %d, %d bytes", status, len(text))
	}
	if status, _ := c.operators(0, "/admin/cache/stats/more", nil); status != http.StatusUnauthorized {
		t.Errorf("the former token: %d", status)
	}
	done = c.reload(0, changeBucket(func(b *config.Bucket) { b.PathPrefix = "/elsewhere" }))
	if want := []string{"admin.token", "buckets.b.path_prefix", "buckets.more (removed)"}; done.Generation != 3 || !slices.Equal(done.Changed, want) {
		t.Errorf("answered %+v, want generation 3 and %q", done, want)
	}
	if status, text := c.status(0, "/more/k"); status != 404 || !strings.Contains(text, "NoSuchBucket") {
		t.Errorf("removed: %d %s", status, text)
	}
	if status, _ := c.status(0, "/elsewhere/k"); status != 200 {
		t.Errorf("at its new prefix: %d", status)
	}
	if status, text := c.operators(0, "/admin/cache/stats/more", nil); status != 404 && status != 400 {
		t.Errorf("statistics of the removed bucket: %d %s", status, text)
	}
	_, text := c.operators(0, "/metrics", nil)
	for _, line := range []string{"rookery_config_generation 3", `rookery_config_reloads_total{result="success"} 2`, `rookery_config_reloads_total{result="failure"} 0`} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if n := len(c.logged(0, "configuration in use", nil)); n != 2 {
		t.Errorf("%d lines in the log, want 2", n)
	}
}

// What a bucket showed when it stood for one bucket of S3 is nowhere to be had once it
// stands for another: on no node, whichever of them have been told so far.
func TestABucketThatStandsForAnother(t *testing.T) {
	c := newReloading(t, 3, nil)
	const key, size = "k", 3 * mib
	old, other := c.put(key, size, s3test.Meta{}), c.putAt("other", key, size)
	swap := changeBucket(func(b *config.Bucket) { b.S3.Bucket = "other" })
	same := func(*config.Config) error { return nil }
	shows := func(what string, now ...bool) {
		t.Helper()
		for range 2 {
			for i, swapped := range now {
				o := old
				if swapped {
					o = other
				}
				if _, err := c.fetch(i, o, 0, size); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
		}
	}
	shows("at first", false, false, false)
	c.reload(0, swap)
	shows("one is told", true, false, false)
	c.reload(1, swap)
	shows("two are told", true, true, false)
	c.reload(2, swap)
	c.s3.Forget()
	shows("all are told", true, true, true)
	if n := len(c.s3.Requests()); n != 0 {
		t.Errorf("S3 was asked %d times for what the nodes have of its other bucket", n)
	}
	for i := range 3 {
		c.reload(i, same)
	}
	shows("and back", false, false, false)
	if n := len(c.logged(0, "another node takes this bucket for another S3 bucket: the two do not share what they cache; give both the same s3.endpoint and s3.bucket, or the same cache.identity", nil)) +
		len(c.logged(1, "another node takes this bucket for another S3 bucket: the two do not share what they cache; give both the same s3.endpoint and s3.bucket, or the same cache.identity", nil)); n == 0 {
		t.Error("no node says that the configurations differ")
	}
}
