package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/object"
)

var noStore = object.Field{Name: "Cache-Control", Value: "no-store"}

// A read of its own, past the cache, of an object that was overwritten between
// the question and the bytes: never bytes of one version under the info of
// another, not even of the same size.
func TestPastTheCacheVersionsAreNotMixed(t *testing.T) {
	asks := map[string]*object.Ask{
		"first":  getRange("k", 0, 999),
		"middle": getRange("k", 500, 600),
		"suffix": {Key: get("k").Key, Range: object.Range{Kind: object.Suffix, Last: 300}},
	}
	for _, size := range []int64{1000, 2000} {
		old := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 1000}
		now := pattern.Object{Bucket: bucket, Key: "k", Version: "2", Size: size}
		for _, etag := range []string{"", `W/"x"`} {
			n := newAlone(t, &fakeOrigin{
				head: func(context.Context, object.Key) (*object.Info, error) { return infoOf(old, etag, noStore), nil },
				get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
					info := infoOf(now, etag, noStore)
					info.LastModified = info.LastModified.Add(time.Hour)
					return fetched(now, info, f), nil
				},
			})
			for what, ask := range asks {
				a := n.read(t, ask, now)
				if a.Outcome != object.Bypass || a.Info.LastModified.Unix() != 1_700_003_600 {
					t.Errorf("%s of %d with ETag %s: %v of %v", what, size, etag, a.Outcome, a.Info)
				}
			}
		}
	}
}

// Two readers of the whole, of whom the second joined the first's question: it
// gets a body of its own, with the info of that body.
func TestPastTheCacheAJoinerGetsTheInfoOfItsOwnBody(t *testing.T) {
	versions := []pattern.Object{
		{Bucket: bucket, Key: "k", Version: "1", Size: 1000},
		{Bucket: bucket, Key: "k", Version: "2", Size: 2000},
	}
	gate, gets := make(chan struct{}), make(chan int, 2)
	gets <- 0
	gets <- 1
	n := newAlone(t, &fakeOrigin{get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
		<-gate
		o := versions[<-gets]
		if f.To > o.Size {
			return nil, &object.OriginError{Status: 416}
		}
		return fetched(o, infoOf(o, "", noStore), f), nil
	}})
	results := make(chan error, 2)
	for range 2 {
		go func() {
			a, err := n.Open(context.Background(), get("k"))
			if err == nil {
				o := versions[0]
				if a.Info.Size == versions[1].Size {
					o = versions[1]
				}
				err = check(a, o)
			}
			results <- err
		}()
	}
	eventually(t, "two readers wait", func() bool { return n.Waiting(get("k").Key) == 2 })
	close(gate)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// A reader past the cache that leaves does not stay until S3 says something.
func TestPastTheCacheAReaderMayLeave(t *testing.T) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 1000}
	info := infoOf(o, `"x"`, noStore)
	t.Run("before the headers", func(t *testing.T) {
		asked := make(chan struct{})
		n := newAlone(t, &fakeOrigin{
			head: func(context.Context, object.Key) (*object.Info, error) { return info, nil },
			get: func(ctx context.Context, _ object.Fetch) (*object.Fetched, error) {
				close(asked)
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		soon(t, func(context.Context) {
			ctx, leave := context.WithCancel(context.Background())
			go func() { <-asked; leave() }()
			if _, err := n.Open(ctx, getRange("k", 0, 9)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("in the body", func(t *testing.T) {
		n := newAlone(t, &fakeOrigin{get: func(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
			answer := fetched(o, info, f)
			answer.Body = &silentBody{ctx}
			return answer, nil
		}})
		soon(t, func(context.Context) {
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			a, err := n.Open(ctx, get("k"))
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Body.Close()
			leave()
			if _, err := a.Body.Read(make([]byte, 9)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	})
}

// silentBody says nothing until its context ends.
type silentBody struct{ ctx context.Context }

func (b *silentBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (*silentBody) Close() error { return nil }
