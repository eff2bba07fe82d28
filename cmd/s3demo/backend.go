package s3demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// backend lays what others PUT over the samples.
type backend struct {
	gofakes3.Backend                              // in memory
	samples          map[string]map[string]sample // by bucket and key
}

func newBackend() (*backend, error) {
	b := &backend{Backend: s3mem.New(), samples: map[string]map[string]sample{}}
	for _, s := range samples() {
		if b.samples[s.Bucket] == nil {
			b.samples[s.Bucket] = map[string]sample{}
			if err := b.CreateBucket(s.Bucket); err != nil {
				return nil, fmt.Errorf("make bucket %s: %w", s.Bucket, err)
			}
		}
		b.samples[s.Bucket][s.Key] = s
	}
	return b, nil
}

func (b *backend) sample(bucket, key string, err error) (sample, bool) {
	if !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return sample{}, false
	}
	s, ok := b.samples[bucket][key]
	return s, ok
}

func (b *backend) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	o, err := b.Backend.HeadObject(bucket, key)
	if s, ok := b.sample(bucket, key, err); ok {
		return s.object(nil), nil
	}
	return o, err
}

func (b *backend) GetObject(bucket, key string, asked *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	if asked != nil && asked.FromEnd {
		asked = b.withinSize(bucket, key, *asked)
	}
	o, err := b.Backend.GetObject(bucket, key, asked)
	s, ok := b.sample(bucket, key, err)
	if !ok {
		return o, err
	}
	part, err := asked.Range(s.Size)
	if err != nil {
		return nil, err
	}
	return s.object(part), nil
}

// withinSize makes a suffix longer than the object the whole of it (RFC 9110
// §14.1.3), which gofakes3 would refuse.
func (b *backend) withinSize(bucket, key string, asked gofakes3.ObjectRangeRequest) *gofakes3.ObjectRangeRequest {
	if o, err := b.HeadObject(bucket, key); err == nil {
		asked.End = min(asked.End, o.Size)
		o.Contents.Close()
	}
	return &asked
}

func (s sample) object(part *gofakes3.ObjectRange) *gofakes3.Object {
	var body io.Reader = s.Reader()
	if part != nil {
		body = io.NewSectionReader(s.Reader(), part.Start, part.Length)
	}
	return &gofakes3.Object{
		Name: s.Key, Metadata: maps.Clone(s.header), Size: s.Size,
		Contents: io.NopCloser(body), Hash: s.hash(), Range: part,
	}
}

// PutObject keeps of a request's headers those that describe the object;
// gofakes3 hands over every x-amz-* and would give them all back.
func (b *backend) PutObject(bucket, key string, meta map[string]string, in io.Reader, size int64, c *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	maps.DeleteFunc(meta, func(name, _ string) bool {
		return strings.HasPrefix(name, "X-Amz-") && !strings.HasPrefix(name, "X-Amz-Meta-")
	})
	return b.Backend.PutObject(bucket, key, meta, in, size, c)
}

// ListBucket lists what was PUT and the samples that it does not hide.
func (b *backend) ListBucket(bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	stored, err := b.Backend.ListBucket(bucket, nil, gofakes3.ListBucketPage{})
	if err != nil {
		return nil, err
	}
	all := stored.Contents
	hidden := map[string]bool{}
	for _, c := range stored.Contents {
		hidden[c.Key] = true
	}
	for key, s := range b.samples[bucket] {
		if !hidden[key] {
			all = append(all, s.content())
		}
	}
	slices.SortFunc(all, func(x, y *gofakes3.Content) int { return strings.Compare(x.Key, y.Key) })
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	return list(all, *prefix, page), nil
}

// list makes one page of sorted keys. A key with the delimiter after the prefix
// counts once for all that share what stands before it (the S3 API's
// ListObjectsV2); gofakes3's own matching loses leading and double slashes.
func list(all []*gofakes3.Content, prefix gofakes3.Prefix, page gofakes3.ListBucketPage) *gofakes3.ObjectList {
	out := gofakes3.NewObjectList()
	last := ""
	for _, c := range all {
		rest, ok := strings.CutPrefix(c.Key, prefix.Prefix)
		if !ok {
			continue
		}
		mark := c.Key
		at := -1
		if prefix.Delimiter != "" {
			at = strings.Index(rest, prefix.Delimiter)
		}
		if at >= 0 {
			mark = prefix.Prefix + rest[:at+len(prefix.Delimiter)]
		}
		if mark <= page.Marker && page.Marker != "" || at >= 0 && mark == last {
			continue
		}
		if page.MaxKeys > 0 && int64(len(out.Contents)+len(out.CommonPrefixes)) == page.MaxKeys {
			out.IsTruncated, out.NextMarker = true, last
			break
		}
		if last = mark; at >= 0 {
			out.AddPrefix(mark)
		} else {
			out.Add(c)
		}
	}
	return out
}
