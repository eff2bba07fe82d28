package run_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/gateway"
	"rookery/internal/s3test"
	"rookery/object"
)

// doorway holds whoever has passed a guard, until it is told to go on.
type doorway struct {
	gateway.Reader
	shut   *atomic.Bool
	passed chan struct{}
	goOn   chan struct{}
}

func (d *doorway) Open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	if d.shut.Load() {
		d.passed <- struct{}{}
		<-d.goOn
	}
	return d.Reader.Open(ctx, ask)
}

// A bucket that was open, and showed one bucket of S3, is closed and shows another. Who
// has passed the open one's guard gets what that showed: never what is behind the other.
func TestNoReloadOpensAnotherBucket(t *testing.T) {
	shut, passed, goOn := new(atomic.Bool), make(chan struct{}), make(chan struct{})
	r := &reloading{files: map[string]file{}}
	r.testCluster = unstarted(t, 1, func(cfg *config.Config, o *run.Options) {
		started := *cfg
		o.Load = func() (*config.Config, []config.Warning, error) { return r.load(&started) }
		o.Between(func(behind gateway.Reader) gateway.Reader { return &doorway{behind, shut, passed, goOn} })
	})
	r.startAll()
	open := r.put("k", 3000, s3test.Meta{})
	r.putAt("secret", "k", 3000)
	for _, what := range []string{"cold", "cached"} {
		shut.Store(true)
		answers := make(chan string)
		go func() { answers <- r.getK(t) }()
		<-passed
		shut.Store(false)
		r.reload(0, changeBucket(func(b *config.Bucket) {
			b.S3.Bucket = "secret"
			b.Auth = config.BucketAuth{Enabled: true, SigV4: []config.SigV4Key{{AccessKey: "AKIDPROXY", SecretKey: signingSecret}}}
		}))
		if text := r.getK(t); !strings.Contains(text, "AccessDenied") {
			t.Errorf("%s: who comes after it gets %.300s", what, text)
		}
		goOn <- struct{}{}
		if _, err := open.CheckReader(strings.NewReader(<-answers), 0, open.Size); err != nil {
			t.Errorf("%s: who came before it: %v", what, err)
		}
		r.reload(0, func(*config.Config) error { return nil })
	}
	if n := r.s3.Count("", "secret", ""); n != 0 {
		t.Errorf("S3 was asked %d times for what is closed", n)
	}
}

// getK asks for the object k without any proof.
func (c *testCluster) getK(t *testing.T) string {
	u := &url.URL{Scheme: "http", Host: c.nodes[0].PublicAddr().String(), Path: "/" + bucket + "/k"}
	response, err := c.send(t.Context(), 0, http.MethodGet, u, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
