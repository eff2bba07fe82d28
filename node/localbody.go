package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rookery/object"
	"rookery/purge"
	"rookery/store"
)

// localBody streams bytes of one version chunk by chunk, from the store or from
// the flight that brings them. It holds at most one open chunk and a place in
// one run, and no buffer. One goroutine at a time may use it.
type localBody struct {
	node     *Node
	ctx      context.Context
	of       *bucket // that it is read from
	key      object.Key
	info     *object.Info // may be nil
	pin      object.Pin
	floor    object.Note // bytes noted below it are dead
	at       versionKey
	pos, end int64
	// onlyStored: nothing may be asked of S3.
	onlyStored bool

	chunk  *store.Chunk // the chunk at pos, or
	fill   *fill        // on its way
	run    *run         // the run this reader has a place in
	joined bool         // that run was another reader's
	asked  bool         // the first bytes came, or come, from S3
	handed bool         // they came from a former owner
	misses int          // turns without a byte
	primed bool         // the first bytes were there: it is not refused any more
	// unreadable: the store opens the chunk at pos and cannot read it.
	unreadable bool
}

// maxTurns is how often a reader may find a chunk neither stored nor in flight
// although it has just been fetched, before it gives up: the store loses chunks
// faster than this reader comes round to them.
const maxTurns = 8

// prime waits for the first bytes.
func (b *localBody) prime() error {
	if err := b.locate(); err != nil {
		return err
	}
	b.primed = true
	b.asked = b.run != nil || b.fill != nil
	if b.run != nil && b.node.flights.handed(b.run) {
		b.asked, b.handed = false, true
	}
	if b.run == nil && !b.onlyStored {
		b.run = b.node.flights.attach(b.at, b.floor, object.ChunkOf(b.pos), object.Chunks(b.end))
	}
	return nil
}

func (b *localBody) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if b.pos == b.end {
			return 0, io.EOF
		}
		if b.chunk == nil && b.fill == nil {
			if err := b.locate(); err != nil {
				return 0, err
			}
		}
		n, err := b.read(p)
		if err != nil || n > 0 {
			return n, err
		}
	}
	return 0, nil
}

// read gives bytes of the chunk that is open. (0, nil) means that it has to be
// located anew.
func (b *localBody) read(p []byte) (int, error) {
	off := b.pos % object.ChunkBytes
	left := min(b.end-b.pos, object.ChunkBytes-off)
	p = p[:min(int64(len(p)), left)]
	var n int
	if b.chunk != nil {
		var err error
		n, err = b.chunk.ReadAt(p, off)
		if err != nil && !errors.Is(err, store.ErrMiss) {
			return 0, fmt.Errorf("read stored chunk: %w", err)
		}
		b.unreadable = n == 0
	} else {
		gone, err := b.fill.ready(b.ctx, int(off))
		if err != nil {
			return 0, err
		}
		if !gone {
			n = b.fill.copyTo(p, int(off))
		}
	}
	b.pos += int64(n)
	if n > 0 {
		b.misses = 0
	}
	if n == 0 || int64(n) == left {
		b.release()
	}
	return n, nil
}

// locate finds the chunk at pos: stored, still in memory, or in flight. It waits
// for the chunk's first wanted byte.
func (b *localBody) locate() error {
	c := object.ChunkOf(b.pos)
	for ; b.misses < maxTurns; b.misses++ {
		if !b.unreadable {
			chunk, err := b.node.store.Chunk(b.key, b.pin.Version, c)
			if err == nil && !purge.DeadUnder(chunk.Note(), b.floor) {
				b.chunk = chunk
				return nil
			}
			if err == nil {
				chunk.Close()
			}
		}
		if b.onlyStored {
			return object.ErrNotHeld
		}
		if !b.primed {
			if err := b.node.gate.enter(); err != nil {
				return err
			}
			b.primed = true
			defer b.node.gate.leave()
		}
		if b.fill = b.node.flights.kept(b.at, c, b.floor); b.fill == nil {
			var err error
			if b.fill, err = b.inFlight(c); err != nil {
				return err
			}
		}
		b.unreadable = false
		if b.fill == nil {
			continue
		}
		gone, err := b.fill.ready(b.ctx, int(b.pos%object.ChunkBytes))
		if err != nil {
			return err
		}
		if !gone {
			return nil
		}
		b.fill = nil
	}
	return fmt.Errorf("chunk %d of %s: lost as often as it came: %w", c, b.key, object.ErrBusy)
}

// inFlight waits for the run that brings chunk c; nil means look again.
func (b *localBody) inFlight(c int64) (*fill, error) {
	f := b.node.flights
	r, joined, err := f.join(want{
		of: b.of, key: b.key, info: b.info, pin: b.pin, floor: b.floor, from: c, to: object.Chunks(b.end), anew: b.unreadable,
	})
	if r == nil || err != nil {
		return nil, err
	}
	b.leave()
	b.run, b.joined = r, joined
	return f.await(b.ctx, r, c)
}

func (b *localBody) release() {
	if b.chunk != nil {
		b.chunk.Close()
		b.chunk = nil
	}
	b.fill = nil
}

func (b *localBody) leave() {
	if b.run != nil {
		b.node.flights.leave(b.run)
		b.run = nil
	}
}

// Close gives back what the body holds. It may be called more than once.
func (b *localBody) Close() error {
	b.release()
	b.leave()
	return nil
}
