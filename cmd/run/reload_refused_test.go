package run_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rookery/config"
	"rookery/internal/s3test"
)

// A configuration that cannot be used changes nothing: not one key of those that could.
func TestARefusedReloadChangesNothing(t *testing.T) {
	parse := func(text string) file {
		return func(*config.Config) error {
			_, _, err := config.Parse("rookery.yaml", []byte(text), os.LookupEnv)
			return err
		}
	}
	cases := map[string]struct {
		bad  file
		says []string
	}{
		"not YAML":              {parse("buckets: [{"), []string{"rookery.yaml:1:"}},
		"an unknown key":        {parse("node: {name: n}\nbukets: []"), []string{"rookery.yaml:2:1: bukets: unknown key", "buckets"}},
		"an unset variable":     {parse("node: {name: n}\nadmin: {token: \"${ROOKERY_NOT_SET}\"}\nbuckets: [{name: b, s3: {bucket: b}}]"), []string{"rookery.yaml:2:16:", "ROOKERY_NOT_SET"}},
		"two faults":            {parse("server: {port: 0}\nbuckets: []"), []string{"rookery.yaml:1:16:", "rookery.yaml:2:1:"}},
		"two buckets, one path": {parse("node: {name: n}\nbuckets: [{name: b, s3: {bucket: b}}, {name: c, path_prefix: /b, s3: {bucket: c}}]"), []string{"rookery.yaml:2:", "exactly one bucket"}},
		"no file": {func(*config.Config) error {
			_, _, err := config.Load(filepath.Join(t.TempDir(), "absent.yaml"), os.LookupEnv)
			return err
		}, []string{"absent.yaml"}},
		"what wants a restart": {func(c *config.Config) error {
			c.Server.Port, c.Cache.MemoryBytes, c.Node.Zone = 8081, 1<<30, "eu"
			return nil
		}, []string{"node.zone", "server.port", "cache.memory", "restart"}},
		"two routes, one path": {func(c *config.Config) error {
			return errors.Join(addBucket("c", "c")(c), changeLast(c, func(b *config.Bucket) { b.PathPrefix = "/" + bucket }))
		}, []string{"already selects bucket"}},
		"an origin that cannot be": {func(c *config.Config) error {
			return errors.Join(addBucket("c", "c")(c), changeLast(c, func(b *config.Bucket) { b.S3.Bucket = "" }))
		}, []string{"bucket c", "no bucket"}},
	}
	c := newReloading(t, 1, nil)
	o := c.put("k", 1000, s3test.Meta{})
	c.read(0, o)
	for name, one := range cases {
		t.Run(name, func(t *testing.T) {
			c := &reloading{testCluster: c.in(t), files: c.files}
			was := c.nodes[0].Config()
			c.write(0, func(cfg *config.Config) error { // good things, and something bad
				cfg.Admin.Token, cfg.Buckets[0].PathPrefix = "stolen", "/moved"
				return errors.Join(addBucket("more", bucket)(cfg), one.bad(cfg))
			})
			status, _, text := c.post(0)
			if status != http.StatusUnprocessableEntity || !strings.Contains(text, "configuration_refused") {
				t.Fatalf("%d %s", status, text)
			}
			for _, word := range one.says {
				if !strings.Contains(text, word) {
					t.Errorf("%q is not in %s", word, text)
				}
			}
			if c.nodes[0].Config() != was {
				t.Error("another configuration is in use")
			}
			c.read(0, o)
			for _, path := range []string{"/more/k", "/moved/k", "/c/k"} {
				if status, _ := c.status(0, path); status != 404 {
					t.Errorf("%s: %d", path, status)
				}
			}
			if status, _ := c.operators(0, "/admin/cache/stats", nil); status != 200 {
				t.Errorf("the token in use: %d", status)
			}
		})
	}
	if n := len(c.logged(0, "configuration refused, the former stays in use", nil)); n != len(cases) {
		t.Errorf("%d refusals in the log, want %d", n, len(cases))
	}
	if _, text := c.operators(0, "/metrics", nil); !strings.Contains(text, "\nrookery_config_generation 1\n") {
		t.Error("the generation is not the first")
	}
	c.requests("k", 0, 1) // nothing that was cached is lost
}

func changeLast(c *config.Config, f func(*config.Bucket)) error {
	f(&c.Buckets[len(c.Buckets)-1])
	return nil
}

// One reload at a time: who asks for another is told.
func TestTwoReloadsAtOnce(t *testing.T) {
	c := newReloading(t, 1, nil)
	begun, goOn := make(chan struct{}), make(chan struct{})
	c.write(0, func(*config.Config) error {
		begun <- struct{}{}
		<-goOn
		return nil
	})
	first := make(chan error)
	go func() { first <- c.nodes[0].Reload(t.Context()) }()
	<-begun
	if status, _, text := c.post(0); status != http.StatusConflict || !strings.Contains(text, "reload_under_way") {
		t.Errorf("%d %s", status, text)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	c.write(0, func(*config.Config) error { return nil })
	if status, done, text := c.post(0); status != http.StatusOK || done.Generation != 3 || !strings.Contains(text, `"changed": []`) {
		t.Errorf("%d %s", status, text)
	}
}

// The gauges of a bucket's S3 are those of the origin in use, and go with their bucket.
func TestGaugesFollowAReload(t *testing.T) {
	c := newReloading(t, 1, nil)
	const used = `rookery_origin_places{bucket="b",replica="primary"} `
	shows := func(what, line string, want bool) {
		t.Helper()
		if _, text := c.operators(0, "/metrics", nil); strings.Contains(text, line) != want {
			t.Errorf("%s: %q is there: %t", what, line, !want)
		}
	}
	shows("at first", used+"50\n", true)
	c.reload(0, changeBucket(func(b *config.Bucket) { b.S3.MaxConns = 7 }))
	shows("fewer", used+"7\n", true)
	c.write(0, func(cfg *config.Config) error { cfg.Buckets[0].S3.Bucket = ""; return nil })
	if status, _, _ := c.post(0); status != http.StatusUnprocessableEntity {
		t.Errorf("refused: %d", status)
	}
	shows("refused", used+"7\n", true)
	c.reload(0, func(cfg *config.Config) error { cfg.Buckets[0].Name = "c"; return nil })
	shows("gone", used, false)
}
