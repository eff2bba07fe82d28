package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FileOptions say where entries are kept, and for how long.
type FileOptions struct {
	Path     string
	MaxBytes int64 // of one file; then it is renamed, and a new one begun
	Backups  int   // renamed files that are kept
	Daily    bool  // a new one is begun with each day of UTC, too
	Now      func() time.Time
}

// File is a file that is rotated. A file that somebody else has moved or removed is
// begun anew. Not safe for concurrent use.
type File struct {
	o     FileOptions
	file  *os.File // nil until the next write opens it
	size  int64
	begun time.Time
}

// OpenFile opens the file, or makes it, for its owner alone. Its directory must be
// there.
func OpenFile(o FileOptions) (*File, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &File{o: o}
	return f, f.open()
}

func (f *File) open() error {
	file, err := os.OpenFile(f.o.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	is, err := file.Stat()
	if err == nil && !is.Mode().IsRegular() {
		err = errors.New("is no regular file")
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("audit log %s: %w", f.o.Path, err)
	}
	f.file, f.size, f.begun = file, is.Size(), f.o.Now()
	if f.size > 0 {
		f.begun = is.ModTime()
	}
	return nil
}

// Write appends whole lines. What could be written of them in part is taken back.
func (f *File) Write(lines []byte) (int, error) {
	if err := f.prepare(int64(len(lines))); err != nil {
		return 0, err
	}
	n, err := f.file.Write(lines)
	if err != nil {
		err = errors.Join(err, f.file.Truncate(f.size))
		return 0, fmt.Errorf("audit log: %w", err)
	}
	f.size += int64(n)
	return n, nil
}

// prepare makes sure that the right file is open for so many bytes more.
func (f *File) prepare(more int64) error {
	if f.file != nil && f.moved() {
		_ = f.Close() // whoever moved it has it
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	full := f.size > 0 && f.size+more > f.o.MaxBytes
	old := f.o.Daily && f.size > 0 && day(f.begun) != day(f.o.Now())
	if !full && !old {
		return nil
	}
	return f.rotate()
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// moved reports whether the path no longer leads to the file.
func (f *File) moved() bool {
	now, err := os.Stat(f.o.Path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	open, err := f.file.Stat()
	return err != nil || !os.SameFile(now, open)
}

// stamp names renamed files so that their names sort by age.
const stamp = "20060102T150405.000000000Z"

// rotate renames the file and begins a new one.
func (f *File) rotate() error {
	_ = f.Close() // what was written was told
	at := f.o.Now().UTC()
	name := f.o.Path + "." + at.Format(stamp)
	for exists(name) {
		at = at.Add(time.Nanosecond)
		name = f.o.Path + "." + at.Format(stamp)
	}
	if err := os.Rename(f.o.Path, name); err != nil {
		return fmt.Errorf("rotate audit log: %w", err)
	}
	if err := f.open(); err != nil {
		return err
	}
	return f.prune()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// prune removes the oldest of the renamed files.
func (f *File) prune() error {
	all, err := os.ReadDir(filepath.Dir(f.o.Path))
	if err != nil {
		return fmt.Errorf("prune audit log: %w", err)
	}
	var renamed []string
	for _, e := range all {
		suffix, ours := strings.CutPrefix(e.Name(), filepath.Base(f.o.Path)+".")
		if _, err := time.Parse(stamp, suffix); ours && err == nil {
			renamed = append(renamed, e.Name())
		}
	}
	slices.Sort(renamed)
	for _, name := range renamed[:max(0, len(renamed)-f.o.Backups)] {
		if err := os.Remove(filepath.Join(filepath.Dir(f.o.Path), name)); err != nil {
			return fmt.Errorf("prune audit log: %w", err)
		}
	}
	return nil
}

// Close closes the file; a later Write opens it again.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
