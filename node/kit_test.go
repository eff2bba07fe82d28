package node_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/ring"
	"rookery/store"
)

// fakeOrigin is an S3 of two functions, for what a real one does too seldom.
type fakeOrigin struct {
	head func(ctx context.Context, key object.Key) (*object.Info, error)
	get  func(ctx context.Context, fetch object.Fetch) (*object.Fetched, error)
}

func (o *fakeOrigin) Head(ctx context.Context, key object.Key, _ string) (*object.Info, error) {
	return o.head(ctx, key)
}

func (o *fakeOrigin) Get(ctx context.Context, fetch object.Fetch) (*object.Fetched, error) {
	return o.get(ctx, fetch)
}

func (*fakeOrigin) Query(context.Context, object.Query) (*object.Document, error) {
	return nil, &object.OriginError{Status: 501, Code: "NotImplemented"}
}

// infoOf is what a fakeOrigin promises of an object; etag "" is none.
func infoOf(o pattern.Object, etag string, header ...object.Field) *object.Info {
	return &object.Info{
		Version: object.VersionOf(etag, o.Size), Size: o.Size, ETag: etag,
		LastModified: time.Unix(1_700_000_000, 0).UTC(), Header: header, Validated: time.Now(),
	}
}

// fetched is a fakeOrigin's right answer.
func fetched(o pattern.Object, info *object.Info, f object.Fetch) *object.Fetched {
	if f.To == 0 {
		return &object.Fetched{
			Info: info, ETag: info.ETag, Length: o.Size, Size: o.Size,
			Body: io.NopCloser(io.NewSectionReader(o.Reader(), 0, o.Size)),
		}
	}
	return &object.Fetched{
		ETag: info.ETag, Offset: f.From, Length: f.To - f.From, Size: o.Size,
		Body: io.NopCloser(io.NewSectionReader(o.Reader(), f.From, f.To-f.From)),
	}
}

// newAlone returns a node without others over the origin. The test closes it, or
// the end of the test does.
func newAlone(t testing.TB, o node.Origin, adjust ...func(*node.Options)) *testNode {
	t.Helper()
	s, err := store.Open(store.Options{Dir: t.TempDir(), Capacity: 1 << 30, IndexMemory: 8 << 20, HotBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	options := node.Options{
		Name: "alone", Store: s, Ring: new(ring.Ring), Purges: node.Leased(), FlightBytes: 64 << 20,
		Buckets: map[string]node.Bucket{bucket: {Origin: o, Freshness: object.Freshness{Default: time.Hour}}},
	}
	for _, f := range adjust {
		f(&options)
	}
	n, err := node.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return &testNode{Node: n, store: s}
}

// eventually waits for what no event tells.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// soon fails the test instead of hanging with it. f must end when ctx does, or
// be a defect.
func soon(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	select {
	case <-done:
	case <-time.After(25 * time.Second):
		buf := make([]byte, 1<<20)
		t.Logf("%s", buf[:runtime.Stack(buf, true)])
		panic("it hangs") // no cleanup could wait for it
	}
}

// faultyFS is a disk whose segments fail as they are told.
type faultyFS struct {
	vfs.FS
	full atomic.Bool // no new segment, and no write to one
	// Reads of a segment that begin in [badFrom, badTo) fail.
	badFrom, badTo atomic.Int64
}

func (f *faultyFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !strings.HasSuffix(name, ".seg") {
		return f.FS.Create(name, category)
	}
	if f.full.Load() {
		return nil, syscall.ENOSPC
	}
	file, err := f.FS.Create(name, category)
	return &faultyFile{file, f}, err
}

type faultyFile struct {
	vfs.File
	disk *faultyFS
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.disk.badFrom.Load() && off < f.disk.badTo.Load() {
		return 0, &fs.PathError{Op: "read", Err: syscall.EIO}
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.disk.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// onFaultyDisk is one node alone on such a disk.
func onFaultyDisk(t *testing.T, options ...option) (*testCluster, *testNode, *faultyFS) {
	disk := &faultyFS{FS: vfs.Default}
	c := newCluster(t, []string{"alone"}, append(options, func(c *testCluster) {
		c.adjust = func(o *store.Options) { o.FS, o.Capacity, o.SegmentBytes = disk, 128<<20, 4<<20 }
	})...)
	return c, c.nodes["alone"], disk
}

// bad makes what has been written at these places unreadable.
func (f *faultyFS) bad(from, to int64) {
	f.badFrom.Store(from)
	f.badTo.Store(to)
}

// fill makes the disk full, and has the store give up the one segment that it
// may for that: the one with the filler.
func (c *testCluster) fill(t *testing.T, n *testNode, disk *faultyFS) {
	t.Helper()
	disk.full.Store(true)
	n.read(t, get("more"), c.put("more", "1", 2*mib, s3test.Meta{}))
	if !n.store.Stats().Full {
		t.Fatal("the disk is not full")
	}
}

// filler is the first that a disk holds, in a segment of its own.
func (c *testCluster) filler(t *testing.T, n *testNode) {
	t.Helper()
	n.read(t, get("filler"), c.put("filler", "1", 7*mib, s3test.Meta{}))
	n.flightsEnd(t)
}

// limited gives the first bytes of a body and then its end.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
