package run_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/admin"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// race is a bucket that is overwritten, purged and read while its nodes are reloaded: what
// it stands for, how it is asked for and what is kept of it changes all the time.
type race struct {
	*reloading
	keys   []string
	bounds []atomic.Int64 // by key: what was purged lately is older than this version
	etags  sync.Map       // of all that was ever written, to its version
	reads  atomic.Int64
	looked chan struct{} // has an element for each read, unless it is full
	failed atomic.Bool
	done   chan struct{}
	all    sync.WaitGroup
}

// stands are the buckets of S3 that the bucket stands for in turn. They are always
// overwritten together.
var stands = [...]string{"one", "two"}

// raceLook is the n-th file.
func raceLook(n int) file {
	return changeBucket(func(b *config.Bucket) {
		b.S3.Bucket = stands[n%2]
		b.Identity = [...]string{"", "", "same"}[n%3]
		b.Lists = time.Duration(n%4) * time.Minute
		b.Freshness.Default = time.Duration(1+n%4) * time.Hour
		b.S3.Care.Breaker.FailureThreshold += n % 5
		if n%4 < 2 {
			b.S3.Anonymous, b.S3.AccessKey, b.S3.SecretKey = false, config.Secret(fmt.Sprintf("KEY%d", n)), "secret"
		}
	})
}

func (r *race) overwrite(k, n int) {
	v := strconv.Itoa(n)
	for _, at := range stands {
		o := pattern.Object{Bucket: at, Key: r.keys[k], Version: v, Size: smallBytes}
		r.etags.Store(s3test.ETag(o), n)
		r.s3.Put(o, s3test.Meta{Header: http.Header{"X-Amz-Meta-Version": {v}, "X-Amz-Meta-At": {at}, "X-Amz-Meta-Cache-Tag": {"t" + strconv.Itoa(k)}}})
	}
}

// fail tells of an error, unless the race is over.
func (r *race) fail(err error) {
	r.failed.Store(true)
	r.t.Error(err)
}

func (r *race) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return r.failed.Load()
	}
}

// purges overwrites one key and has it purged, through any node and in any scope.
func (r *race) purges(k int) {
	random := rand.New(rand.NewPCG(uint64(k), 4))
	narrow := [...]string{
		`"bucket": "b", "key": "` + r.keys[k] + `"`, `"bucket": "b", "prefix": "` + r.keys[k] + `"`, `"bucket": "b", "tags": ["t` + strconv.Itoa(k) + `"]`,
	}
	for n := 2; !r.ended(); n++ {
		for range 20 { // reads between two purges
			select {
			case <-r.looked:
			case <-r.done:
				return
			}
		}
		r.overwrite(k, n)
		scope := narrow[random.IntN(len(narrow))]
		if random.IntN(20) == 0 {
			scope = [...]string{`"bucket": "b"`, `"all": true`}[random.IntN(2)]
		}
		i := random.IntN(3)
		status, text, err := r.tryPost(r.t.Context(), r.nodes[i].AdminAddr().String(), purgePath, "{"+scope+`, "wait": "20s"}`)
		if err != nil || status != http.StatusOK {
			r.fail(fmt.Errorf("rook-%d: purge of %s: %d %s (%w)", i, scope, status, text, err))
			return
		}
		r.bounds[k].Store(int64(n))
	}
}

// looks reads keys and lists.
func (r *race) looks(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 5))
	for !r.ended() {
		look := r.read
		if random.IntN(4) == 0 {
			look = r.list
		}
		if err := look(random.IntN(3), random.IntN(len(r.keys))); err != nil {
			r.fail(err)
			return
		}
		r.reads.Add(1)
		select {
		case r.looked <- struct{}{}:
		default:
		}
	}
}

func (r *race) read(i, k int) error {
	bound := r.bounds[k].Load()
	response, err := r.send(r.t.Context(), i, http.MethodGet, r.target(i, r.keys[k]), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("rook-%d: %s: %s %s", i, r.keys[k], response.Status, text)
	}
	o := pattern.Object{Bucket: response.Header.Get("X-Amz-Meta-At"), Key: r.keys[k], Version: response.Header.Get("X-Amz-Meta-Version"), Size: smallBytes}
	if _, err := o.CheckReader(response.Body, 0, o.Size); err != nil {
		return err
	}
	return r.newEnough(i, "reads", k, s3test.ETag(o), bound, response)
}

// newEnough checks what is known of a key by its ETag.
func (r *race) newEnough(i int, how string, k int, etag string, bound int64, response *http.Response) error {
	n, ok := r.etags.Load(etag)
	if !ok || int64(n.(int)) < bound {
		return fmt.Errorf("rook-%d: %s version %v of %s: %d was purged (%s)", i, how, n, r.keys[k], bound, response.Header.Get("Cache-Status"))
	}
	return nil
}

func (r *race) list(i, k int) error {
	bound := r.bounds[k].Load()
	u, err := url.Parse("http://" + r.nodes[i].PublicAddr().String() + "/" + bucket + "?list-type=2")
	if err != nil {
		return err
	}
	response, err := r.send(r.t.Context(), i, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var page listed
	if err := xml.NewDecoder(response.Body).Decode(&page); err != nil || len(page.Contents) != len(r.keys) {
		return fmt.Errorf("rook-%d: lists %+v, %s (%w)", i, page, response.Status, err)
	}
	for _, c := range page.Contents {
		if c.Key == r.keys[k] {
			return r.newEnough(i, "lists", k, c.ETag, bound, response)
		}
	}
	return fmt.Errorf("rook-%d: %s is not in the list", i, r.keys[k])
}

// Purges and reloads race on three nodes: nothing that was purged is read or listed after
// its purge was complete, in whatever order the nodes are told of whatever change.
func TestPurgesAndReloadsRace(t *testing.T) {
	t.Parallel()
	r := &race{reloading: newReloading(t, 3, raceLook(0)), bounds: make([]atomic.Int64, 6), looked: make(chan struct{}, 1), done: make(chan struct{})}
	for k := range r.bounds {
		r.keys = append(r.keys, fmt.Sprintf("k%d", k))
		r.overwrite(k, 1)
	}
	stop := sync.OnceFunc(func() {
		close(r.done)
		r.all.Wait()
	})
	defer stop()
	for k := range r.bounds {
		r.all.Go(func() { r.purges(k) })
		r.all.Go(func() { r.looks(uint64(k)) })
	}
	for n := 1; n <= 60 && !r.failed.Load(); n++ {
		reads := r.reads.Load()
		r.reload(n%3, raceLook(n/3+n%2))
		until(t, "reads between reloads", func() bool { return r.reads.Load() > reads+20 || r.failed.Load() })
	}
	stop()
	purges := int64(0)
	for k := range r.bounds {
		purges += r.bounds[k].Load()
	}
	hits := 0
	for i := range r.nodes {
		var s admin.Stats
		r.operators(i, "/admin/cache/stats", &s)
		hits += int(s.Reads.Hot.Hits + s.Reads.Disk.Hits)
	}
	t.Logf("%d reads, %d purges, %d hits", r.reads.Load(), purges, hits)
	if purges < 20 || hits < 100 {
		t.Error("this shows little")
	}
}
