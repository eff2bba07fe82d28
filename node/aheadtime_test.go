package node_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rookery/internal/pattern"
	"rookery/object"
)

// farOrigin is an S3 at a distance, on synctest's clock: 30 ms to the first byte
// and 100 MB/s for each connection.
func farOrigin(o pattern.Object) *fakeOrigin {
	return &fakeOrigin{
		head: func(context.Context, object.Key) (*object.Info, error) {
			time.Sleep(30 * time.Millisecond)
			return infoOf(o, `"x"`), nil
		},
		get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
			time.Sleep(30 * time.Millisecond)
			answer := fetched(o, infoOf(o, `"x"`), f)
			answer.Body = io.NopCloser(pacedReader{answer.Body})
			return answer, nil
		},
	}
}

type pacedReader struct{ io.Reader }

func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	time.Sleep(time.Duration(n) * time.Second / 100e6)
	return n, err
}

// Reading ahead is worth its memory: a reader of one MiB after the other gets its
// bytes in half the time of one that reads the same in another order, or less.
func TestReadingAheadHelps(t *testing.T) {
	const reads = 64
	took := func(order []int64) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: (reads + 8) * mib}
			n := newAlone(t, farOrigin(o))
			start := time.Now()
			for _, at := range order {
				n.read(t, getRange("k", at*mib, (at+1)*mib-1), o)
			}
			took = time.Since(start)
		})
		return took
	}
	forward := make([]int64, reads)
	for i := range forward {
		forward[i] = int64(i)
	}
	backward := slices.Clone(forward)
	slices.Reverse(backward)
	with, without := took(forward), took(backward)
	t.Logf("64 reads of 1 MiB, 30 ms and 100 MB/s away: %v one after the other, %v backwards", with, without)
	if with > without/2 {
		t.Errorf("%v with reading ahead, %v without", with, without)
	}
}
