package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"rookery/bench/purge/history"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

const (
	purgedBucket  = "purged" // fresh for a day
	versionHeader = "X-Amz-Meta-Version"
	tagsHeader    = "X-Amz-Meta-Cache-Tag"
)

var purgeTags = []string{"red", "green", "blue"}

// purgeShelf is an object and all its versions.
type purgeShelf struct {
	key   object.Key
	sizes int64 // of which a version is at the most

	mu       sync.Mutex
	versions []pattern.Object // a deletion has no name
}

func newPurgeShelves() (all []*purgeShelf) {
	for _, dir := range []string{"a/", "a/b/", "c/"} {
		for i := range 16 {
			sizes := []int64{4 << 10, 64 << 10, 300 << 10, 1500 << 10}[max(0, i-12)]
			all = append(all, &purgeShelf{key: object.Key{Bucket: purgedBucket, Name: fmt.Sprintf("%s%d", dir, i)}, sizes: sizes})
		}
	}
	return all
}

// overwrite makes another version current at S3, or deletes the object there.
func (s *purgeShelf) overwrite(s3 *s3test.Server, record *history.Recorder, r *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := len(s.versions) + 1
	o := history.Overwrite{Key: s.key, Version: number, Deleted: number > 1 && r.IntN(20) == 0, Invoked: record.Now()}
	var v pattern.Object
	if o.Deleted {
		s3.Delete(s.key.Bucket, s.key.Name)
	} else {
		for _, tag := range purgeTags {
			if r.IntN(3) == 0 {
				o.Tags = append(o.Tags, tag)
			}
		}
		v = pattern.Object{Bucket: s.key.Bucket, Key: s.key.Name, Version: strconv.Itoa(number), Size: 1024 + r.Int64N(s.sizes)}
		s3.Put(v, s3test.Meta{LastModified: s3test.LastModified.Add(time.Duration(number) * time.Second), Header: http.Header{
			versionHeader: {strconv.Itoa(number)}, tagsHeader: {strings.Join(o.Tags, ",")},
		}})
	}
	s.versions = append(s.versions, v)
	o.Completed = record.Now()
	record.Overwrite(o)
}

// numbered returns a version that there has been.
func (s *purgeShelf) numbered(number int) (pattern.Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 1 || number > len(s.versions) || s.versions[number-1].Key == "" {
		return pattern.Object{}, false
	}
	return s.versions[number-1], true
}
