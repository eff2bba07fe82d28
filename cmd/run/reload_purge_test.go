package run_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/config"
)

// otherLooks are files with which the bucket shows something else, or is asked for in
// another way, or is not there.
func otherLooks() map[string]file {
	return map[string]file{
		"another S3 bucket": changeBucket(func(b *config.Bucket) { b.S3.Bucket = "other" }),
		"an identity":       changeBucket(func(b *config.Bucket) { b.Identity = "renamed" }),
		"credentials":       signedWith("KEY"),
		"a replica": changeBucket(func(b *config.Bucket) {
			second := config.Replica{Name: "second", Priority: 2, Place: b.S3.Place}
			second.Bucket = "other"
			b.S3.Replicas = []config.Replica{second}
		}),
		"freshness": changeBucket(func(b *config.Bucket) {
			b.Freshness.Default, b.Lists, b.ClientCacheControl = 2*time.Hour, time.Minute, true
		}),
		"not there": func(c *config.Config) error {
			c.Buckets[0].Name, c.Buckets[0].PathPrefix = "elsewhere", "/elsewhere"
			return nil
		},
	}
}

func asItWas(*config.Config) error { return nil }

// A purge holds for all that its bucket has shown and shows again, whatever has become of
// the bucket meanwhile on the node that was asked for it, or on others.
func TestAPurgeHoldsWhateverAReloadChanges(t *testing.T) {
	for name, look := range otherLooks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newReloading(t, 3, nil)
			keys := []string{"dir/a", "dir/b", "dir/c", "dir/d"} // of several owners
			n := 0
			overwrite := func() {
				n++
				for _, key := range keys {
					c.testCluster.write(key, n)
					c.putAt("other", key, smallBytes)
				}
			}
			for i, scope := range []string{`"prefix": "dir/"`, `"keys": ["dir/a", "dir/b", "dir/c", "dir/d"]`, `"tags": ["t"]`, `"soft": false`} {
				overwrite()
				c.purged(0, scope)
				c.give(keys, n, 0, 1, 2)
				absent := fmt.Sprintf("dir/late%d", i)
				for k := range c.nodes {
					if _, response, _ := c.version(k, absent); response == nil || response.StatusCode != http.StatusNotFound {
						t.Errorf("rook-%d has what is not there", k)
					}
				}
				c.reload(0, look) // the others are not told yet
				for _, key := range keys {
					c.do(0, http.MethodGet, c.target(0, key), nil) // whatever it shows now
				}
				overwrite()
				c.purged(1+i%2, scope)
				c.give(keys, n, 1, 2)
				c.reload(1, look)
				c.reload(2, look)
				overwrite()
				c.testCluster.write(absent, n)
				c.purgedThrough(i%3, scope, name != "not there")
				for k := range c.nodes {
					c.reload(k, asItWas)
					c.give(keys, n, k)
				}
				c.give(keys, n, 0, 1, 2)
				if narrow := strings.Contains(scope, "keys") || strings.Contains(scope, "tags"); !narrow || name == "not there" {
					c.give([]string{absent}, n, 0, 1, 2)
				}
			}
		})
	}
}

// A kept list is one of the S3 bucket that it came from: it is not served for another, and
// found again when the bucket is back, unless something was purged meanwhile.
func TestAKeptListIsOfOneBucketOfS3(t *testing.T) {
	kept := changeBucket(func(b *config.Bucket) { b.Lists = 5 * time.Minute })
	swapped := changeBucket(func(b *config.Bucket) { b.S3.Bucket, b.Lists = "other", 5*time.Minute })
	c := newReloading(t, 1, kept)
	lists := func(name, cache string) {
		t.Helper()
		page, response := c.list(0, "list-type=2")
		if got := response.Header.Get("X-Cache"); !slices.Equal(page.keys(), []string{name}) || got != cache {
			t.Errorf("lists %q, %s; want %s, %s", page.keys(), got, name, cache)
		}
	}
	c.putAt(bucket, "one", 1)
	c.putAt("other", "two", 1)
	lists("one", "MISS")
	lists("one", "HIT")
	c.reload(0, swapped)
	lists("two", "MISS")
	lists("two", "HIT")
	c.reload(0, kept)
	lists("one", "HIT")
	c.reload(0, swapped)
	c.purged(0, `"key": "elsewhere"`)
	lists("two", "MISS")
	c.reload(0, kept)
	lists("one", "MISS")
}

// purgedThrough purges through node i. One that does not have the bucket refuses, rather
// than purge nothing; everything is purged then.
func (r *reloading) purgedThrough(i int, scope string, has bool) {
	r.t.Helper()
	if has {
		r.purged(i, scope)
		return
	}
	status, text, err := r.tryPost(r.t.Context(), r.nodes[i].AdminAddr().String(), purgePath, fmt.Sprintf(`{"bucket": %q, %s}`, bucket, scope))
	if err != nil || status != http.StatusBadRequest || !strings.Contains(text, "no bucket") {
		r.t.Errorf("a purge in a bucket that the node does not have: %d %s (%v)", status, text, err)
	}
	if status := r.testCluster.post(i, purgePath, `{"all": true, "wait": "20s"}`, nil); status != http.StatusOK {
		r.t.Errorf("a purge of everything: %d", status)
	}
}

// give checks that nodes give version n of each key, twice: the second time it is what they
// have kept.
func (r *reloading) give(keys []string, n int, nodes ...int) {
	r.t.Helper()
	for range 2 {
		for _, i := range nodes {
			for _, key := range keys {
				if got, _, err := r.version(i, key); err != nil || got != n {
					r.t.Errorf("rook-%d gives version %d of %s, want %d (%v)", i, got, key, n, err)
				}
			}
		}
	}
}
