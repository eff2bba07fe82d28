package certs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxFileBytes bounds what is read of one file.
const maxFileBytes = 1 << 20

// Followed is a value that is made of files, and made anew when they change. Safe for
// concurrent use.
type Followed[T any] struct {
	paths []string
	parse func(contents [][]byte) (T, error)
	value atomic.Pointer[T]

	mu  sync.Mutex
	of  digest // what the value was made of
	bad digest // what no value could be made of when it was last tried
}

// digest names the contents of all files, or why they could not be read.
type digest [sha256.Size]byte

// Follow makes the first value of the files' contents, which parse gets in the order
// of the paths. It must hold no contents after it has failed.
func Follow[T any](paths []string, parse func(contents [][]byte) (T, error)) (*Followed[T], error) {
	f := &Followed[T]{paths: paths, parse: parse}
	contents, of, err := f.read()
	if err != nil {
		return nil, err
	}
	v, err := parse(contents)
	if err != nil {
		return nil, err
	}
	f.of = of
	f.value.Store(&v)
	return f, nil
}

// Value returns the latest value that could be made.
func (f *Followed[T]) Value() T { return *f.value.Load() }

// Check makes a new value if the files have changed, and says so. After an error the
// old value stays. again says that the files were the same, and as bad, last time: else
// somebody may be writing them.
func (f *Followed[T]) Check() (changed, again bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	contents, now, err := f.read()
	if err == nil && now == f.of {
		f.bad = digest{}
		return false, false, nil
	}
	var v T
	if err == nil {
		v, err = f.parse(contents)
	}
	if err != nil {
		again, f.bad = f.bad == now, now
		return false, again, err
	}
	f.of, f.bad = now, digest{}
	f.value.Store(&v)
	return true, false, nil
}

// Run checks the files again and again until ctx ends. changed gets each new value;
// failed is told once of each bad set of files, when it has been the same for a while.
// Contents are compared, not times: a symbolic link that points elsewhere now
// (Kubernetes' way) is a change, and a file that was only touched is none.
func (f *Followed[T]) Run(ctx context.Context, every time.Duration, changed func(T), failed func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		isNew, again, err := f.Check()
		switch {
		case isNew:
			changed(f.Value())
			told = false
		case err == nil || !again:
			told = false
		case !told:
			failed(err)
			told = true
		}
	}
}

// read returns the contents of all files as they were together, as far as that can be
// told: two readings have to agree.
func (f *Followed[T]) read() ([][]byte, digest, error) {
	const tries = 4
	contents, before, err := f.readOnce()
	for range tries {
		var now digest
		contents, now, err = f.readOnce()
		if now == before {
			break
		}
		before = now
	}
	return contents, before, err
}

func (f *Followed[T]) readOnce() ([][]byte, digest, error) {
	h := sha256.New()
	contents := make([][]byte, len(f.paths))
	for i, path := range f.paths {
		text, err := readFile(path)
		if err != nil {
			return nil, sha256.Sum256([]byte(err.Error())), err
		}
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write(text)
		contents[i] = text
	}
	return contents, digest(h.Sum(nil)), nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(file, maxFileBytes+1)); err != nil {
		return nil, err
	}
	if text.Len() > maxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxFileBytes)
	}
	return text.Bytes(), nil
}
