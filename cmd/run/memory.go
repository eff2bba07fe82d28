package run

// share is how cache.memory is divided, in bytes.
type share struct {
	index   int64 // Pebble's block cache and memtables
	flights int64 // chunks on their way from S3
	hot     int64 // whole small objects
	lists   int64 // documents of S3's: pages of names, half of it those that are kept
	buffers int64 // large buffers of bodies under way: of clients, and as much of other nodes
}

const mib = 1 << 20

// shares divides cache.memory: a sixteenth for the index (8 to 64 MiB), a
// quarter for flights, a thirty-second for pages of names (8 MiB or more), a sixteenth for
// the buffers of connections (beyond which those are small), and the hot set has the rest.
func shares(memory int64) share {
	s := share{
		index:   min(max(memory/16, 8*mib), 64*mib),
		flights: memory / 4,
		lists:   max(memory/32, 8*mib),
	}
	s.hot = memory - s.index - s.flights - s.lists - memory/16
	s.buffers = memory / 32
	return s
}

// waiting is how many reads may wait for S3 or another node where so many may be
// under way: the rest is left to hits.
func waiting(requests int) int { return max(1, requests-requests/8) }
