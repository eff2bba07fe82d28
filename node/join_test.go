package node

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"rookery/object"
	"rookery/ring"
	"rookery/store"
)

// noOrigin counts the GETs that it leaves without an answer, or refuses.
type noOrigin struct {
	Origin // nobody lists
	refuses bool

	mu   sync.Mutex
	gets int
}

func (*noOrigin) Head(context.Context, object.Key, string) (*object.Info, error) {
	return nil, object.ErrBroken
}

func (o *noOrigin) Get(ctx context.Context, _ object.Fetch) (*object.Fetched, error) {
	o.mu.Lock()
	o.gets++
	o.mu.Unlock()
	if o.refuses {
		return nil, object.ErrBroken
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// joinKit is a node whose flights are asked directly, at the moments that a
// reader seldom meets.
func joinKit(t *testing.T) (*Node, *noOrigin, want) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: t.TempDir(), Capacity: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	origin := new(noOrigin)
	n, err := New(Options{
		Store: s, Ring: new(ring.Ring), Purges: Leased(), FlightBytes: object.ChunkBytes,
		Buckets: map[string]Bucket{"b": {Origin: origin}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	const size = 64 * object.ChunkBytes
	return n, origin, want{
		of: n.Buckets().configured("b"), key: object.Key{Bucket: "b", Name: "k"}, to: 64,
		pin: object.Pin{Version: object.VersionOf(`"x"`, size), Size: size, ETag: `"x"`},
	}
}

func (w *want) store(t *testing.T, n *Node) {
	t.Helper()
	data := bytes.Repeat([]byte{1}, object.ChunkBytes)
	if err := n.store.PutChunk(w.key, w.pin.Version, w.pin.Size, w.from, w.pin.Note, data); err != nil {
		t.Fatal(err)
	}
}

func TestReadersThatJoinAtTheSameMomentStartOneRun(t *testing.T) {
	n, _, w := joinKit(t)
	for round := range 100 {
		w.key.Name = strconv.Itoa(round)
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				if r, _, err := n.flights.join(w); err != nil || r == nil {
					t.Errorf("no run: %v", err)
				}
			})
		}
		readers.Wait()
		if runs, _ := n.flights.load(); runs != round+1 {
			t.Fatalf("%d runs for %d objects", runs, round+1)
		}
	}
}

// A chunk that was stored between the reader's look and its joining.
func TestWhoJoinsLooksIntoTheStoreAgain(t *testing.T) {
	n, _, w := joinKit(t)
	w.store(t, n)
	if r, _, err := n.flights.join(w); r != nil || err != nil {
		t.Errorf("a run for a chunk that is stored: %v, %v", r, err)
	}
	w.anew = true
	if r, _, err := n.flights.join(w); r == nil || err != nil {
		t.Errorf("no run for a chunk that cannot be read: %v", err)
	}
}

// A chunk that came between the reader's look and its joining, and could not be
// stored. Of an object without a strong ETag it can be had nowhere else.
func TestWhoJoinsLooksIntoMemoryAgain(t *testing.T) {
	n, _, w := joinKit(t)
	for _, etag := range []string{w.pin.ETag, ""} {
		w.pin.ETag = etag
		n.flights.mu.Lock()
		n.flights.recent.put(versionKey{w.key.Hash(), w.pin.Version}, &fill{chunk: w.from, buf: []byte{1}, n: 1})
		n.flights.mu.Unlock()
		if r, _, err := n.flights.join(w); r != nil || err != nil {
			t.Errorf("etag %q: got run %v and %v for a chunk that is in memory", etag, r, err)
		}
	}
}

// A chunk that was stored between the reader's joining and the fetch.
func TestAFetchLooksIntoTheStoreFirst(t *testing.T) {
	n, origin, w := joinKit(t)
	origin.refuses = true
	w.store(t, n)
	r := &run{key: w.key, pin: w.pin, end: 64, readers: 1, wake: make(chan struct{})}
	if err := n.flights.fetch(r); err != nil {
		t.Error(err)
	}
	if origin.gets != 0 {
		t.Error("S3 was asked for what is stored")
	}
}

// A question that is about to be sent when another one's answer is written down.
func TestACallLooksIntoTheStoreFirst(t *testing.T) {
	n, origin, w := joinKit(t)
	n.Use(n.Prepare(map[string]Bucket{"b": {Origin: origin, Freshness: object.Freshness{Default: 1 << 40}}}))
	info := object.Info{Version: w.pin.Version, Size: w.pin.Size, ETag: w.pin.ETag, Validated: n.now(), Note: n.purges.Note()}
	if err := n.store.PutInfo(w.key, &info); err != nil {
		t.Fatal(err)
	}
	for _, q := range []question{theInfo, theWhole} {
		c, err := n.ask(t.Context(), w.key, need{question: q, seen: info.Validated.Add(-1)})
		if err != nil || c.info.ETag != info.ETag {
			t.Fatalf("got %v", err)
		}
		n.letGo(c.call)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.ask(ctx, w.key, need{question: theWhole, seen: info.Validated}); !errors.Is(err, context.Canceled) {
		t.Errorf("who saw that info already got it again: %v", err)
	}
}
