package node_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
)

// heldS3 is an S3 that decides on an answer when a request arrives, and gives it
// when the test says so: what it tells may be old by then.
type heldS3 struct {
	arrived chan func() // of each request that is held, what lets it go

	mu       sync.Mutex
	holding  bool
	cutAfter int64
	confirms bool // a conditional GET of what it has is a 304
	objects  map[string]heldObject
	asked    []string
}

type heldObject struct {
	pattern.Object
	etag string
	tags string
}

// cut makes whole answers end after so many bytes; 0 does not.
func (s *heldS3) cut(after int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutAfter = after
}

func newHeldS3() *heldS3 {
	return &heldS3{arrived: make(chan func(), 100), objects: make(map[string]heldObject)}
}

func (s *heldS3) put(o heldObject) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[o.Key] = o
}

// delete leaves nothing of the name.
func (s *heldS3) delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
}

// hold keeps back the answers to requests from now on, or no more.
func (s *heldS3) hold(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = yes
}

// next returns what lets the next request go that is held.
func (s *heldS3) next(t *testing.T) func() {
	t.Helper()
	select {
	case let := <-s.arrived:
		return let
	case <-time.After(10 * time.Second):
		t.Fatalf("S3 is not asked; before, it was asked %v", s.requests())
		return nil
	}
}

// requests returns what was asked since the last call.
func (s *heldS3) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// answer decides on the answer and waits until it may be given.
func (s *heldS3) answer(ctx context.Context, request, name string) (heldObject, error) {
	s.mu.Lock()
	o, ok := s.objects[name]
	s.asked = append(s.asked, request+" "+name)
	release := make(chan struct{})
	if s.holding {
		s.arrived <- func() { close(release) }
	} else {
		close(release)
	}
	s.mu.Unlock()
	select {
	case <-release:
	case <-ctx.Done():
		return o, ctx.Err()
	}
	if !ok {
		return o, &object.OriginError{Status: 404, Code: "NoSuchKey"}
	}
	return o, nil
}

// versionHeader names the version, so that an info can be told from another.
const versionHeader = "X-Amz-Meta-Version"

func (o heldObject) info() *object.Info {
	return infoOf(o.Object, o.etag, object.Field{Name: tagHeader, Value: o.tags}, object.Field{Name: versionHeader, Value: o.Version})
}

func (s *heldS3) Head(ctx context.Context, key object.Key, _ string) (*object.Info, error) {
	o, err := s.answer(ctx, "HEAD", key.Name)
	if err != nil {
		return nil, err
	}
	return o.info(), nil
}

func (*heldS3) Query(context.Context, object.Query) (*object.Document, error) {
	return nil, &object.OriginError{Status: 501, Code: "NotImplemented"}
}

func (s *heldS3) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	request := "GET"
	if f.To != 0 {
		request = fmt.Sprintf("GET %d-%d", f.From, f.To)
	}
	o, err := s.answer(ctx, request, f.Key.Name)
	if err != nil {
		return nil, err
	}
	if f.IfMatch != "" && f.IfMatch != o.etag {
		return nil, object.ErrGone
	}
	if s.confirms && f.IfNoneMatch == o.etag {
		return nil, &object.NotModified{ETag: o.etag, LastModified: o.info().LastModified, Validated: time.Now()}
	}
	answer := fetched(o.Object, o.info(), f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cutAfter > 0 && f.To == 0 {
		answer.Body = io.NopCloser(&limited{answer.Body, s.cutAfter})
	}
	return answer, nil
}

// newHeld returns a leased node alone over such an S3.
func newHeld(t *testing.T, adjust ...func(*node.Options)) (*testNode, *heldS3, *purge.State) {
	t.Helper()
	s3, state := newHeldS3(), member(100)
	n := newAlone(t, s3, append([]func(*node.Options){func(o *node.Options) {
		o.Purges = state
		b := o.Buckets[bucket]
		b.TagHeaders = []string{tagHeader}
		b.Freshness.NotFound = b.Freshness.Default
		o.Buckets[bucket] = b
	}}, adjust...)...)
	return n, s3, state
}

// reading is a read that goes on in the background.
type reading struct{ ended chan error }

// background begins a read, whose answer has to be o, or as long as o if that has
// no version.
func (n *testNode) background(ask *object.Ask, o pattern.Object) *reading {
	r := &reading{ended: make(chan error, 1)}
	go func() {
		a, err := n.Open(context.Background(), ask)
		if err == nil && (a.Info.Size != o.Size || o.Version != "" && a.Info.Get(versionHeader) != o.Version) {
			err = fmt.Errorf("version %q of %d bytes, want %q of %d", a.Info.Get(versionHeader), a.Info.Size, o.Version, o.Size)
		}
		switch {
		case err == nil && o.Version == "" && a.Body != nil:
			_, err = io.Copy(io.Discard, a.Body)
			a.Body.Close()
		case err == nil:
			err = check(a, o)
		}
		r.ended <- err
	}()
	return r
}

func (r *reading) end(t *testing.T, who string) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("%s: %v", who, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s has no answer", who)
	}
}

// apply lets one state hear of the next order.
func apply(s *purge.State, soft bool, scopes ...purge.Scope) {
	number := s.Note().Applied + 1
	s.Apply(number, &purge.Order{ID: fmt.Sprint(number), Scopes: scopes, Soft: soft})
}

// self is an object that describes itself.
func self(name, version string, size int64) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: name, Version: version, Size: size}
}
