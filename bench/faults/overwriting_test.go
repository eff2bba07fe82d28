package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// overwriting changes objects at S3 while they are read: an answer is one
// version whole, or one that the client knows to be none.
type overwriting struct{}

const (
	changingBucket    = "changing" // nothing in it is fresh
	changingObjects   = 30
	changingPace      = 20 << 20 // bytes a second of one answer of S3: large bodies are overwritten midway
	rangeOneIn        = 3        // reads
	cutEvery          = 10       // overwrites: then S3 breaks a body off, which is to be resumed
	overwriteRate     = 100      // reads a second
	overwritesASecond = 200
	// overwritesWhole is the share of reads that must succeed, or the rest says nothing.
	overwritesWhole = 0.5
)

// shelf is every version that there has been.
type shelf struct {
	mu       sync.Mutex
	random   *rand.Rand
	current  []pattern.Object
	versions map[string]pattern.Object // by their ETags
}

func (overwriting) named() string { return "overwrites" }

func (s overwriting) run(ctx context.Context, c *cluster, set settings) ([]*result, error) {
	r := &result{name: s.named()}
	if err := c.settled(ctx, members); err != nil {
		return []*result{r}, err
	}
	objects := &shelf{random: rand.New(rand.NewPCG(set.seed, 1)), versions: map[string]pattern.Object{}}
	for i := range changingObjects {
		size := []int64{smallBytes, 1500 << 10, 3 << 20}[i%3]
		objects.current = append(objects.current, pattern.Object{Bucket: changingBucket, Key: fmt.Sprintf("changing/%d", i), Size: size})
		objects.overwrite(c.s3, i)
	}
	c.s3.Forget()
	c.s3.Limit(changingPace)
	defer c.s3.Limit(0)
	l := startLoad(ctx, c.balancer, overwriteRate, objects.pick)
	var err error
	for i := 0; i < set.overwrites && err == nil; i++ {
		objects.overwrite(c.s3, i%changingObjects)
		if i%cutEvery == 0 {
			objects.cut(c.s3, i%changingObjects)
		}
		err = wait(ctx, time.Until(l.began.Add(time.Duration(i)*time.Second/overwritesASecond)))
	}
	r.samples, r.ran = l.end(), l.now()
	_, r.origin = c.s3.Bytes("", "")
	wholes := r.count(func(s sample) bool { return s.class == whole })
	r.note("%d overwrites, %d reads: %d whole, %d answered with an error, %d cut off", set.overwrites, len(r.samples), wholes,
		r.count(func(s sample) bool { return s.class == status }), r.count(func(s sample) bool { return s.class == broken }))
	if float64(wholes) < overwritesWhole*float64(len(r.samples)) {
		r.fail("only %d of %d reads were whole", wholes, len(r.samples))
	}
	bar{changing: true}.judge(r)
	return []*result{r}, err
}

// overwrite makes a new version of an object.
func (s *shelf) overwrite(s3 *s3test.Server, i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.current[i]
	o.Version = fmt.Sprint(len(s.versions))
	s.versions[s3test.ETag(*o)] = *o
	s3.Put(*o, s3test.Meta{})
}

// cut lets S3 break off its next body of an object, somewhere.
func (s *shelf) cut(s3 *s3test.Server, i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.current[i]
	s3.Script(o.Bucket, o.Key, s3test.Step{Method: http.MethodGet, End: &s3test.End{After: s.random.Int64N(o.Size)}})
}

func (s *shelf) pick() want {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.current[s.random.IntN(len(s.current))]
	w := want{path: pathOf(o), to: o.Size, size: o.Size}
	if s.random.IntN(rangeOneIn) == 0 {
		w.from = s.random.Int64N(o.Size)
		w.to = w.from + 1 + s.random.Int64N(o.Size-w.from)
	}
	w.version = func(etag string) (pattern.Object, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		v, ok := s.versions[etag]
		return v, ok && v.Key == o.Key
	}
	return w
}
