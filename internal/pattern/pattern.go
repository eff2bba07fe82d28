// Package pattern makes bytes that describe themselves: every 4 KiB block of an
// object follows from its bucket, key, version and place alone, so a test (and
// the demo's self-check) can tell of any byte of any answer whether it is the
// right one, without keeping a copy.
package pattern

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// BlockBytes is the piece that is generated at once.
const BlockBytes = 4096

// Object names one version of one object and its size in bytes.
type Object struct {
	Bucket, Key, Version string
	Size                 int64
}

// At fills p with the object's bytes from offset on. It ignores Size: the
// pattern goes on forever.
func (o Object) At(p []byte, offset int64) {
	seed := o.seed()
	var block [BlockBytes]byte
	for len(p) > 0 {
		n, skip := offset/BlockBytes, offset%BlockBytes
		if skip == 0 && len(p) >= BlockBytes {
			fill(p[:BlockBytes], seed, n)
			p, offset = p[BlockBytes:], offset+BlockBytes
			continue
		}
		fill(block[:], seed, n)
		c := copy(p, block[skip:])
		p, offset = p[c:], offset+int64(c)
	}
}

// Check returns an error that names the first byte of p that is not the
// object's byte at offset plus its place in p.
func (o Object) Check(p []byte, offset int64) error {
	if offset < 0 || offset+int64(len(p)) > o.Size {
		return fmt.Errorf("%s/%s: bytes %d to %d are outside the object of %d bytes", o.Bucket, o.Key, offset, offset+int64(len(p)), o.Size)
	}
	seed := o.seed()
	var block [BlockBytes]byte
	for len(p) > 0 {
		n, skip := offset/BlockBytes, offset%BlockBytes
		fill(block[:], seed, n)
		c := min(len(p), int(BlockBytes-skip))
		if want := block[skip : int(skip)+c]; !bytes.Equal(p[:c], want) {
			wrong := 0
			for p[wrong] == want[wrong] {
				wrong++
			}
			return fmt.Errorf("%s/%s version %q: wrong byte at %d", o.Bucket, o.Key, o.Version, offset+int64(wrong))
		}
		p, offset = p[c:], offset+int64(c)
	}
	return nil
}

// Reader returns the object's Size bytes.
func (o Object) Reader() *io.SectionReader { return io.NewSectionReader(readerAt{o}, 0, o.Size) }

// Bytes returns the object's bytes in [from, to).
func (o Object) Bytes(from, to int64) []byte {
	p := make([]byte, to-from)
	o.At(p, from)
	return p
}

// CheckReader reads r to its end and checks that it holds exactly the object's
// bytes in [from, to). It returns how many right bytes came.
func (o Object) CheckReader(r io.Reader, from, to int64) (int64, error) {
	buf := make([]byte, 128<<10)
	at := from
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if at+int64(n) > to {
				return at - from, fmt.Errorf("%s/%s: more than the %d bytes asked for", o.Bucket, o.Key, to-from)
			}
			if err := o.Check(buf[:n], at); err != nil {
				return at - from, err
			}
			at += int64(n)
		}
		if err == io.EOF {
			if at != to {
				return at - from, fmt.Errorf("%s/%s: %d bytes of %d", o.Bucket, o.Key, at-from, to-from)
			}
			return at - from, nil
		}
		if err != nil {
			return at - from, err
		}
	}
}

func (o Object) seed() uint64 {
	return xxh3.HashString(fmt.Sprintf("%q %q %q", o.Bucket, o.Key, o.Version))
}

// fill writes block n: splitmix64 from a start that the seed and n give. It is
// most of what tests do, and shares nothing: the race detector may pass it by.
//
//go:norace
func fill(p []byte, seed uint64, n int64) {
	x := seed + uint64(n)*0xd1342543de82ef95
	for i := 0; i < BlockBytes; i += 8 {
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(p[i:], z^(z>>31))
	}
}

type readerAt struct{ o Object }

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	r.o.At(p, off)
	return len(p), nil
}
