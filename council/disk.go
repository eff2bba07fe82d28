package council

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Disk is where the council keeps what must outlive the process: in production a
// key space of the node's Pebble. Keys and values that are handed out are the
// caller's. It is safe for any number of goroutines, and whoever opened it closes
// it, after the Council.
type Disk interface {
	// Get returns nil where there is nothing.
	Get(key []byte) ([]byte, error)
	// Scan calls each, in the order of the keys, for those from <= key < to, until
	// it returns false. The slices are each's until it returns.
	Scan(from, to []byte, each func(key, value []byte) bool) error
	// Write first drops the ranges [0] <= key < [1] and then sets the keys [0] to
	// the values [1]: all of it or nothing, and on the disk when it returns.
	Write(drop, set [][2][]byte) error
}

// The keys. What begins with raftKeys belongs to one council's log and goes with
// it; the rest is the node's.
const (
	diskKey    = "disk"    // the random id of the disk, if nobody else knows one
	councilKey = "council" // the council's id and those of its predecessors
	keptKeys   = "kept/"   // + id: an order that waits for a quorum
	raftKeys   = "raft/"
	logKeys    = raftKeys + "log/"
	stableKeys = raftKeys + "stable/"
	metaKeys   = raftKeys + "meta/"
	dataKeys   = raftKeys + "data/"
	foundKey   = raftKeys + "found" // this node is the first of the council
)

// span returns the range of the keys that begin with prefix, which must not end
// in 0xff.
func span(prefix string) [2][]byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return [2][]byte{[]byte(prefix), end}
}

func pair(key string, value []byte) [2][]byte { return [2][]byte{[]byte(key), value} }

// RaftID returns the id under which a node is a member: its name and its disk's,
// so that a node that has lost its votes with its disk is another member.
func RaftID(name string, disk [16]byte) string { return name + "/" + hex.EncodeToString(disk[:]) }

// raftID returns this node's, which it makes up if it has none.
func (o *Options) raftID() (string, error) {
	if o.DiskID != ([16]byte{}) {
		return RaftID(o.Name, o.DiskID), nil
	}
	id, err := o.Disk.Get([]byte(diskKey))
	if err != nil {
		return "", fmt.Errorf("read the disk's id: %w", err)
	}
	if len(id) != 16 {
		id = make([]byte, 16)
		rand.Read(id) // never fails
		if err := o.Disk.Write(nil, [][2][]byte{pair(diskKey, id)}); err != nil {
			return "", fmt.Errorf("write the disk's id: %w", err)
		}
	}
	return RaftID(o.Name, [16]byte(id)), nil
}

// allegiance is which council a node belongs to, and which ones that one follows.
type allegiance struct {
	council [16]byte
	before  [][16]byte // newest first
}

// maxBefore bounds how many predecessors are remembered.
const maxBefore = 16

func (a *allegiance) follows(other [16]byte) bool {
	for _, id := range a.before {
		if id == other {
			return true
		}
	}
	return false
}

func (a *allegiance) encode() []byte {
	b := a.council[:]
	b = b[:len(b):len(b)]
	for _, id := range a.before {
		b = append(b, id[:]...)
	}
	return b
}

func decodeAllegiance(b []byte) (a allegiance, err error) {
	if len(b) == 0 {
		return a, nil
	}
	if len(b)%16 != 0 || len(b) > 16*(maxBefore+1) {
		return a, fmt.Errorf("the council's record has %d bytes", len(b))
	}
	a.council = [16]byte(b)
	for b = b[16:]; len(b) > 0; b = b[16:] {
		a.before = append(a.before, [16]byte(b))
	}
	return a, nil
}

// swear makes the node one of another council: what it had of the old one's log,
// and its votes there, go with the same write. found says that the node is the
// one that founds it.
func swear(d Disk, a allegiance, found bool) error {
	set := [][2][]byte{pair(councilKey, a.encode())}
	if found {
		set = append(set, pair(foundKey, []byte{1}))
	}
	if err := d.Write([][2][]byte{span(raftKeys)}, set); err != nil {
		return fmt.Errorf("join a council: %w", err)
	}
	return nil
}

func sworn(d Disk) (allegiance, error) {
	b, err := d.Get([]byte(councilKey))
	if err != nil {
		return allegiance{}, fmt.Errorf("read which council this is: %w", err)
	}
	return decodeAllegiance(b)
}
