package node_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/internal/s3test"
	"rookery/store"
)

// fullFS is a disk that takes no new segment while it is full.
type fullFS struct {
	vfs.FS
	full atomic.Bool
}

func (f *fullFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.full.Load() && strings.HasSuffix(name, ".seg") {
		return nil, syscall.ENOSPC
	}
	return f.FS.Create(name, category)
}

func onFullDisk(t *testing.T) (*testCluster, *fullFS) {
	disk := &fullFS{FS: vfs.Default}
	disk.full.Store(true)
	c := newCluster(t, []string{"alone"}, func(c *testCluster) {
		c.adjust = func(o *store.Options) { o.FS = disk }
	})
	return c, disk
}

func TestAFullDiskPassesThroughAndRecovers(t *testing.T) {
	c, disk := onFullDisk(t)
	n := c.nodes["alone"]
	o := c.put("k", "1", 20*mib+5, s3test.Meta{})
	n.read(t, get("k"), o)
	c.requests("k", 0, 1)
	if a := n.read(t, getRange("k", 3*mib, 4*mib+10), o); a.Stored {
		t.Error("an answer says that it is stored; nothing can be")
	}
	weak := c.put("weak", "1", 20*mib+5, s3test.Meta{NoETag: true})
	n.read(t, get("weak"), weak)
	if !n.store.Stats().Full {
		t.Error("the store does not say that the disk is full")
	}
	disk.full.Store(false)
	c.clock.pass(time.Minute)
	for range 2 {
		n.read(t, get("k"), o)
	}
	n.flightsEnd(t)
	c.s3.Forget()
	n.read(t, get("k"), o)
	if got := c.s3.Requests(); len(got) != 0 {
		t.Errorf("with room again, S3 was asked for what had been read: %v", got)
	}
}

// Readers that keep up share one fetch although nothing can be stored.
func TestOnAFullDiskReadersShareAFlight(t *testing.T) {
	c, _ := onFullDisk(t)
	n := c.nodes["alone"]
	o := c.put("k", "1", 8*mib, s3test.Meta{})
	gate := c.s3.Hold(bucket, "k", 100)
	a, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	gate.Open()
	for at := int64(0); at < o.Size; at += mib { // in step, a chunk at a time
		for _, r := range []io.Reader{a.Body, b.Body} {
			p := make([]byte, mib)
			if _, err := io.ReadFull(r, p); err != nil {
				t.Fatal(err)
			}
			if err := o.Check(p, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.Body.Close()
	b.Body.Close()
	c.fetchedOnce(o)
}

func TestOnAFullDiskALaggardReadsOnByItself(t *testing.T) {
	c, _ := onFullDisk(t)
	n := c.nodes["alone"]
	o := c.put("k", "1", 60*mib, s3test.Meta{})
	slow, err := n.Open(context.Background(), get("k"))
	if err != nil {
		t.Fatal(err)
	}
	n.read(t, get("k"), o) // goes far ahead: the flight's window moves on
	if err := check(slow, o); err != nil {
		t.Error(err)
	}
	n.flightsEnd(t)
	if _, held := n.Flights(); held > 16*mib {
		t.Errorf("%d bytes are held with no flight in progress", held)
	}
}
