package store

import "github.com/cockroachdb/pebble/v2/vfs"

// fusedFile is a file behind the fuse.
type fusedFile struct {
	vfs.File
	fuse *fuse
	size *fileSize
	end  int64
}

func (f *fusedFile) Write(p []byte) (int, error) {
	if f.fuse.blown.Load() {
		return len(p), nil
	}
	n, err := f.File.Write(p)
	f.end += int64(n)
	f.size.grow(f.fuse, f.end)
	if f.fuse.blow(err) {
		return len(p), nil
	}
	return n, err
}

func (f *fusedFile) WriteAt(p []byte, off int64) (int, error) { return 0, vfs.ErrUnsupported }

// Preallocate does nothing: what is not written shall not count.
func (f *fusedFile) Preallocate(int64, int64) error { return nil }

func (f *fusedFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *fusedFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *fusedFile) sync(do func() error) error {
	if f.fuse.blown.Load() {
		return nil
	}
	err := do()
	if f.fuse.blow(err) {
		return nil
	}
	return err
}

func (f *fusedFile) SyncTo(length int64) (bool, error) {
	if f.fuse.blown.Load() {
		return false, nil
	}
	full, err := f.File.SyncTo(length)
	if f.fuse.blow(err) {
		return false, nil
	}
	return full, err
}

func (f *fusedFile) Close() error {
	err := f.File.Close()
	if f.fuse.blow(err) {
		return nil
	}
	return err
}

func (f *fusedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	return n, f.fuse.saw(err)
}

func (f *fusedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	return n, f.fuse.saw(err)
}

func (f *fusedFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.fuse.saw(err)
}
