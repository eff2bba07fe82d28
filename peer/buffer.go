package peer

import "sync"

const (
	// usualHeadBytes is the largest head frame that waits for the first bytes.
	usualHeadBytes = 4 << 10
	// bufferBytes holds any frame, or a usual head, a full data frame and an end
	// frame together, so that a small answer leaves in one write.
	bufferBytes = usualHeadBytes + headerBytes + crcBytes + maxDataBytes + maxEndBytes
)

type buffer [bufferBytes]byte

// buffers is a pool of frame buffers. A connection holds one only while it
// carries a read.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *buffer {
	if buf, ok := b.pool.Get().(*buffer); ok {
		return buf
	}
	return new(buffer)
}

func (b *buffers) put(buf *buffer) { b.pool.Put(buf) }
