package object

// The geometry of a body. Both sizes are part of the disk format, of the peer
// protocol and of the ring's fingerprint: nodes that differ in them do not read
// from each other.
const (
	// ChunkBytes is the unit of storage, of coalescing and of verification.
	ChunkBytes = 1 << 20
	// ExtentChunks is the number of consecutive chunks with one owner.
	ExtentChunks = 64
	// ExtentBytes is the unit of ownership.
	ExtentBytes = ChunkBytes * ExtentChunks
	// BlockBytes is the piece of a chunk that carries its own CRC32C.
	BlockBytes = 64 << 10
)

// Chunks returns how many chunks a body of size bytes has.
func Chunks(size int64) int64 { return (size + ChunkBytes - 1) / ChunkBytes }

// ChunkLen returns the length in bytes of chunk n of a body of size bytes.
func ChunkLen(size, n int64) int { return int(min(ChunkBytes, size-n*ChunkBytes)) }

// ChunkOf returns the chunk that holds the byte at offset.
func ChunkOf(offset int64) int64 { return offset / ChunkBytes }

// ExtentOf returns the extent that holds the byte at offset.
func ExtentOf(offset int64) int64 { return offset / ExtentBytes }

// ExtentEnd returns the offset just past the extent that holds the byte at
// offset, at most size.
func ExtentEnd(offset, size int64) int64 { return min((ExtentOf(offset)+1)*ExtentBytes, size) }
