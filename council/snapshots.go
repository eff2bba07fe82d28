package council

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/raft"
)

// snapshots keeps raft's snapshots on the node's disk, the newest alone: a new one
// replaces the old one in one write.
type snapshots struct {
	disk    Disk
	failing func(error)
}

// snapshotPart bounds one value on the disk.
const snapshotPart = 1 << 20

// maxSnapshot bounds what a node takes in for a snapshot.
const maxSnapshot = 1 << 30

var errSnapshotSize = errors.New("the snapshot is too large")

// Create implements raft.SnapshotStore.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration,
	membersIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	return &sink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%020d-%020d", term, index), Index: index, Term: term,
		Configuration: members, ConfigurationIndex: membersIndex,
	}}, nil
}

// List implements raft.SnapshotStore.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	var found []*raft.SnapshotMeta
	var broken error
	keys := span(metaKeys)
	err := s.disk.Scan(keys[0], keys[1], func(_, value []byte) bool {
		meta := new(raft.SnapshotMeta)
		broken = json.Unmarshal(value, meta)
		found = append(found, meta)
		return broken == nil
	})
	if err = errors.Join(err, broken); err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	slices.Reverse(found) // the ids are in order
	return found, nil
}

// Open implements raft.SnapshotStore.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	value, err := s.disk.Get([]byte(metaKeys + id))
	if err != nil || value == nil {
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, errors.Join(err, errMissing(value)))
	}
	meta := new(raft.SnapshotMeta)
	if err := json.Unmarshal(value, meta); err != nil {
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, err)
	}
	var data []byte
	parts := span(dataKeys + id)
	err = s.disk.Scan(parts[0], parts[1], func(_, part []byte) bool {
		data = append(data, part...)
		return true
	})
	if err == nil && int64(len(data)) != meta.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read snapshot %s: %w", id, err)
	}
	return meta, io.NopCloser(bytes.NewReader(data)), nil
}

func errMissing(value []byte) error {
	if value == nil {
		return errNotFound
	}
	return nil
}

// sink takes in one snapshot.
type sink struct {
	store *snapshots
	meta  raft.SnapshotMeta
	data  bytes.Buffer
}

// ID implements raft.SnapshotSink.
func (k *sink) ID() string { return k.meta.ID }

// Write implements raft.SnapshotSink.
func (k *sink) Write(b []byte) (int, error) {
	if k.data.Len()+len(b) > maxSnapshot {
		return 0, errSnapshotSize
	}
	return k.data.Write(b)
}

// Close implements raft.SnapshotSink: it makes the snapshot the one there is.
func (k *sink) Close() error {
	k.meta.Size = int64(k.data.Len())
	meta, err := json.Marshal(k.meta)
	if err != nil {
		return fmt.Errorf("write a snapshot: %w", err)
	}
	set := [][2][]byte{pair(metaKeys+k.meta.ID, meta)}
	for i, part := range slices.Collect(slices.Chunk(k.data.Bytes(), snapshotPart)) {
		key := binary.BigEndian.AppendUint32([]byte(dataKeys+k.meta.ID+"/"), uint32(i))
		set = append(set, [2][]byte{key, part})
	}
	if err := k.store.disk.Write([][2][]byte{span(metaKeys), span(dataKeys)}, set); err != nil {
		k.store.failing(err)
		return fmt.Errorf("write a snapshot: %w", err)
	}
	return nil
}

// Cancel implements raft.SnapshotSink.
func (k *sink) Cancel() error {
	k.data.Reset()
	return nil
}
