package council

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

func newLogs(t *testing.T, d Disk) *logs {
	t.Helper()
	l, err := openLogs(d, func(error) {}, t.Context().Done())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func entries(term uint64, from, to uint64) []*raft.Log {
	var all []*raft.Log
	for i := from; i <= to; i++ {
		all = append(all, &raft.Log{
			Index: i, Term: term, Type: raft.LogCommand, Data: fmt.Append(nil, "data ", i, " ", term),
			Extensions: []byte{byte(i)}, AppendedAt: time.Unix(0, int64(i)),
		})
	}
	return all
}

// terms returns the terms of the entries from 1 on, 0 for one that is not there.
func terms(t *testing.T, l *logs, to uint64) string {
	t.Helper()
	var all []uint64
	for i := uint64(1); i <= to; i++ {
		var e raft.Log
		err := l.GetLog(i, &e)
		if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
			t.Fatal(err)
		}
		if want := entries(e.Term, i, i)[0]; err == nil && fmt.Sprint(&e) != fmt.Sprint(want) {
			t.Fatalf("entry %d is %+v, want %+v", i, &e, want)
		}
		all = append(all, e.Term)
	}
	first, _ := l.FirstIndex()
	last, _ := l.LastIndex()
	return fmt.Sprint(first, "-", last, " ", all)
}

// TestLogs is a story of a log: whatever is done, a reopened one is the same.
func TestLogs(t *testing.T) {
	d := newDisk()
	l := newLogs(t, d)
	check := func(what, want string) {
		t.Helper()
		if got := terms(t, l, 6); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		l = newLogs(t, d)
		if got := terms(t, l, 6); got != want {
			t.Errorf("%s, opened again: %s, want %s", what, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check("empty", "0-0 [0 0 0 0 0 0]")
	must(l.StoreLogs(entries(1, 1, 5)))
	check("five", "1-5 [1 1 1 1 1 0]")
	must(l.DeleteRange(4, 5))
	check("a tail that is cut stays until it is replaced", "1-5 [1 1 1 1 1 0]")
	must(l.StoreLogs(entries(2, 3, 4)))
	check("a tail replaced by a shorter one", "1-4 [1 1 2 2 0 0]")
	must(l.DeleteRange(1, 2))
	check("the head is cut", "3-4 [0 0 2 2 0 0]")
	d.fail(errors.New("full"))
	if err := l.StoreLogs(entries(3, 5, 6)); err == nil {
		t.Error("written to a failing disk")
	}
	d.fail(nil)
	check("a write that failed", "3-4 [0 0 2 2 0 0]")
	must(l.DeleteRange(3, 4))
	check("all is cut", "0-0 [0 0 0 0 0 0]")
}

// TestLogsWriteInDoubt has a write reach the disk although it was told to have
// failed: what it has left does not outlive the next one.
func TestLogsWriteInDoubt(t *testing.T) {
	d := newDisk()
	l := newLogs(t, d)
	l.disk = doubtful{d}
	if err := l.StoreLogs(entries(1, 1, 5)); err == nil {
		t.Fatal("the write was not in doubt")
	}
	l.disk = d
	if err := l.StoreLogs(entries(2, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if got, want := terms(t, newLogs(t, d), 6), "1-2 [2 2 0 0 0 0]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// doubtful writes, and says that it has failed.
type doubtful struct{ *memDisk }

func (d doubtful) Write(drop, set [][2][]byte) error {
	return errors.Join(d.memDisk.Write(drop, set), errors.New("the sync failed"))
}

// TestVote shows that a vote is whole on the disk or not at all, and that what is
// missing reads as raft wants it to.
func TestVote(t *testing.T) {
	d := newDisk()
	l := newLogs(t, d)
	if _, err := l.GetUint64([]byte(keyVoteTerm)); err == nil || err.Error() != "not found" {
		t.Errorf("a missing number: %v", err)
	}
	if _, err := l.Get([]byte(keyVoteCandidate)); err == nil || err.Error() != "not found" {
		t.Errorf("a missing value: %v", err)
	}
	for _, step := range []error{
		l.SetUint64([]byte("CurrentTerm"), 7),
		l.SetUint64([]byte(keyVoteTerm), 7), l.Set([]byte(keyVoteCandidate), []byte("a")),
		l.SetUint64([]byte(keyVoteTerm), 8), // and here the power fails
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	l = newLogs(t, d)
	term, err := l.GetUint64([]byte(keyVoteTerm))
	candidate, cerr := l.Get([]byte(keyVoteCandidate))
	if err != nil || cerr != nil || term != 7 || string(candidate) != "a" {
		t.Errorf("the vote is %d for %q; %v, %v", term, candidate, err, cerr)
	}
	if now, err := l.GetUint64([]byte("CurrentTerm")); err != nil || now != 7 {
		t.Errorf("the term is %d, %v", now, err)
	}
}

// TestTermWaitsForTheDisk has raft wait while its term cannot be written.
func TestTermWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := newLogs(t, d)
		var hushed []bool
		l.hush = func(on bool) { hushed = append(hushed, on) }
		d.fail(errors.New("full"))
		time.AfterFunc(time.Minute, func() { d.fail(nil) })
		began := time.Now()
		if err := l.SetUint64([]byte("CurrentTerm"), 3); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Minute || fmt.Sprint(hushed) != "[true false]" {
			t.Errorf("it took %v, silent: %v", took, hushed)
		}
	})
}

// TestCloseWhileTheDiskFails shows that a node whose disk is lost for good can be
// closed, as its process goes on with another.
func TestCloseWhileTheDiskFails(t *testing.T) {
	w := newWorld(t)
	w.tune = func(o *Options) { o.Heartbeat, o.Lease = 100*time.Millisecond, 500*time.Millisecond }
	nodes := w.start(3)
	leader := w.settle(3)
	leader.disk.fail(errors.New("lost"))
	other := nodes[0]
	if leader == other {
		other = nodes[1]
	}
	w.until("another leads", 20*time.Second, func() bool {
		name := other.Status().Leader
		return name != "" && name != leader.name
	})
	w.stop(leader)
	leader.disk = newDisk()
	w.open(leader)
	w.settle(3)
}

// TestSnapshots writes snapshots of more than one part: the newest is the one there
// is, and one that is not finished is none.
func TestSnapshots(t *testing.T) {
	s := &snapshots{disk: newDisk(), failing: func(error) {}}
	members := raft.Configuration{Servers: []raft.Server{{ID: "a/1", Address: "a/1", Suffrage: raft.Voter}}}
	for term := range uint64(3) {
		k, err := s.Create(1, 10*(term+1), term, members, 5, nil)
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte{byte(term), 1, 2}, snapshotPart)
		if _, err := k.Write(data); err != nil {
			t.Fatal(err)
		}
		if term == 2 {
			if err := k.Cancel(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		list, err := s.List()
		if err != nil || len(list) != 1 || list[0].ID != k.ID() || list[0].Index != 10*(term+1) || list[0].Term != term {
			t.Fatalf("list: %+v, %v", list, err)
		}
		meta, from, err := s.Open(k.ID())
		if err != nil || fmt.Sprint(meta.Configuration) != fmt.Sprint(members) || meta.ConfigurationIndex != 5 {
			t.Fatalf("open: %+v, %v", meta, err)
		}
		if got, err := io.ReadAll(from); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Index != 20 {
		t.Errorf("in the end: %+v, %v", list, err)
	}
	if _, _, err := s.Open("none"); err == nil {
		t.Error("a snapshot that is not there was opened")
	}
}
