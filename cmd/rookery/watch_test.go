package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched is a file that is watched, and what the test does to it.
type watched struct {
	t       *testing.T
	dir     string
	path    string
	changed chan struct{}
}

// watching watches the file of that name, which is there already.
func watching(t *testing.T, dir, name string) *watched {
	t.Helper()
	w := &watched{t: t, dir: dir, path: filepath.Join(dir, name), changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	was := stateOf(w.path)
	go func() { ended <- watch(ctx, w.path, was, slog.New(slog.DiscardHandler), w.changed) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// notices waits until the change is told.
func (w *watched) notices(what string) {
	w.t.Helper()
	select {
	case <-w.changed:
	case <-time.After(10 * time.Second):
		w.t.Fatalf("%s: not noticed", what)
	}
}

func (w *watched) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, path), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// An editor writes another file and renames it, writes in place, or removes and writes
// anew. What else happens in the directory is nobody's business.
func TestWatchNoticesEditors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watching(t, dir, "c.yaml")
	w.write("c.yaml", "three")
	w.notices("written in place")
	w.write("c.yaml~", "fourth")
	w.must(os.Rename(filepath.Join(dir, "c.yaml~"), w.path))
	w.notices("renamed over")
	w.must(os.Remove(w.path))
	w.write("c.yaml", "the fifth")
	w.notices("removed and written")
	w.write("other.yaml", "x")
	w.must(os.Remove(filepath.Join(dir, "other.yaml")))
	w.write("c.yaml", "a sixth one")
	w.notices("after others")
	select {
	case <-w.changed:
		t.Error("one change is told twice")
	default:
	}
}

// Kubernetes shows a ConfigMap as c.yaml → ..data/c.yaml, ..data → ..version, and swaps
// ..data by a rename: the file's own name never changes.
func TestWatchNoticesKubernetes(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "c.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, from string) {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", "one")
	link("..1", "..data")
	link("..data/c.yaml", "c.yaml")
	w := watching(t, dir, "c.yaml")
	for i, next := range []string{"..2", "..3", "..4"} {
		version(next, "one") // of one size, and of one moment perhaps: but elsewhere
		link(next, "..data_tmp")
		w.must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		w.must(os.RemoveAll(filepath.Join(dir, []string{"..1", "..2", "..3"}[i])))
		w.notices(next)
	}
}

// A file that was changed between its being read and its being watched is read again.
func TestWatchNoticesWhatWasBefore(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, path: filepath.Join(dir, "c.yaml"), changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- watch(ctx, w.path, state{}, slog.New(slog.DiscardHandler), w.changed) }()
	w.notices("what it was before")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := watch(t.Context(), filepath.Join(dir, "no", "c.yaml"), state{}, slog.New(slog.DiscardHandler), w.changed); err == nil {
		t.Error("a directory that is not there is watched")
	}
}
