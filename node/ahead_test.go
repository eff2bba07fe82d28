package node_test

import (
	"context"
	"sync"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
)

// readOn reads the first bytes of an object in pieces of so many bytes, one after the
// other, through one node, and waits for what that sets off.
func readOn(t *testing.T, c *testCluster, o pattern.Object, to, piece int64) {
	t.Helper()
	n := c.nodes[c.names[0]]
	for at := int64(0); at < to; at += piece {
		n.read(t, getRange(o.Key, at, min(at+piece, to)-1), o)
		c.settle(t)
	}
}

// A reader of one range after the other finds what it wants next: each read that
// goes on doubles what is fetched before it is asked for, up to 8 MiB.
func TestASequentialReaderIsReadAheadOf(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 60*mib, s3test.Meta{})
	readOn(t, c, o, 40*mib, mib)
	for chunk, times := range c.s3.Fetches(bucket, "k") {
		if times != 1 {
			t.Errorf("chunk %d was fetched %d times", chunk, times)
		}
	}
	if gets := c.s3.Count("GET", bucket, "k"); gets > 15 { // in the end one for 4 MiB
		t.Errorf("%d GETs for 40 reads: nothing was read ahead", gets)
	}
	if n := len(c.s3.Fetches(bucket, "k")); n > 48 {
		t.Errorf("%d chunks were fetched for 40: too far ahead", n)
	}
}

// Whoever jumps, or reads once, has nothing fetched for it but what it asked for.
func TestNobodyElseIsReadAheadOf(t *testing.T) {
	c := newCluster(t, []string{"alone"})
	o := c.put("k", "1", 60*mib, s3test.Meta{})
	n := c.nodes["alone"]
	want := map[int]int{}
	for _, at := range []int64{30 * mib, 10 * mib, 50 * mib, 11*mib + 5, 20 * mib} {
		n.read(t, getRange("k", at, at+99), o)
		want[int(at/mib)]++
		c.settle(t)
	}
	for chunk, times := range c.s3.Fetches(bucket, "k") {
		if times != want[chunk] {
			t.Errorf("chunk %d was fetched %d times, want %d", chunk, times, want[chunk])
		}
	}
}

// The usual way of S3 clients: parts of 8 MiB, 16 at a time. Every byte comes once,
// and a GET for each part will do, whatever runs ahead.
func TestPartsAtTheSameTime(t *testing.T) {
	for _, names := range [][]string{{"alone"}, three} {
		c := newCluster(t, names)
		const part = 8 * mib
		o := c.put("k", "1", 200*mib, s3test.Meta{})
		parts := make(chan int64)
		var workers sync.WaitGroup
		for w := range 16 {
			workers.Go(func() {
				for at := range parts {
					a, err := c.nodes[names[w%len(names)]].Open(context.Background(), getRange("k", at, min(at+part, o.Size)-1))
					if err == nil {
						err = check(a, o)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for at := int64(0); at < o.Size; at += part {
			parts <- at
		}
		close(parts)
		workers.Wait()
		c.settle(t)
		c.fetchedOnce(o)
		if gets := c.s3.Count("GET", bucket, "k"); int64(gets) > o.Size/part+object.ExtentOf(o.Size-1)+1 {
			t.Errorf("%d GETs for %d parts", gets, o.Size/part)
		}
		if heads := c.s3.Count("HEAD", bucket, "k"); heads != 1 {
			t.Errorf("%d HEADs", heads)
		}
	}
}

// With memory for two chunks alone, reading ahead gives way, and readers go on.
func TestReadingAheadGivesWay(t *testing.T) {
	c := newCluster(t, []string{"alone"}, func(c *testCluster) {
		c.adjustNode = func(o *node.Options) { o.FlightBytes = 2 * mib }
	})
	o := c.put("k", "1", 60*mib, s3test.Meta{})
	readOn(t, c, o, 20*mib, mib)
	if _, held := c.nodes["alone"].Flights(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}
