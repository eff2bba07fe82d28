package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/origin"
	"rookery/ring"
	"rookery/store"
)

// stressCapacity is how much a node's store takes, in bytes.
const stressCapacity = 40 << 20

// stressFresh is how long an answer may be behind S3, by the cluster's clock.
const stressFresh = 10 * time.Second

// stress is a cluster under random readers, faults, overwrites and changes of
// the ring. Every answer names its version in a header, so each byte, and how old
// it may be, can be judged.
type stress struct {
	*testCluster
	rings map[string]*ring.Ring
	disk  *faultyFS // of all three
	until time.Time

	mu       sync.Mutex
	versions map[string][]stressVersion // by key, the last is current
	complete int                        // answers that were whole and right
}

type stressVersion struct {
	object pattern.Object
	meta   s3test.Meta
	until  time.Time // when it was overwritten; zero while it is current
}

var stressMetas = []s3test.Meta{
	{},
	{},
	{},
	{},
	{NoETag: true},
	{ETag: `W/"weak"`},
	{Header: http.Header{"Cache-Control": {"no-store"}}},
	{NoETag: true, Header: http.Header{"Cache-Control": {"no-store"}}},
	{Header: http.Header{"Cache-Control": {"no-cache"}}},
}

var stressSizes = []int64{0, 1, 4096, 200_000, store.HotMax, mib - 1, mib, mib + 1, 5*mib + 3, 12 * mib, 66*mib + 7}

// newStress makes three nodes of tiny stores, each with its own view of the ring.
func newStress(t *testing.T, lasts time.Duration) *stress {
	s := &stress{
		testCluster: newCluster(t, nil), rings: make(map[string]*ring.Ring),
		versions: make(map[string][]stressVersion), disk: &faultyFS{FS: vfs.Default}, until: time.Now().Add(lasts),
	}
	s.names = three
	for i, name := range three {
		s.rings[name] = new(ring.Ring)
		s.rings[name].Store(ring.Build(three))
		s.nodes[name] = s.node(t, name, []int64{2 * mib, 8 * mib, 64 * mib}[i])
	}
	return s
}

