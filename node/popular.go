package node

import (
	"encoding/binary"
	"sync/atomic"

	"rookery/object"
)

const (
	// copyFrom is how often a key of another node must have been asked for here,
	// lately, for a copy to be kept where it displaces something else.
	copyFrom = 3

	popularRows    = 4
	popularColumns = 1 << 14
	// popularAge: after so many asks all counts are halved, so that they speak of
	// what is asked for lately (TinyLFU's aging, Einziger et al. 2017 §3.3).
	popularAge = 8 * popularColumns
)

// popular counts, approximately and in a fixed 256 KiB, how often each key has
// been asked for lately: a count-min sketch, which never counts too few. Safe for
// concurrent use.
type popular struct {
	asks   atomic.Uint64
	counts [popularRows][popularColumns]atomic.Uint32
}

// ask counts one ask for a key and returns how many there have been.
func (p *popular) ask(h object.Hash) uint32 {
	if p.asks.Add(1)%popularAge == 0 {
		p.age()
	}
	least := ^uint32(0)
	for row := range p.counts {
		column := binary.LittleEndian.Uint32(h[4*row:]) % popularColumns
		least = min(least, p.counts[row][column].Add(1))
	}
	return least
}

// age halves every count. An ask that is counted meanwhile may be lost.
func (p *popular) age() {
	for row := range p.counts {
		for column := range p.counts[row] {
			count := &p.counts[row][column]
			count.Store(count.Load() / 2)
		}
	}
}
