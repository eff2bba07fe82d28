package peer

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

const (
	// usualHeadBytes is the largest head frame that waits for the first bytes.
	usualHeadBytes = 4 << 10
	// bufferBytes holds any frame, or a usual head, a full data frame and an end
	// frame together, so that a small answer leaves in one write.
	bufferBytes = usualHeadBytes + headerBytes + crcBytes + maxDataBytes + maxEndBytes
	// smallBufferBytes holds as many frames as one TLS record does.
	smallBufferBytes = recordBytes
)

type (
	buffer      [bufferBytes]byte
	smallBuffer [smallBufferBytes]byte
)

// buffers are pools of frame buffers: large ones, which hold any frame, and small
// ones for the frames of answers once large ones would be more memory than is
// configured. A connection holds one only while it needs it. Safe for concurrent
// use.
type buffers struct {
	maxBytes     int64 // of the large ones; 0: no bound
	used         atomic.Int64
	large, small sync.Pool // *buffer, *smallBuffer
}

func newBuffers(maxBytes int64, role string, set *metrics.Set) *buffers {
	b := &buffers{maxBytes: maxBytes}
	b.large.New = func() any { return new(buffer) }
	b.small.New = func() any { return new(smallBuffer) }
	set.NewGauge(fmt.Sprintf(`rookery_buffer_bytes{for="peer_%s"}`, role), func() float64 { return float64(b.used.Load()) })
	return b
}

// get returns a large buffer: for what is read or written at once.
func (b *buffers) get() *buffer {
	b.used.Add(bufferBytes)
	return b.large.Get().(*buffer)
}

func (b *buffers) put(buf *buffer) {
	b.used.Add(-bufferBytes)
	b.large.Put(buf)
}

// lease returns a buffer for as long as an answer takes: a small one where large
// ones would be too many.
func (b *buffers) lease() []byte {
	if used := b.used.Add(bufferBytes); b.maxBytes == 0 || used <= b.maxBytes {
		return b.large.Get().(*buffer)[:]
	}
	b.used.Add(-bufferBytes)
	return b.leaseSmall()
}

// leaseSmall returns a small buffer.
func (b *buffers) leaseSmall() []byte {
	b.used.Add(smallBufferBytes)
	return b.small.Get().(*smallBuffer)[:]
}

// giveBack ends a lease.
func (b *buffers) giveBack(p []byte) {
	p = p[:cap(p)]
	b.used.Add(-int64(len(p)))
	if len(p) == bufferBytes {
		b.large.Put((*buffer)(p))
	} else {
		b.small.Put((*smallBuffer)(p))
	}
}
