package store

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestAFailedSyncIsNobodysSuccess: no sync may succeed on a blown fuse before the
// index knows of the failure, or a write that is lost would be acknowledged.
func TestAFailedSyncIsNobodysSuccess(t *testing.T) {
	bad := &faults{}
	fs := errorfs.Wrap(vfs.NewMem(), bad)
	var told atomic.Int64
	var file vfs.File
	var guard *fuse
	guard, err := newFuse(fs, "d", func(error) {
		if told.Add(1); guard.blown.Load() {
			t.Error("a sync would succeed already")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if file, err = guard.Create("log", vfs.WriteCategoryUnspecified); err != nil {
		t.Fatal(err)
	}
	bad.set(0, on(syscall.EIO, "log", errorfs.OpFileSync))
	if err := file.Sync(); err != nil || told.Load() != 1 || !guard.blown.Load() {
		t.Errorf("sync: %v; told %d times, blown %v", err, told.Load(), guard.blown.Load())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil || told.Load() != 1 {
		t.Errorf("sync again: %v; told %d times", err, told.Load())
	}
}

// TestADirectoryThatDoesNotList: Pebble is not told, or it would panic late in its
// Open, but the index is.
func TestADirectoryThatDoesNotList(t *testing.T) {
	clock, bad := newClock(), &faults{}
	s := mustOpen(t, tiny(errorfs.Wrap(vfs.NewMem(), bad), "d", clock))
	defer mustClose(t, s)
	o := newThing("k", "v", 5000)
	o.put(t, s)
	if err := mustDurable(t, s).Write(nil, nil); err != nil { // what is put is on the disk as well
		t.Fatal(err)
	}
	guard := s.index.Load().fuse
	if _, err := guard.List("d/nowhere"); err == nil || guard.blown.Load() {
		t.Errorf("a directory that is not there: %v, blown %v", err, guard.blown.Load())
	}
	bad.set(0, on(syscall.EIO, "index", errorfs.OpList))
	if names, err := guard.List("d/index"); err != nil || len(names) > 0 || s.usable() != nil {
		t.Errorf("%q, %v; usable %v", names, err, s.usable() != nil)
	}
	s.tick()
	if s.usable() != nil {
		t.Error("it is open again")
	}
	bad.set(0, nil)
	settle(t, s, clock)
	o.mustHave(t, s)
}

// TestADirectoryThatIsGone: somebody has removed it under a node that runs. Pebble is
// not told, or it would panic while it holds its locks, but the index is.
func TestADirectoryThatIsGone(t *testing.T) {
	told := 0
	guard, err := newFuse(vfs.NewMem(), "d", func(error) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	file, err := guard.Create("d/gone/log", vfs.WriteCategoryUnspecified)
	if err != nil || told != 1 || !guard.blown.Load() {
		t.Fatalf("create: %v; told %d times, blown %v", err, told, guard.blown.Load())
	}
	if _, err := file.Write([]byte("x")); err != nil {
		t.Errorf("write: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if file, err = guard.ReuseForWrite("d/gone/log", "d/gone/next", vfs.WriteCategoryUnspecified); err != nil || file.Close() != nil {
		t.Errorf("reuse: %v", err)
	}
}
