package main

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/zeebo/xxh3"

	"rookery/object"
	"rookery/store"
)

// indexMemory is what each may use for blocks and memtables, in bytes.
const indexMemory = 64 << 20

// segmentStore is Rookery's, without reinsertion: nothing is read here.
type segmentStore struct {
	s     *store.Store
	files *countingFS
}

func openSegments(c config, dir string) (contender, error) {
	files := newCountingFS()
	s, err := store.Open(store.Options{
		Dir: dir, FS: files, Capacity: c.cap, IndexMemory: indexMemory, ReinsertShare: -1,
	})
	if err != nil {
		return nil, err
	}
	return &segmentStore{s: s, files: files}, nil
}

func (w *segmentStore) put(n int64, value []byte) error {
	key := object.Key{Bucket: "bench", Name: fmt.Sprintf("object/%d", n)}
	size := int64(len(value))
	return w.s.PutChunk(key, object.VersionOf("\"bench\"", size), size, 0, object.Note{}, value)
}

func (w *segmentStore) written() int64 { return w.files.written.Load() }

func (w *segmentStore) close() error { return w.s.Close() }

// pebbleInline keeps values in Pebble under hashed keys and deletes the oldest
// before one would be too many.
type pebbleInline struct {
	db    *pebble.DB
	files *countingFS
	keep  int64
}

func openPebble(c config, dir string) (contender, error) {
	files := newCountingFS()
	opts := &pebble.Options{
		FS: files, DisableWAL: true, MemTableSize: indexMemory / 4, CacheSize: 8 << 20,
		FormatMajorVersion: pebble.FormatNewest, Logger: silent{},
	}
	for i := range opts.Levels {
		opts.Levels[i].Compression = func() *block.CompressionProfile { return block.NoCompression }
	}
	db, err := pebble.Open(filepath.Join(dir, "inline"), opts)
	if err != nil {
		return nil, err
	}
	return &pebbleInline{db: db, files: files, keep: c.cap / c.value}, nil
}

func hashedKey(n int64) []byte {
	h := xxh3.Hash128(binary.BigEndian.AppendUint64(nil, uint64(n))).Bytes()
	return h[:]
}

func (p *pebbleInline) put(n int64, value []byte) error {
	if n >= p.keep {
		if err := p.db.Delete(hashedKey(n-p.keep), pebble.NoSync); err != nil {
			return err
		}
	}
	return p.db.Set(hashedKey(n), value, pebble.NoSync)
}

func (p *pebbleInline) written() int64 { return p.files.written.Load() }

func (p *pebbleInline) close() error {
	if err := p.db.Flush(); err != nil {
		return err
	}
	return p.db.Close()
}

// silent keeps Pebble's chatter out of the table.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