func (s *stress) node(t *testing.T, name string, flightBytes int64) *testNode {
	t.Helper()
	st, err := store.Open(store.Options{
		Dir: t.TempDir(), Capacity: stressCapacity, SegmentBytes: 4 << 20, IndexMemory: 4 << 20, HotBytes: 2 << 20,
		FS: s.disk, Now: s.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := origin.New(context.Background(), origin.Options{
		Name: bucket, Bucket: bucket, Endpoint: s.s3.URL, Anonymous: true, PathStyle: true, Now: s.clock.now, Timeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	peers := &fakePeers{cluster: s.testCluster, broken: make(map[string]int64)}
	n, err := node.New(node.Options{
		Name: name, Store: st, Ring: s.rings[name], Purges: node.Leased(), Peers: peers, FlightBytes: flightBytes, Now: s.clock.now,
		Buckets: map[string]node.Bucket{bucket: {Origin: client, Freshness: object.Freshness{Default: stressFresh, NotFound: time.Second, Forbidden: time.Second}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &testNode{Node: n, store: st, peers: peers}
}

// overwrite makes another version of a key current, of another kind perhaps.
func (s *stress) overwrite(r *rand.Rand, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.versions[key]
	v := stressVersion{
		object: pattern.Object{Bucket: bucket, Key: key, Version: strconv.Itoa(len(all)), Size: stressSizes[r.IntN(len(stressSizes))]},
		meta:   stressMetas[r.IntN(len(stressMetas))],
	}
	v.meta.Header = v.meta.Header.Clone()
	if v.meta.Header == nil {
		v.meta.Header = http.Header{}
	}
	v.meta.Header.Set("X-Amz-Meta-Version", v.object.Version)
	s.s3.Put(v.object, v.meta)
	if len(all) > 0 {
		all[len(all)-1].until = s.clock.now()
	}
	s.versions[key] = append(all, v)
}

// judge returns the version that an answer says it is, unless that is one which
// was too old already when it was asked for.
func (s *stress) judge(a *object.Answer, key string, asked time.Time) (pattern.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := strconv.Atoi(a.Info.Get("X-Amz-Meta-Version"))
	if err != nil {
		return pattern.Object{}, fmt.Errorf("an answer without its version: %v", a.Info)
	}
	v := s.versions[key][n]
	if a.Info.Size != v.object.Size {
		return v.object, fmt.Errorf("version %d has %d bytes, not %d", n, v.object.Size, a.Info.Size)
	}
	if !v.until.IsZero() && asked.Sub(v.until) > stressFresh {
		return v.object, fmt.Errorf("version %d was overwritten %v before it was asked for; outcome %v, source %v, owner's %v",
			n, asked.Sub(v.until), a.Outcome, a.Source, a.OwnerSource)
	}
	return v.object, nil
}

// one is one read: some range, some way of reading, perhaps not to its end. The
// error is a defect; that a read failed in some way that a client notices is none.
func (s *stress) one(r *rand.Rand, key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ask := get(key)
	switch r.IntN(5) {
	case 0:
		ask.HeadOnly = true
	case 1:
		first := r.Int64N(70 * mib)
		ask.Range = object.Range{Kind: object.FromTo, First: first, Last: first + r.Int64N(3*mib)}
	case 2:
		ask.Range = object.Range{Kind: object.FromTo, First: mib * r.Int64N(8), Last: mib*(8+r.Int64N(60)) - 1}
	case 3:
		ask.Range = object.Range{Kind: object.Suffix, Last: 1 + r.Int64N(3*mib)}
	}
	asked := s.clock.now()
	a, err := s.nodes[three[r.IntN(3)]].Open(ctx, ask)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("it hung: %w", err)
		}
		return nil
	}
	defer closeAnswer(a)
	o, err := s.judge(a, key, asked)
	if err != nil || ask.HeadOnly {
		return err
	}
	from, to, err := ask.Range.Resolve(o.Size)
	if err != nil || a.Offset != from || a.Length != to-from || a.Body == nil != (a.Length == 0) {
		return fmt.Errorf("answer of [%d, +%d) to [%d, %d) of %d: %w", a.Offset, a.Length, from, to, o.Size, err)
	}
	if a.Body == nil {
		return nil
	}
	if r.IntN(6) == 0 {
		to = from + r.Int64N(to-from) // leaves early
	}
	return s.follow(ctx, r, a, o, to)
}

// follow reads a body in pieces of any size, up to the offset to.
func (s *stress) follow(ctx context.Context, r *rand.Rand, a *object.Answer, o pattern.Object, to int64) error {
	p := make([]byte, 1+r.IntN(200_000))
	for at := a.Offset; at < to; {
		n, err := a.Body.Read(p[:min(int64(len(p)), to-at)])
		if wrong := o.Check(p[:n], at); wrong != nil {
			return fmt.Errorf("%w: at %d of [%d, +%d), %v from %v (owner's %v), ETag %s, %v", wrong, at, a.Offset, a.Length, a.Outcome, a.Source, a.OwnerSource, a.Info.ETag, a.Info.Header)
		}
		at += int64(n)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("it hung at byte %d", at)
		case errors.Is(err, io.EOF) && at < a.Offset+a.Length:
			return fmt.Errorf("%d of %d bytes looked complete", at-a.Offset, a.Length)
		case err != nil && !errors.Is(err, io.EOF):
			return nil // a broken connection: the client knows
		}
	}
	s.mu.Lock()
	s.complete++
	s.mu.Unlock()
	return nil
}

func closeAnswer(a *object.Answer) {
	if a.Body != nil {
		a.Body.Close()
	}
}

// trouble does one thing that may go wrong.
func (s *stress) trouble(r *rand.Rand, keys []string) {
	key, n := keys[r.IntN(len(keys))], s.nodes[three[r.IntN(3)]]
	switch r.IntN(12) {
	case 0, 1:
		s.overwrite(r, key)
	case 2, 3:
		s.clock.pass(time.Duration(r.Int64N(int64(4 * time.Second))))
	case 4:
		n.peers.breakOff(three[r.IntN(3)], []int64{0, 1, mib, 3*mib + 5}[r.IntN(4)])
	case 5, 6:
		n.peers.mu.Lock()
		clear(n.peers.broken)
		n.peers.mu.Unlock()
	case 7:
		members := [][]string{three, three[:2], three[1:], {"rook-2"}, nil}
		s.rings[three[r.IntN(3)]].Store(ring.Build(members[r.IntN(len(members))]))
	case 8:
		s.rings[three[r.IntN(3)]].Store(ring.Build(three))
	case 9:
		s.disk.full.Store(r.IntN(3) == 0)
	case 10:
		from := r.Int64N(4 * mib)
		s.disk.bad(from, from+r.Int64N(mib)*r.Int64N(2))
	default:
		s.s3.Script(bucket, key, s.step(r))
	}
}

func (s *stress) step(r *rand.Rand) s3test.Step {
	after := []int64{0, 1, 100_000, mib, 2*mib + 5}[r.IntN(5)]
	return []s3test.Step{
		{Status: 503, Code: "SlowDown"},
		{Status: 412, Code: "PreconditionFailed"},
		{Status: 404, Code: "NoSuchKey"},
		{Status: 403, Code: "AccessDenied"},
		{Method: "GET", End: &s3test.End{After: after, How: s3test.Cut}},
		{Method: "GET", End: &s3test.End{After: after, How: s3test.Reset}},
		{Method: "GET", IgnoreRange: true},
		{Method: "GET", IgnoreIfMatch: true},
		{Method: "GET", NoLength: true},
		{Method: "GET", Header: http.Header{"Etag": {}}},
		{Drop: true},
	}[r.IntN(11)]
}

// TestRandomReadsUnderRandomTrouble looks for a wrong byte, a short body that
// looks complete, an answer older than it may be, a wait that does not end, and
// places, bytes or goroutines that are not given back.
func TestRandomReadsUnderRandomTrouble(t *testing.T) {
	s := newStress(t, 4*time.Second)
	keys := []string{"a", "b", "c", "d", "e"}
	seeds := rand.New(rand.NewPCG(1, 2))
	for _, key := range keys {
		s.overwrite(seeds, key)
	}
	var all sync.WaitGroup
	for i := range 12 {
		r := rand.New(rand.NewPCG(uint64(i), 3))
		all.Go(func() {
			for time.Now().Before(s.until) && !t.Failed() {
				if err := s.one(r, keys[r.IntN(len(keys))]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for time.Now().Before(s.until) && !t.Failed() {
			s.trouble(seeds, keys)
			<-ticker.C
		}
	})
	all.Wait()
	if s.complete < 20 {
		t.Errorf("only %d answers were complete: nothing was tested", s.complete)
	}
	s.calm(t, keys)
}

// calm checks that after all trouble everything is read as S3 has it, and that
// nothing is held any more.
func (s *stress) calm(t *testing.T, keys []string) {
	t.Helper()
	for _, name := range three {
		s.rings[name].Store(ring.Build(three))
		clear(s.nodes[name].peers.broken)
	}
	s.disk.full.Store(false)
	s.disk.bad(0, 0)
	for _, key := range keys {
		for range 30 { // scripts that are left over
			if res, err := http.Get(s.s3.URL + "/" + bucket + "/" + key); err == nil {
				res.Body.Close()
			}
		}
	}
	s.clock.pass(time.Hour)
	for _, key := range keys {
		all := s.versions[key]
		for _, name := range three {
			s.readCalm(t, s.nodes[name], all[len(all)-1])
		}
	}
	for _, name := range three {
		n := s.nodes[name]
		n.flightsEnd(t)
		if _, held := n.Flights(); held > 16*mib {
			t.Errorf("%s holds %d bytes with no flight in progress", name, held)
		}
	}
}

// readCalm reads an object whole. One that is larger than the store and has no
// strong ETag comes by one GET, which does not wait: a reader that it leaves behind
// by more than the store holds is cut off (docs/limits.md). Nothing else is.
func (s *stress) readCalm(t *testing.T, n *testNode, v stressVersion) {
	t.Helper()
	if strong := v.meta.ETag == "" && !v.meta.NoETag; strong || v.object.Size < stressCapacity/2 {
		n.read(t, get(v.object.Key), v.object)
		return
	}
	a, err := n.Open(context.Background(), get(v.object.Key))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(a, v.object); err != nil && !errors.Is(err, object.ErrGone) {
		t.Fatal(err)
	}
}

// TestRandomReadsOfColdObjectsFetchEachChunkOnce has no trouble at all: every
// chunk that anybody wants comes from S3 exactly once, whatever the order.
func TestRandomReadsOfColdObjectsFetchEachChunkOnce(t *testing.T) {
	c := newCluster(t, three)
	for round := range 30 {
		r := rand.New(rand.NewPCG(uint64(round), 4))
		key := fmt.Sprintf("cold%d", round)
		o := c.put(key, "1", 1+r.Int64N(8*mib), s3test.Meta{})
		var readers sync.WaitGroup
		wanted := make([]bool, object.Chunks(o.Size))
		for range 8 {
			ask, n := get(key), c.nodes[three[r.IntN(3)]]
			if r.IntN(3) > 0 {
				first := r.Int64N(o.Size)
				ask = getRange(key, first, first+r.Int64N(3*mib))
			}
			from, to, _ := ask.Range.Resolve(o.Size)
			for chunk := object.ChunkOf(from); chunk <= object.ChunkOf(to-1); chunk++ {
				wanted[chunk] = true
			}
			readers.Go(func() {
				a, err := n.Open(context.Background(), ask)
				if err == nil {
					err = check(a, o)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		for chunk, times := range c.s3.Fetches(bucket, key) {
			if want := wanted[chunk]; want && times != 1 || !want && times != 0 {
				t.Errorf("round %d: chunk %d was fetched %d times: %v", round, chunk, times, c.s3.Requests())
			}
		}
		if t.Failed() {
			return
		}
		c.s3.Forget()
	}
}
