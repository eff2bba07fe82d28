package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// Bodies that do not write themselves are copied in pieces: large ones while few
// answers are under way, small ones when large would be more memory than is
// configured.
const (
	bufferBytes      = 128 << 10
	smallBufferBytes = 16 << 10
)

// buffers are pools of pieces. Safe for concurrent use.
type buffers struct {
	maxBytes     int64 // of the large ones; 0: no bound
	used         atomic.Int64
	large, small sync.Pool // *[bufferBytes]byte, *[smallBufferBytes]byte
}

func newBuffers(maxBytes int64, set *metrics.Set) *buffers {
	b := &buffers{maxBytes: maxBytes}
	b.large.New = func() any { return new([bufferBytes]byte) }
	b.small.New = func() any { return new([smallBufferBytes]byte) }
	set.NewGauge(`rookery_buffer_bytes{for="clients"}`, func() float64 { return float64(b.used.Load()) })
	return b
}

// get returns a buffer of either size. The caller puts it back.
func (b *buffers) get() []byte {
	if used := b.used.Add(bufferBytes); b.maxBytes == 0 || used <= b.maxBytes {
		return b.large.Get().(*[bufferBytes]byte)[:]
	}
	b.used.Add(smallBufferBytes - bufferBytes)
	return b.small.Get().(*[smallBufferBytes]byte)[:]
}

func (b *buffers) put(p []byte) {
	b.used.Add(-int64(len(p)))
	if len(p) == bufferBytes {
		b.large.Put((*[bufferBytes]byte)(p))
	} else {
		b.small.Put((*[smallBufferBytes]byte)(p))
	}
}
