package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/memberlist"
)

// metaFormat is the first byte of a node's metadata. A later format may append
// fields under the same number, which older nodes ignore; a change of what is
// there takes another number, and nodes that differ in it are unfit for each other.
const metaFormat = 1

// meta is what a node gossips about itself, beside its name and address.
type meta struct {
	state       State
	protocol    uint16
	protocolMin uint16
	council     [16]byte
	zone        string
	version     string
	peerAddress string
	fingerprint string
	disk        [16]byte // zero of a node that does not say
}

var errMeta = errors.New("malformed metadata")

// metaFixedBytes is the size of what comes before the strings.
const metaFixedBytes = 1 + 1 + 2 + 2 + 16

// encode returns the metadata's bytes. They depend in length on the strings
// alone, so what Start found to fit goes on fitting.
func (m *meta) encode() []byte {
	b := make([]byte, 0, 256)
	b = append(b, metaFormat, byte(m.state))
	b = binary.LittleEndian.AppendUint16(b, m.protocol)
	b = binary.LittleEndian.AppendUint16(b, m.protocolMin)
	b = append(b, m.council[:]...)
	for _, s := range [...]string{m.zone, m.version, m.peerAddress, m.fingerprint} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, m.disk[:]...)
}

// decodeMeta reads another node's metadata, which may be anything.
func decodeMeta(b []byte) (meta, error) {
	if len(b) == 0 || len(b) > memberlist.MetaMaxSize {
		return meta{}, errMeta
	}
	if b[0] != metaFormat {
		return meta{}, fmt.Errorf("metadata of format %d, this node knows format %d", b[0], metaFormat)
	}
	if len(b) < metaFixedBytes || State(b[1]) > Draining {
		return meta{}, errMeta
	}
	m := meta{
		state:       State(b[1]),
		protocol:    binary.LittleEndian.Uint16(b[2:]),
		protocolMin: binary.LittleEndian.Uint16(b[4:]),
		council:     [16]byte(b[6:22]),
	}
	rest := b[metaFixedBytes:]
	for _, field := range [...]*string{&m.zone, &m.version, &m.peerAddress, &m.fingerprint} {
		n, w := binary.Uvarint(rest)
		if w <= 0 || n > uint64(len(rest)-w) {
			return meta{}, errMeta
		}
		*field = string(rest[w : w+int(n)])
		rest = rest[w+int(n):]
	}
	if len(rest) > 0 && len(rest) < len(m.disk) {
		return meta{}, errMeta
	}
	copy(m.disk[:], rest) // which the first nodes do not name
	return m, nil
}
