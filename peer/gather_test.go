package peer

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

// writes is a connection that remembers what each write carried.
type writes struct {
	net.Conn
	got [][]byte
	err error
}

func (w *writes) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.got = append(w.got, bytes.Clone(p))
	return len(p), nil
}

func TestGathererKeepsOrderAndSavesWrites(t *testing.T) {
	var sink writes
	g := &gatherer{Conn: &sink}
	var want []byte
	write := func(n int) {
		t.Helper()
		p := bytes.Repeat([]byte{byte(len(want))}, n)
		want = append(want, p...)
		if m, err := g.Write(p); m != n || err != nil {
			t.Fatalf("wrote %d of %d: %v", m, n, err)
		}
	}
	write(10) // at once
	g.gather(new(buffer))
	write(recordBytes)
	write(recordBytes)
	if len(sink.got) != 1 {
		t.Errorf("%d writes while gathering, want none beyond the first", len(sink.got))
	}
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	if len(sink.got) != 2 {
		t.Errorf("%d writes after the flush, want 2", len(sink.got))
	}
	g.gather(new(buffer))
	write(bufferBytes)
	write(1) // does not fit any more
	write(2)
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	write(3)
	if got := bytes.Join(sink.got, nil); !bytes.Equal(got, want) {
		t.Error("bytes came out in another order")
	}
}

func TestGathererTellsOfFailedWrites(t *testing.T) {
	broken := errors.New("broken")
	g := &gatherer{Conn: &writes{err: broken}}
	g.gather(new(buffer))
	if _, err := g.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := g.flush(); !errors.Is(err, broken) {
		t.Errorf("flush: %v", err)
	}
}
