package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

// A disk that cannot read what its index knows of is no outage: the bytes come
// from S3 again. The places are the record's header and the middle of its bytes.
func TestAChunkThatCannotBeReadIsFetchedAgain(t *testing.T) {
	for name, from := range map[string]int64{"its record": 0, "its middle": 300_000} {
		t.Run(name, func(t *testing.T) {
			c, n, disk := onFaultyDisk(t)
			o := c.put("k", "1", mib, s3test.Meta{})
			n.read(t, get("k"), o)
			n.flightsEnd(t)
			disk.bad(from, mib)
			soon(t, func(ctx context.Context) {
				a, err := n.Open(ctx, get("k"))
				if err == nil {
					err = check(a, o)
				}
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Without a strong ETag the rest of a body that has begun is not to be had; the
// next reader gets a new one.
func TestAnObjectWithoutStrongETagThatCannotBeReadIsFetchedAgain(t *testing.T) {
	c, n, disk := onFaultyDisk(t)
	o := c.put("k", "1", mib, s3test.Meta{NoETag: true})
	n.read(t, get("k"), o)
	n.flightsEnd(t)
	disk.bad(300_000, mib)
	soon(t, func(ctx context.Context) {
		a, err := n.Open(ctx, get("k"))
		if err != nil {
			t.Error(err)
			return
		}
		if err := check(a, o); !errors.Is(err, object.ErrGone) {
			t.Errorf("got %v, want a body cut short", err)
		}
	})
	n.read(t, get("k"), o)
	c.requests("k", 0, 2)
}

// What S3 has confirmed to be gone does not come back because its successor
// could not be written down.
func TestOnAFullDiskAnOldVersionDoesNotComeBack(t *testing.T) {
	c, n, disk := onFaultyDisk(t)
	c.filler(t, n)
	old := c.put("k", "1", 2*mib, s3test.Meta{})
	n.read(t, getRange("k", 0, mib-1), old)
	n.flightsEnd(t)
	now := c.put("k", "2", 2*mib, s3test.Meta{})
	c.fill(t, n, disk)
	suspicious := get("k")
	suspicious.Suspect = object.VersionOf(s3test.ETag(old), old.Size)
	n.read(t, suspicious, now)
	n.flightsEnd(t)
	n.read(t, getRange("k", 0, 9), now)
}

// A stale object without a strong ETag on a disk that takes no info: S3 is asked
// a bounded number of times.
func TestOnAFullDiskAStaleObjectWithoutStrongETagIsReadAnew(t *testing.T) {
	c, n, disk := onFaultyDisk(t)
	c.filler(t, n)
	o := c.put("k", "1", 2*mib, s3test.Meta{NoETag: true})
	n.read(t, get("k"), o)
	n.flightsEnd(t)
	c.clock.pass(2 * time.Hour)
	c.fill(t, n, disk)
	c.s3.Forget()
	soon(t, func(ctx context.Context) {
		a, err := n.Open(ctx, get("k"))
		if err == nil {
			err = check(a, o)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if all := c.s3.Requests(); len(all) > 2 {
		t.Errorf("S3 was asked %d times", len(all))
	}
}

// Somebody in the middle of a body that cannot be stored nor asked for in parts
// must not lock out who comes later.
func TestOnAFullDiskALateReaderWithoutStrongETagHasAGetOfItsOwn(t *testing.T) {
	c, n, disk := onFaultyDisk(t)
	disk.full.Store(true)
	o := c.put("k", "1", 40*mib, s3test.Meta{NoETag: true})
	first, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	if _, err := o.CheckReader(&limited{first.Body, 30 * mib}, 0, 30*mib); err != nil {
		t.Fatal(err)
	}
	soon(t, func(ctx context.Context) {
		second, err := n.Open(ctx, get("k"))
		if err == nil {
			err = check(second, o)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if _, err := o.CheckReader(first.Body, 30*mib, o.Size); err != nil && !errors.Is(err, object.ErrGone) {
		t.Error(err)
	}
}
