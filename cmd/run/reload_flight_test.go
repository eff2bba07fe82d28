package run_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// signedWith makes a file whose bucket is read with a key.
func signedWith(key string) file {
	return changeBucket(func(b *config.Bucket) {
		b.S3.Anonymous, b.S3.AccessKey, b.S3.SecretKey = false, config.Secret(key), "secret"
	})
}

// keysOf counts S3's requests for an object by the key that signed them.
func (c *testCluster) keysOf(o pattern.Object) map[string]int {
	all := map[string]int{}
	for _, r := range c.s3.Requests() {
		if r.Key == o.Key {
			_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
			key, _, _ := strings.Cut(credential, "/")
			all[key]++
		}
	}
	return all
}

// A body that has begun is read to its end with the credentials that it began with,
// though they are others by now, and though its bucket is gone.
func TestAReadFinishesOnWhatItBeganWith(t *testing.T) {
	for name, next := range map[string]file{
		"other credentials":   signedWith("NEW"),
		"no bucket":           func(c *config.Config) error { c.Buckets[0].Name, c.Buckets[0].PathPrefix = "new", "/new"; return nil },
		"another S3":          changeBucket(func(b *config.Bucket) { b.S3.Endpoint = "http://127.0.0.1:1" }),
		"another S3's bucket": changeBucket(func(b *config.Bucket) { b.S3.Bucket = "other" }),
	} {
		t.Run(name, func(t *testing.T) {
			c := newReloading(t, 1, signedWith("OLD"))
			// Of two extents, each is a GET of its own.
			const from = object.ExtentBytes - 3*mib
			o := c.put("large", object.ExtentBytes+3*mib, s3test.Meta{})
			response, err := c.send(t.Context(), 0, http.MethodGet, c.target(0, o.Key), http.Header{"Range": {fmt.Sprintf("bytes=%d-", from)}})
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if _, err := o.CheckReader(io.LimitReader(response.Body, 1000), from, from+1000); err != nil {
				t.Fatal(err)
			}
			before := c.s3.Count(http.MethodGet, bucket, o.Key)
			c.reload(0, next)
			if _, err := o.CheckReader(response.Body, from+1000, o.Size); err != nil {
				t.Error(err)
			}
			if after := c.s3.Count(http.MethodGet, bucket, o.Key); after == before {
				t.Error("no GET was sent after the reload: this test shows nothing")
			}
			if keys := c.keysOf(o); len(keys) != 1 || keys["OLD"] == 0 {
				t.Errorf("S3 was asked with %v", keys)
			}
			if name == "other credentials" {
				small := c.put("small", 1000, s3test.Meta{})
				c.read(0, small)
				if keys := c.keysOf(small); len(keys) != 1 || keys["NEW"] == 0 {
					t.Errorf("what began after it was asked for with %v", keys)
				}
			}
		})
	}
}

// storm reads through all nodes until it is told to end.
type storm struct {
	*reloading
	objects  []pattern.Object
	one, two pattern.Object // what the bucket swap shows, in turn
	reads    atomic.Int64
	failures atomic.Int64
	done     chan struct{}
	all      sync.WaitGroup
}

func (s *storm) begin(readers int) {
	s.done = make(chan struct{})
	for r := range readers {
		s.all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(r), 7))
			for {
				select {
				case <-s.done:
					return
				default:
				}
				if err := s.readOne(random); err != nil {
					s.failures.Add(1)
					s.t.Error(err)
					return
				}
				s.reads.Add(1)
			}
		})
	}
}

func (s *storm) readOne(random *rand.Rand) error {
	i := random.IntN(3)
	if random.IntN(4) == 0 {
		return s.readSwap(i)
	}
	o := s.objects[random.IntN(len(s.objects))]
	from := random.Int64N(o.Size)
	_, err := s.fetch(i, o, from, from+1+random.Int64N(o.Size-from))
	return err
}

// readSwap reads what has two looks: it must have either, from the first byte to the last.
func (s *storm) readSwap(i int) error {
	u, err := url.Parse("http://" + s.nodes[i].PublicAddr().String() + "/swap/" + s.one.Key)
	if err != nil {
		return err
	}
	response, err := s.send(s.t.Context(), i, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		return fmt.Errorf("rook-%d: swap: %s, %w", i, response.Status, err)
	}
	for _, o := range []pattern.Object{s.one, s.two} {
		if _, err := o.CheckReader(strings.NewReader(string(body)), 0, o.Size); err == nil {
			return nil
		}
	}
	return fmt.Errorf("rook-%d: swap: the bytes are of neither", i)
}

// variant is the n-th of the files of the storm: each has something else, all have what
// is read.
func variant(n int) file {
	return func(c *config.Config) error {
		at := [...]string{"one", "two"}[n%2]
		if err := addBucket("swap", at)(c); err != nil {
			return err
		}
		if err := signedWith(fmt.Sprintf("KEY%d", n%3))(c); err != nil {
			return err
		}
		if n%3 == 0 {
			if err := addBucket("sometimes", bucket)(c); err != nil {
				return err
			}
		}
		b := &c.Buckets[0]
		b.Freshness.Default = time.Duration(1+n%4) * time.Minute
		b.S3.Care.Breaker.FailureThreshold += n % 5
		b.S3.Care.Retry.MaxAttempts += n % 2
		b.S3.Care.Hedge.Enabled = n%4 == 0
		c.Server.MaxConcurrentRequests -= n
		c.Server.Domain = [...]string{"", "s3.test"}[n%2]
		return nil
	}
}

// A hundred reloads on three nodes that are read all the while: no request fails, and
// every byte is right.
func TestReloadsUnderLoad(t *testing.T) {
	c := newReloading(t, 3, variant(0))
	s := &storm{reloading: c, one: c.putAt("one", "k", 2*mib+5), two: c.putAt("two", "k", 2*mib+5)}
	for n := range 20 {
		s.objects = append(s.objects, c.put(fmt.Sprintf("k%d", n), int64(1000+n*n*17_000), s3test.Meta{}))
	}
	s.objects = append(s.objects, c.put("large", 20*mib, s3test.Meta{}))
	s.begin(8)
	for n := 1; n <= 100 && s.failures.Load() == 0; n++ {
		reads := s.reads.Load()
		c.reload(n%3, variant(n/3))
		until(t, "reads between reloads", func() bool { return s.reads.Load() > reads+2 || s.failures.Load() > 0 })
	}
	close(s.done)
	s.all.Wait()
	t.Logf("%d reads, %d failed", s.reads.Load(), s.failures.Load())
	if _, text := c.operators(1, "/metrics", nil); !strings.Contains(text, "\nrookery_config_generation 35\n") {
		t.Error("rook-1 has not had its 34 reloads")
	}
}
