package node_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/ring"
)

// S3's answer and the end of the node come at the same moment.
func TestANodeThatClosesWhileS3Answers(t *testing.T) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 2 * mib}
	asked := make(chan struct{}, 10)
	n := newAlone(t, &fakeOrigin{get: func(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return fetched(o, infoOf(o, `"x"`), f), nil
	}})
	done := make(chan error)
	go func() {
		_, err := n.Open(context.Background(), get("k"))
		done <- err
	}()
	<-asked
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("a node that is closed answered")
	}
}

// An owner that goes away in the middle of a question has not given S3's answer:
// its successor is asked.
func TestAnOwnerThatClosesIsPassedOver(t *testing.T) {
	c := newCluster(t, three)
	o := c.put("k", "1", 2*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "k", s3test.BeforeHeaders)
	owner, others := c.owner("k")
	done := make(chan error)
	go func() {
		a, err := others[0].Open(context.Background(), get("k"))
		if err == nil {
			err = check(a, o)
		}
		done <- err
	}()
	<-gate.Reached()
	owner.Close()
	gate.Open()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Readers that come while a node closes are refused or served, and leave no
// goroutine that nobody waits for (the race detector and goleak watch).
func TestReadersAtTheTimeOfClosing(t *testing.T) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 100_000}
	for range 50 {
		n := newAlone(t, &fakeOrigin{
			head: func(context.Context, object.Key) (*object.Info, error) { return infoOf(o, `"x"`), nil },
			get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
				return fetched(o, infoOf(o, `"x"`), f), nil
			},
		})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				a, err := n.Open(context.Background(), get("k"))
				if err == nil {
					err = check(a, o)
				}
				if err != nil && !errors.Is(err, object.ErrUnreachable) {
					t.Error(err)
				}
			})
		}
		n.Close()
		readers.Wait()
	}
}

// What ends before its length is broken, whatever it says of itself: a body of S3
// in the middle of a chunk, and a part of another node that ends in good order.
func TestAShortBodyHasNoGoodEnd(t *testing.T) {
	t.Run("S3", func(t *testing.T) {
		c := newCluster(t, []string{"alone"})
		c.put("k", "1", 3*mib, s3test.Meta{NoETag: true})
		c.s3.Script(bucket, "k", s3test.Step{End: &s3test.End{After: 2*mib + 300_000, How: s3test.Cut}})
		a, err := c.nodes["alone"].Open(context.Background(), get("k"))
		if err != nil {
			t.Fatal(err)
		}
		endsBadly(t, a)
	})
	t.Run("peer", func(t *testing.T) {
		o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 1000}
		n := newAlone(t, nil, func(options *node.Options) {
			options.Ring.Store(ring.Build([]string{"other"}))
			options.Peers = shortPeer{infoOf(o, `"x"`)}
		})
		a, err := n.Open(context.Background(), get("k"))
		if err != nil {
			t.Fatal(err)
		}
		endsBadly(t, a)
	})
}

// shortPeer promises a body and gives a part of it.
type shortPeer struct{ info *object.Info }

func (p shortPeer) Open(context.Context, string, *object.Ask) (*object.Answer, error) {
	return &object.Answer{Info: *p.info, Length: p.info.Size, Body: io.NopCloser(strings.NewReader("short"))}, nil
}

// endsBadly reads as a careful client does: an end is io.EOF and nothing else.
func endsBadly(t *testing.T, a *object.Answer) {
	t.Helper()
	defer a.Body.Close()
	n, err := io.Copy(io.Discard, a.Body) // its nil is the body's io.EOF
	if err == nil {
		t.Errorf("a body of %d bytes ended after %d in good order", a.Length, n)
	}
}
