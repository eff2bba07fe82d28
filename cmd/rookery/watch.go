package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settles is how long a file must have been left alone before it is read: editors and
// copies write in several steps.
const settles = 250 * time.Millisecond

// watch sends on changed, at most one ahead of its reader, whenever the file is another
// one than it was, until ctx ends. It watches the file's directory: editors and Kubernetes do not write a
// file, they put another into its place, and Kubernetes a symbolic link on the way to it.
func watch(ctx context.Context, path string, was state, log *slog.Logger, changed chan<- struct{}) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("watch the directory of %s: %w", path, err)
	}
	quiet := time.NewTimer(settles) // what changed before the watch began
	defer quiet.Stop()
	for {
		select {
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			quiet.Reset(settles)
		case err := <-w.Errors:
			log.Warn("the configuration's directory is not watched well", "err", err)
			quiet.Reset(settles)
		case <-quiet.C:
			is := stateOf(path)
			if is == was || is == (state{}) {
				continue // something else in the directory; or it is gone, and will come back
			}
			was = is
			select {
			case changed <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// state is what tells one file from another under the same path.
type state struct {
	real     string // where the path leads
	size     int64
	modified time.Time
}

// stateOf returns the zero state where no file is.
func stateOf(path string) state {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return state{}
	}
	info, err := os.Stat(real)
	if err != nil {
		return state{}
	}
	return state{real, info.Size(), info.ModTime()}
}
