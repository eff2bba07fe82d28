package council

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// logs is raft's log, its term and its vote on the node's disk. While the disk
// fails, what raft would panic over waits until it is well again.
type logs struct {
	disk    Disk
	failing func(error) // told of every failure
	hush    func(bool)  // told when raft begins to wait for the disk, and when it ends
	closing <-chan struct{}
	cut     chan struct{} // closed when the wait was cut short, and raft with it
	cutOnce sync.Once

	mu          sync.Mutex // guards all below
	first, last uint64     // 0: the log is empty
	edge        uint64     // nothing was ever written behind it, not even in vain
	voteTerm    []byte     // waits for its candidate
}

var errNotFound = errors.New("not found") // raft compares the text

// diskPause is how long a failing disk is left alone.
const diskPause = 200 * time.Millisecond

// openLogs reads what there is. closing ends the wait for a failing disk.
func openLogs(d Disk, failing func(error), closing <-chan struct{}) (*logs, error) {
	l := &logs{disk: d, failing: failing, hush: func(bool) {}, closing: closing, cut: make(chan struct{})}
	keys := span(logKeys)
	err := d.Scan(keys[0], keys[1], func(key, _ []byte) bool {
		l.last = binary.BigEndian.Uint64(key[len(logKeys):])
		if l.first == 0 {
			l.first = l.last
		}
		l.edge = l.last
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("open the council's log: %w", err)
	}
	return l, nil
}

func logKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(logKeys), index)
}

// FirstIndex implements raft.LogStore.
func (l *logs) FirstIndex() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, nil
}

// LastIndex implements raft.LogStore.
func (l *logs) LastIndex() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, nil
}

// GetLog implements raft.LogStore. raft panics when a log cannot be read, so a
// failing disk is waited for.
func (l *logs) GetLog(index uint64, to *raft.Log) error {
	var b []byte
	l.persist(func() (err error) {
		b, err = l.disk.Get(logKey(index))
		return err
	})
	if b == nil {
		return raft.ErrLogNotFound
	}
	if len(b) < 21 {
		return fmt.Errorf("log %d has %d bytes", index, len(b))
	}
	extensions := binary.LittleEndian.Uint32(b[17:])
	if uint64(len(b)-21) < uint64(extensions) {
		return fmt.Errorf("log %d is cut short", index)
	}
	*to = raft.Log{
		Index: index, Term: binary.LittleEndian.Uint64(b), Type: raft.LogType(b[8]),
		AppendedAt: time.Unix(0, int64(binary.LittleEndian.Uint64(b[9:]))),
		Extensions: b[21 : 21+extensions], Data: b[21+extensions:],
	}
	return nil
}

func encodeLog(e *raft.Log) []byte {
	b := make([]byte, 0, 21+len(e.Extensions)+len(e.Data))
	b = binary.LittleEndian.AppendUint64(b, e.Term)
	b = append(b, byte(e.Type))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.AppendedAt.UnixNano()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Extensions)))
	return append(append(b, e.Extensions...), e.Data...)
}

// StoreLog implements raft.LogStore.
func (l *logs) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore. What the log had from the first of them on
// goes with the same write, so a tail that is replaced is never half gone; and so
// does what a write has left that failed, for that may be there or not.
func (l *logs) StoreLogs(entries []*raft.Log) error {
	set := make([][2][]byte, len(entries))
	for i, e := range entries {
		set[i] = [2][]byte{logKey(e.Index), encodeLog(e)}
	}
	from, to := entries[0].Index, entries[len(entries)-1].Index
	var drop [][2][]byte
	l.mu.Lock()
	if l.edge >= from {
		drop = [][2][]byte{{logKey(from), logKey(l.edge + 1)}}
	}
	l.edge = max(l.edge, to)
	l.mu.Unlock()
	if err := l.disk.Write(drop, set); err != nil {
		l.failing(err)
		return fmt.Errorf("write the council's log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == 0 || from < l.first {
		l.first = from
	}
	l.last, l.edge = to, to
	return nil
}

// DeleteRange implements raft.LogStore. A tail stays until StoreLogs replaces it:
// raft cuts one only to write another, and if that write fails after the cut its
// idea of where the log ends would be wrong until it is restarted.
func (l *logs) DeleteRange(from, to uint64) error {
	l.mu.Lock()
	first, last := l.first, l.last
	l.mu.Unlock()
	if from > first || first == 0 {
		return nil
	}
	to = min(to, last)
	if err := l.disk.Write([][2][]byte{{logKey(from), logKey(to + 1)}}, nil); err != nil {
		l.failing(err)
		return fmt.Errorf("shorten the council's log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = to + 1
	if l.first > l.last {
		l.first, l.last = 0, 0
	}
	return nil
}

// The two halves of a vote.
const (
	keyVoteTerm      = "LastVoteTerm"
	keyVoteCandidate = "LastVoteCand"
)

// Set implements raft.StableStore. A vote's candidate takes its term along: with
// the term alone on the disk the node would remember a vote that it did not give.
func (l *logs) Set(key, value []byte) error {
	set := [][2][]byte{pair(stableKeys+string(key), value)}
	l.mu.Lock()
	if string(key) == keyVoteCandidate && l.voteTerm != nil {
		set = append(set, pair(stableKeys+keyVoteTerm, l.voteTerm))
	}
	l.mu.Unlock()
	if err := l.disk.Write(nil, set); err != nil {
		l.failing(err)
		return fmt.Errorf("write the council's vote: %w", err)
	}
	return nil
}

// Get implements raft.StableStore.
func (l *logs) Get(key []byte) (value []byte, err error) {
	l.persist(func() (err error) {
		value, err = l.disk.Get([]byte(stableKeys + string(key)))
		return err
	})
	if value == nil {
		return nil, errNotFound
	}
	return value, nil
}

// SetUint64 implements raft.StableStore. raft panics when it cannot write its
// term, so a failing disk is waited for.
func (l *logs) SetUint64(key []byte, n uint64) error {
	value := binary.LittleEndian.AppendUint64(nil, n)
	if string(key) == keyVoteTerm {
		l.mu.Lock()
		l.voteTerm = value
		l.mu.Unlock()
		return nil
	}
	l.persist(func() error { return l.disk.Write(nil, [][2][]byte{pair(stableKeys+string(key), value)}) })
	return nil
}

// GetUint64 implements raft.StableStore.
func (l *logs) GetUint64(key []byte) (uint64, error) {
	value, err := l.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("%s has %d bytes", key, len(value))
	}
	return binary.LittleEndian.Uint64(value), nil
}

// persist repeats do until it succeeds. Meanwhile the node is silent, for raft's
// heartbeats do not wait: a leader that hangs here would lead for good. If the
// council closes first, raft's goroutine ends here: it can be told neither a lie
// nor a failure.
func (l *logs) persist(do func() error) {
	err := do()
	if err == nil {
		return
	}
	l.hush(true)
	defer l.hush(false)
	for ; err != nil; err = do() {
		l.failing(err)
		pause := time.NewTimer(diskPause)
		select {
		case <-pause.C:
		case <-l.closing:
			pause.Stop()
			l.cutOnce.Do(func() { close(l.cut) })
			runtime.Goexit()
		}
	}
}
