package council

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"rookery/purge"
)

func TestOrdersSurviveTheLog(t *testing.T) {
	for _, soft := range []bool{false, true} {
		orders := []purge.Order{
			{ID: "é", Soft: soft, Scopes: []purge.Scope{{Kind: purge.All}, {Kind: purge.Bucket, Bucket: "b"}}},
			{ID: "2", Soft: soft, Scopes: []purge.Scope{{Kind: purge.Prefix, Bucket: "b", Name: "\xff\x00/"}, {Kind: purge.Tag, Bucket: "b", Name: "t"}}},
		}
		got, err := decodeAny(encodeOrders(orders))
		if err != nil || !reflect.DeepEqual(got, orders) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// FuzzEntry feeds the state machine whatever a disk or another node may hold: it
// shows the number of each entry and never falls over.
func FuzzEntry(f *testing.F) {
	f.Add(encodeOrders([]purge.Order{order("a", "b"), order("c", "d", "e")}))
	f.Add(encodeTick(5 * time.Second))
	f.Add(encodeTrim("b", 3))
	f.Add([]byte{entryPurges, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{99})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMachine()
		m.Apply(&raft.Log{Index: 4, Data: b})
		m.Apply(&raft.Log{Index: 5, Data: encodeTick(time.Second)})
		if got := m.state.Note().Applied; got != 5 {
			t.Errorf("the number is %d", got)
		}
		if orders, err := decodeAny(b); err == nil {
			if again, err := decodeAny(encodeOrders(orders)); err != nil || !reflect.DeepEqual(again, orders) {
				t.Errorf("%+v became %+v, %v", orders, again, err)
			}
		}
	})
}

// FuzzSnapshot feeds the state machine whatever another node may send for a snapshot.
func FuzzSnapshot(f *testing.F) {
	m := newMachine()
	m.Apply(&raft.Log{Index: 1, Data: encodeOrders([]purge.Order{order("a", "b")})})
	m.Apply(&raft.Log{Index: 2, Data: encodeTick(time.Second)})
	f.Add(m.encode())
	f.Add([]byte{snapshotVersion, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMachine()
		before := m.encode()
		if err := m.Restore(io.NopCloser(bytes.NewReader(b))); err != nil && !bytes.Equal(before, m.encode()) {
			t.Errorf("a bad snapshot has changed the state")
		}
	})
}

func newMachine() *machine {
	s := purge.NewState()
	s.Join([16]byte{1})
	return &machine{state: s, log: slog.New(slog.DiscardHandler)}
}

// TestMachine applies one entry of many orders: one number, one floor each, the
// ids known once.
func TestMachine(t *testing.T) {
	m := newMachine()
	apply := func(number uint64, orders ...purge.Order) []outcome {
		return m.Apply(&raft.Log{Index: number, Data: encodeOrders(orders)}).([]outcome)
	}
	got := fmt.Sprint(apply(3, order("a", "x"), order("b", "y"), order("a", "x"), order("b", "z")))
	if want := "[{3 false} {3 false} {3 false} {3 true}]"; got != want {
		t.Errorf("outcomes %s, want %s", got, want)
	}
	n := node{state: m.state}
	if n.floor("x") != 3 || n.floor("y") != 3 || n.floor("z") != 0 {
		t.Errorf("floors: %d %d %d", n.floor("x"), n.floor("y"), n.floor("z"))
	}
	if got := fmt.Sprint(apply(4, order("a", "x"))); got != "[{3 false}]" || m.state.Note().Applied != 4 {
		t.Errorf("again: %s, and the number is %d", got, m.state.Note().Applied)
	}
	for _, lease := range []time.Duration{2, 9, 5} {
		m.Apply(&raft.Log{Index: m.state.Note().Applied + 1, Data: encodeTick(lease)})
	}
	if now, largest := m.leases(); now != 5 || largest != 9 {
		t.Errorf("leases %d and %d", now, largest)
	}
	other := newMachine()
	if err := other.Restore(io.NopCloser(bytes.NewReader(m.encode()))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(other.encode(), m.encode()) {
		t.Error("a snapshot of the restored is another")
	}
	if now, largest := other.leases(); now != 5 || largest != 9 {
		t.Errorf("restored leases %d and %d", now, largest)
	}
	got = fmt.Sprint(other.Apply(&raft.Log{Index: 9, Data: encodeOrders([]purge.Order{order("a", "x"), order("b", "z")})}))
	if got != "[{3 false} {3 true}]" {
		t.Errorf("what the restored knows of ids: %s", got)
	}
}

// TestKnown bounds what is known, on every node alike.
func TestKnown(t *testing.T) {
	var k known
	big := order("", string(bytes.Repeat([]byte{'x'}, 2048)))
	for i := range maxKnown + 100 {
		big.ID = fmt.Sprint(i)
		k.add(&big, uint64(i+1))
	}
	if len(k.ids) != maxKnown || len(k.byID) != maxKnown || k.bytes > maxOrderBytes {
		t.Errorf("%d ids, %d orders, %d bytes", len(k.ids), len(k.byID), k.bytes)
	}
	if _, ok := k.find("99"); ok {
		t.Error("the oldest is still known")
	}
	old, _ := k.find("100")
	newest, _ := k.find(fmt.Sprint(maxKnown + 99))
	if old.scopes != nil || newest.scopes == nil || old.number != 101 {
		t.Errorf("oldest %+v, newest %+v", old, newest)
	}
}

// TestBatches cuts orders so that each entry is all hard or all soft and not too
// large, and none is lost.
func TestBatches(t *testing.T) {
	var orders []purge.Order
	for i := range 2500 {
		o := order(fmt.Sprint(i), fmt.Sprint("name ", i))
		o.Soft = i >= 1200 && i < 1300
		orders = append(orders, o)
	}
	for range 3 {
		o := order(fmt.Sprint("large ", len(orders)))
		for len(o.Scopes) < purge.MaxScopes {
			o.Scopes = append(o.Scopes, purge.Scope{Kind: purge.Object, Bucket: "b", Name: string(make([]byte, 1024))})
		}
		orders = append(orders, o)
	}
	var sizes []int
	var again []purge.Order
	for _, b := range batches(orders) {
		sizes = append(sizes, len(b))
		decoded, err := decodeAny(encodeOrders(b))
		if err != nil {
			t.Fatal(err)
		}
		again = append(again, decoded...)
	}
	if want := "[1000 200 100 1000 200 1 1 1]"; fmt.Sprint(sizes) != want {
		t.Errorf("batches of %v, want %s", sizes, want)
	}
	if !reflect.DeepEqual(again, orders) {
		t.Error("not what went in")
	}
}
