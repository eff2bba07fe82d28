package store

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/object"
)

const (
	// retryAfter is how long a full or failing disk is left alone.
	retryAfter = 5 * time.Second
	// tickEvery is how often the keeper looks after the store.
	tickEvery = time.Second

	maxSegmentBytes = 64 << 20
	minSegmentBytes = 4 << 20
	// minSegments is how many segments must fit: with fewer, most of what is
	// cached would go whenever a segment is reclaimed.
	minSegments = 4

	defaultIndexMemory   = 32 << 20
	defaultReinsertShare = 0.10
)

// Options says where and how much. Dir and Capacity are needed.
type Options struct {
	Dir string
	// FS is where Dir is; nil is the operating system's. Its files must leave
	// what is written to them as it is, which vfs does not ask of them: readers
	// may have the same bytes.
	FS vfs.FS
	// Capacity bounds the bytes on the disk: segments, those unlinked but still
	// open, Pebble's files and a reserve for their compaction.
	Capacity int64
	// SegmentBytes is the size of a segment, at most 1 GiB. 0 is 1/32 of the
	// capacity, but at least 4 MiB and at most 64 MiB.
	SegmentBytes int64
	// IndexMemory bounds Pebble's block cache and memtables together, in bytes.
	// 0 is 32 MiB.
	IndexMemory int64
	// HotBytes bounds the hot set, bodies and all that goes with them. 0 is no
	// hot set.
	HotBytes int64
	// ReinsertShare is how many bytes may be copied forward for each byte that
	// is written. 0 is 0.10; a negative one turns copying off.
	ReinsertShare float64
	// Dead reports whether a purge has killed what was stored with the note: such a
	// record is not copied forward. It is called while a segment is reclaimed, by
	// whoever stores something, must not block, and must not call the store. nil:
	// nothing is dead.
	Dead    func(key object.Key, v object.Version, note object.Note) bool
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
	Metrics *metrics.Set     // nil is a private set

	// ticks drives the keeper in tests; nil is a ticker.
	ticks <-chan time.Time
}

// complete fills in the defaults and refuses what cannot be met.
func (o *Options) complete() error {
	if o.Dir == "" || o.Capacity <= 0 {
		return errors.New("store: Dir and Capacity are needed")
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = min(max(o.Capacity/32, minSegmentBytes), maxSegmentBytes)
	}
	if o.SegmentBytes < markBytes || o.SegmentBytes > 1<<30 {
		return fmt.Errorf("store: segments of %d bytes: must be between %d and %d", o.SegmentBytes, markBytes, 1<<30)
	}
	if o.IndexMemory == 0 {
		o.IndexMemory = defaultIndexMemory
	}
	if o.ReinsertShare == 0 {
		o.ReinsertShare = defaultReinsertShare
	}
	o.ReinsertShare = max(o.ReinsertShare, 0)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	return nil
}
