package council

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// snapshotVersion is the layout of a snapshot, its first byte.
const snapshotVersion = 1

var errSnapshot = errors.New("malformed snapshot")

// encode returns the state machine as it is. mu is held.
func (m *machine) encode() []byte {
	b := []byte{snapshotVersion}
	b = binary.LittleEndian.AppendUint64(b, uint64(m.lease))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.largest))
	b = binary.AppendUvarint(b, uint64(len(m.known.ids)))
	for _, id := range m.known.ids {
		o := m.known.byID[id]
		b = appendText(b, id)
		b = binary.LittleEndian.AppendUint64(b, o.number)
		b = append(b, o.sum[:]...)
		b = append(b, 0)
		if o.soft {
			b[len(b)-1] = 1
		}
	}
	return m.state.AppendSnapshot(b)
}

// decode replaces the state machine by a snapshot. mu is held. The floors come
// last: once they are shown, everything is there.
func (m *machine) decode(b []byte) error {
	r := reader{b: b}
	if version := r.byte(); version != snapshotVersion {
		return fmt.Errorf("%w: version %d", errSnapshot, version)
	}
	lease, largest := time.Duration(r.u64()), time.Duration(r.u64())
	var all known
	for range r.count() {
		id := r.text()
		o := knownOrder{number: r.u64()}
		copy(o.sum[:], r.take(16))
		o.soft = r.byte() == 1
		if r.bad {
			break
		}
		all.put(id, o)
	}
	if r.bad {
		return errSnapshot
	}
	if err := m.state.Restore(r.b); err != nil {
		return fmt.Errorf("restore the floors: %w", err)
	}
	m.known, m.lease, m.largest = all, lease, largest
	return nil
}

// snapshot is one that is being written.
type snapshot []byte

// Persist implements raft.FSMSnapshot.
func (s snapshot) Persist(to raft.SnapshotSink) error {
	if _, err := to.Write(s); err != nil {
		return errors.Join(err, to.Cancel())
	}
	return to.Close()
}

// Release implements raft.FSMSnapshot.
func (s snapshot) Release() {}
