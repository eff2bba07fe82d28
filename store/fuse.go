package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fuse is the file system under Pebble. Pebble takes a failed write for fatal
// (it calls its logger's Fatalf, or panics while it holds its locks), so the
// fuse never tells it of one: at the first failed write it blows, and from then
// on everything Pebble writes goes nowhere and succeeds. What is on the disk is
// then what a power cut at that moment would have left, which Pebble is built
// to recover from, and the database can be closed in good order.
//
// It also measures: used is exactly how many bytes Pebble's files have.
type fuse struct {
	vfs.FS
	used  atomic.Int64
	mu    sync.Mutex
	files map[string]*fileSize // by path
	blown atomic.Bool
	// onBlow is told of the writes that failed until the fuse was blown, each
	// before it looks like a success to anyone.
	onBlow func(error)
	// faults counts the operations that failed, reads included: with none, an
	// index that does not open is corrupt; otherwise the disk is.
	faults atomic.Int64
	void   *vfs.MemFS // where files are created once the fuse has blown
}

// fileSize is the size of one file, shared by those who have it open.
type fileSize struct{ bytes atomic.Int64 }

// newFuse returns a fuse over inner that already counts the files of dir.
func newFuse(inner vfs.FS, dir string, onBlow func(error)) (*fuse, error) {
	f := &fuse{FS: inner, files: make(map[string]*fileSize), onBlow: onBlow, void: vfs.NewMem()}
	names, err := inner.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		path := inner.PathJoin(dir, name)
		info, err := inner.Stat(path)
		if err != nil {
			return nil, err
		}
		f.sized(path).grow(f, info.Size())
	}
	return f, nil
}

func (s *fileSize) grow(f *fuse, to int64) {
	for {
		now := s.bytes.Load()
		if to <= now {
			return
		}
		if s.bytes.CompareAndSwap(now, to) {
			f.used.Add(to - now)
			return
		}
	}
}

// sized returns the size of a file, at first zero.
func (f *fuse) sized(path string) *fileSize {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.files[path]
	if s == nil {
		s = new(fileSize)
		f.files[path] = s
	}
	return s
}

// moved accounts for a file that took the place of another.
func (f *fuse) moved(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.files[to]; old != nil {
		f.used.Add(-old.bytes.Load())
		delete(f.files, to)
	}
	if s := f.files[from]; s != nil {
		f.files[to] = s
		delete(f.files, from)
	}
}

func (f *fuse) removed(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.files[path]; s != nil {
		f.used.Add(-s.bytes.Load())
		delete(f.files, path)
	}
}

// blow reports whether Pebble must be shielded from err, or has been since an
// earlier one. Pebble removes what may not exist: that is no fault.
func (f *fuse) blow(err error) bool {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return f.blown.Load()
	}
	f.burn(err)
	return true
}

// burn blows the fuse for err.
func (f *fuse) burn(err error) {
	f.faults.Add(1)
	if !f.blown.Load() {
		f.onBlow(err)
		f.blown.Store(true)
	}
}

// saw counts a failed read and passes it on.
func (f *fuse) saw(err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		f.faults.Add(1)
	}
	return err
}

func (f *fuse) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.blown.Load() {
		return f.createVoid(name)
	}
	file, err := f.FS.Create(name, category)
	if err != nil { // fs.ErrNotExist too: the directory is gone from under it
		f.burn(err)
		return f.createVoid(name)
	}
	f.removed(name)
	return &fusedFile{File: file, fuse: f, size: f.sized(name)}, nil
}

// ReuseForWrite reuses nothing: a new file costs a little more to sync, and
// never shows old bytes.
func (f *fuse) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return f.Create(to, category)
}

// createVoid creates a file in memory: a blown database may still read back
// what it believes to have written, until it is closed.
func (f *fuse) createVoid(name string) (vfs.File, error) {
	if err := f.void.MkdirAll(f.void.PathDir(name), 0o755); err != nil {
		return nil, err
	}
	return f.void.Create(name, vfs.WriteCategoryUnspecified)
}

func (f *fuse) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.blown.Load() {
		if file, err := f.void.Open(name); err == nil {
			return file, nil
		}
	}
	file, err := f.FS.Open(name, opts...)
	if err != nil {
		return nil, f.saw(err)
	}
	return &fusedFile{File: file, fuse: f, size: new(fileSize)}, nil
}

func (f *fuse) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, f.saw(err)
	}
	return &fusedFile{File: dir, fuse: f, size: new(fileSize)}, nil
}

func (f *fuse) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, vfs.ErrUnsupported
}

func (f *fuse) Remove(name string) error {
	return f.change(func() error { return f.FS.Remove(name) }, func() { f.removed(name) })
}

func (f *fuse) Rename(from, to string) error {
	return f.change(func() error { return f.FS.Rename(from, to) }, func() { f.moved(from, to) })
}

func (f *fuse) Link(string, string) error { return vfs.ErrUnsupported }

func (f *fuse) RemoveAll(string) error { return vfs.ErrUnsupported }

func (f *fuse) MkdirAll(dir string, perm os.FileMode) error {
	return f.change(func() error { return f.FS.MkdirAll(dir, perm) }, func() {})
}

// change does what alters a directory, unless the fuse has blown.
func (f *fuse) change(do func() error, account func()) error {
	if f.blown.Load() {
		return nil
	}
	err := do()
	if err == nil {
		account()
	}
	if f.blow(err) {
		return nil
	}
	return err
}

// List blows the fuse as a write does. Pebble lists its directory again late in
// its Open, and if it must give up then, a goroutine of its own that is under way
// already panics on what Open has closed (v2.1.7, collectTableStats).
func (f *fuse) List(dir string) ([]string, error) {
	names, err := f.FS.List(dir)
	if err != nil && f.blow(err) {
		return nil, nil
	}
	return names, err
}

func (f *fuse) Stat(name string) (vfs.FileInfo, error) {
	info, err := f.FS.Stat(name)
	return info, f.saw(err)
}

func (f *fuse) Lock(name string) (io.Closer, error) {
	lock, err := f.FS.Lock(name)
	return lock, f.saw(err)
}

// GetDiskUsage is left out: the store has its own bound.
func (f *fuse) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

func (f *fuse) Unwrap() vfs.FS { return f.FS }
