package sim

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// carefulFS leaves what is written to it as it is, which the store asks for and a
// MemFS under the race detector does not do.
type carefulFS struct{ vfs.FS }

func (f carefulFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return carefulFile{file}, nil
}

type carefulFile struct{ vfs.File }

func (f carefulFile) Write(p []byte) (int, error) { return f.File.Write(bytes.Clone(p)) }
