package node_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
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
