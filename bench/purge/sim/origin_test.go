package sim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rookery/bench/purge/history"
	"rookery/internal/pattern"
	"rookery/object"
)

const (
	versionHeader = "X-Amz-Meta-Version"
	tagHeader     = "X-Amz-Meta-Cache-Tag"
	// originTakes is how long S3 takes to answer at the most, and again for a body.
	originTakes = 40 * time.Millisecond
	// slowOneIn parts of S3's time are as long as a lease.
	slowOneIn = 200
)

// version is what S3 has of a key from one overwrite to the next.
type version struct {
	number  int
	object  pattern.Object // its Version is that of the bytes: a copy in place keeps them
	etag    string         // "" is none
	tags    []string
	deleted bool
	control string // Cache-Control
}

// things is S3, in memory. It keeps every version, so that answers can be checked.
type things struct {
	record *history.Recorder
	away   atomic.Bool // every request fails
	prompt atomic.Bool // no request is slow

	mu       sync.Mutex
	versions map[object.Key][]*version
}

// overwrite makes another version of a key current.
func (s *things) overwrite(key object.Key, next func(last *version) *version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.versions[key]
	var last *version
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	v := next(last)
	v.number = len(all) + 1
	o := history.Overwrite{Key: key, Version: v.number, Tags: v.tags, Deleted: v.deleted, Invoked: s.record.Now()}
	s.versions[key] = append(all, v)
	o.Completed = s.record.Now()
	s.record.Overwrite(o)
}

// current is nil where there is no object.
func (s *things) current(key object.Key) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.versions[key]
	if len(all) == 0 || all[len(all)-1].deleted {
		return nil
	}
	return all[len(all)-1]
}

// list is a bucket's page of names at one moment.
func (s *things) list(bucket string) (text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, all := range s.versions {
		if last := all[len(all)-1]; key.Bucket == bucket && !last.deleted {
			text = fmt.Appendf(text, "%s %d\n", key.Name, last.number)
		}
	}
	return text
}

// numbered returns a version that there has been, nil if there was none.
func (s *things) numbered(key object.Key, text string) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := strconv.Atoi(text)
	if all := s.versions[key]; err == nil && 0 < n && n <= len(all) {
		return all[n-1]
	}
	return nil
}

func (v *version) info(sent time.Time) *object.Info {
	i := &object.Info{
		Version: object.VersionOf(v.etag, v.object.Size), Size: v.object.Size, ETag: v.etag,
		LastModified: time.Unix(1_700_000_000+int64(v.number), 0).UTC(), Validated: sent,
		Header: []object.Field{{Name: versionHeader, Value: strconv.Itoa(v.number)}},
	}
	if len(v.tags) > 0 {
		i.Header = append(i.Header, object.Field{Name: tagHeader, Value: strings.Join(v.tags, ",")})
	}
	if v.control != "" {
		i.Header = append(i.Header, object.Field{Name: "Cache-Control", Value: v.control})
	}
	return i
}

// origin is one node's way to S3.
type origin struct {
	things *things
	host   *host
}

// takes lets a part of S3's time pass on the way through the node's gate.
func (o *origin) takes(ctx context.Context) error {
	long := originTakes / 2
	if rand.IntN(slowOneIn) == 0 && !o.things.prompt.Load() {
		long = 2 * lease
	}
	if err := rest(ctx, rand.N(long)); err != nil {
		return err
	}
	return o.host.gate.pass(ctx)
}

// find waits for S3's word on a key, and for the word's way back.
func (o *origin) find(ctx context.Context, key object.Key) (*version, error) {
	if err := o.takes(ctx); err != nil {
		return nil, err
	}
	key.Place = 0 // the same is at each
	v, away := o.things.current(key), o.things.away.Load()
	if err := o.takes(ctx); err != nil {
		return nil, err
	}
	switch {
	case away:
		return nil, &object.OriginError{Status: http.StatusServiceUnavailable, Code: "SlowDown"}
	case v == nil:
		return nil, &object.OriginError{Status: http.StatusNotFound, Code: "NoSuchKey"}
	}
	return v, nil
}

// Query tells a bucket's names, each with the number of its version; of what there is
// not, there is no line.
func (o *origin) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	sent := o.host.now()
	if err := o.takes(ctx); err != nil {
		return nil, err
	}
	text, away := o.things.list(q.Key.Bucket), o.things.away.Load()
	if err := o.takes(ctx); err != nil {
		return nil, err
	}
	if away {
		return nil, &object.OriginError{Status: http.StatusServiceUnavailable, Code: "SlowDown"}
	}
	return &object.Document{Text: text, Validated: sent}, nil
}

func (o *origin) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	sent := o.host.now()
	v, err := o.find(ctx, key)
	if err != nil {
		return nil, err
	}
	info := v.info(sent)
	if ifNoneMatch != "" && ifNoneMatch == v.etag {
		return nil, &object.NotModified{ETag: v.etag, LastModified: info.LastModified}
	}
	return info, nil
}

func (o *origin) Get(ctx context.Context, fetch object.Fetch) (*object.Fetched, error) {
	sent := o.host.now()
	v, err := o.find(ctx, fetch.Key)
	if err != nil {
		return nil, err
	}
	info, to := v.info(sent), fetch.To
	switch {
	case fetch.IfMatch != "" && fetch.IfMatch != v.etag:
		return nil, object.ErrGone
	case fetch.IfNoneMatch != "" && fetch.IfNoneMatch == v.etag:
		return nil, &object.NotModified{ETag: v.etag, LastModified: info.LastModified}
	case to == 0:
		to = v.object.Size
	case to > v.object.Size:
		return nil, &object.OriginError{Status: http.StatusRequestedRangeNotSatisfiable, Code: "InvalidRange"}
	}
	f := &object.Fetched{ETag: v.etag, Offset: fetch.From, Length: to - fetch.From, Size: v.object.Size}
	if fetch.To == 0 {
		f.Info = info
	}
	f.Body = &originBody{ctx: ctx, origin: o, object: v.object, at: fetch.From, end: to}
	return f, nil
}

// originBody comes in two pieces: that a body is on its way while things change
// is what many of the races need.
type originBody struct {
	ctx     context.Context
	origin  *origin
	object  pattern.Object
	at, end int64
	halfway bool
}

func (b *originBody) Read(p []byte) (int, error) {
	if b.at == b.end {
		return 0, io.EOF
	}
	left := b.end - b.at
	if !b.halfway {
		left = (left + 1) / 2
		b.halfway = int64(len(p)) >= left
	} else if err := b.origin.takes(b.ctx); err != nil {
		return 0, fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	n := min(int64(len(p)), left)
	b.object.At(p[:n], b.at)
	b.at += n
	return int(n), nil
}

func (*originBody) Close() error { return nil }
