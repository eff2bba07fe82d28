package run_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// Whole nodes with sockets between them and to their clients: an object that is
// overwritten all the time is answered in one version, the one that the answer's
// ETag names, or the answer is broken and looks so.
func TestAnOverwrittenObjectIsOneVersion(t *testing.T) {
	c := newCluster(t, 3, func(cfg *config.Config, _ *run.Options) {
		for i := range cfg.Buckets {
			cfg.Buckets[i].Freshness.Default = time.Millisecond
			cfg.Buckets[i].Freshness.StaleWhileRevalidate = 0
		}
	})
	w := &rewritten{testCluster: c, byETag: make(map[string]pattern.Object)}
	w.overwrite()
	var readers sync.WaitGroup
	for i := range 6 {
		r := rand.New(rand.NewPCG(uint64(i), 11))
		readers.Go(func() {
			for range 60 {
				if err := w.one(r, i%3); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
	t.Logf("%d overwrites, %d answers complete, %d broken", len(w.byETag), w.complete, w.broken)
	if w.complete < 200 {
		t.Error("hardly any answer was complete: nothing was tested")
	}
}

// rewritten is a cluster with one object that its readers overwrite.
type rewritten struct {
	*testCluster

	mu               sync.Mutex
	byETag           map[string]pattern.Object
	complete, broken int
}

func (w *rewritten) overwrite() {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.byETag)
	o := pattern.Object{Bucket: bucket, Key: "k", Version: strconv.Itoa(n), Size: 2*mib + int64(n%3)}
	w.s3.Put(o, s3test.Meta{})
	w.byETag[s3test.ETag(o)] = o
}

// one reads through a node, and overwrites the object when half of it has come.
func (w *rewritten) one(r *rand.Rand, node int) error {
	header, first := http.Header{}, int64(0)
	if r.IntN(2) == 0 {
		first = r.Int64N(2 * mib)
		header.Set("Range", fmt.Sprintf("bytes=%d-", first))
	}
	res, err := w.send(w.t.Context(), node, http.MethodGet, w.target(node, "k"), header)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	w.mu.Lock()
	o, known := w.byETag[res.Header.Get("ETag")]
	w.mu.Unlock()
	if res.StatusCode == http.StatusServiceUnavailable { // it changed faster than it could be read
		w.overwrite()
		return nil
	}
	length := o.Size - first
	if !known || res.StatusCode/100 != 2 || res.ContentLength != length {
		return fmt.Errorf("%s, %d bytes of %q", res.Status, res.ContentLength, res.Header.Get("ETag"))
	}
	p := make([]byte, length)
	n, err := io.ReadFull(res.Body, p[:length/2])
	w.overwrite()
	if err == nil {
		var rest int
		rest, err = io.ReadFull(res.Body, p[n:])
		n += rest
	}
	if wrong := o.Check(p[:n], first); wrong != nil {
		return wrong
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.complete++
	} else {
		w.broken++
	}
	return nil
}
