package ring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/buraksezer/consistent"
	"github.com/zeebo/xxh3"

	"rookery/object"
)

// name is a member as the library wants it.
type name string

func (n name) String() string { return string(n) }

// hasher is the library's view of xxh3.
type hasher struct{}

func (hasher) Sum64(b []byte) uint64 { return xxh3.Hash(b) }

// library is the library's ring of the members.
func library(members []string, load float64) *consistent.Consistent {
	list := make([]consistent.Member, len(members))
	for i, m := range members {
		list[i] = name(m)
	}
	return consistent.New(list, consistent.Config{Hasher: hasher{}, PartitionCount: partitions, ReplicationFactor: replication, Load: load})
}

// Every partition's owner is the one that buraksezer/consistent v1.0.0 names.
func TestOwnersAreTheLibrarys(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 8, 13, 20, 40, 100} {
		s, lib := Build(names(n)), library(names(n), load)
		for p := range partitions {
			if got, want := s.candidatesOf(p)[0], lib.GetPartitionOwner(p).String(); got != want {
				t.Fatalf("%d members, partition %d: owner %s, the library says %s", n, p, got, want)
			}
		}
	}
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("rook-%d", i)
	}
	return out
}

func testKey(i int) object.Key {
	return object.Key{Bucket: "products", Name: fmt.Sprintf("images/%06d.jpg", i)}
}

func without(members []string, gone string) []string {
	return slices.DeleteFunc(slices.Clone(members), func(m string) bool { return m == gone })
}

// candidatesOf returns the candidates of a partition.
func (s *Snapshot) candidatesOf(partition int) []string {
	return s.table[partition*s.candidates : (partition+1)*s.candidates]
}

// The hash decides owners, so a library that changed it would move every key.
// The first three values are xxHash's own (XXH3 64 bits, seed 0).
func TestHasherGoldenVectors(t *testing.T) {
	for in, want := range map[string]uint64{
		"":                                 0x2d06800538d394c2,
		"a":                                0xe6c632b61e964e1f,
		"abc":                              0x78af5f94892f3950,
		"0:rook-0":                         0xb0273231ce382746,
		strings.Repeat("x", 300):           0xa5d1b4607dc83554,
		"\x01\x00\x00\x00\x00\x00\x00\x00": 0x2fbc593564db792e,
	} {
		if got := (hasher{}).Sum64([]byte(in)); got != want {
			t.Errorf("hash of %q: %#x, want %#x", in, got, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	const want = "ring1:p4093:l1.25:r256:xxh3/1:c1048576:e64"
	if got := Fingerprint(); got != want || len(got) > 64 {
		t.Errorf("fingerprint %q, want %q", got, want)
	}
}

func TestGoldenOwners(t *testing.T) {
	s := Build([]string{"rook-0", "rook-1", "rook-2", "rook-3", "rook-4"})
	for _, c := range []struct {
		key    object.Key
		extent int64
		want   string
	}{
		{object.Key{Bucket: "products", Name: "a"}, 0, "rook-3 rook-2 rook-4"},
		{object.Key{Bucket: "products", Name: "a"}, 1, "rook-1 rook-2 rook-0"},
		{object.Key{Bucket: "products", Name: "a", Version: "v1"}, 0, "rook-2 rook-3 rook-1"},
		{object.Key{Bucket: "products", Name: "a/b//c d/ü+%2F"}, 0, "rook-1 rook-2 rook-4"},
		{object.Key{Bucket: "p", Name: "roductsa"}, 0, "rook-0 rook-2 rook-4"},
		{object.Key{Bucket: "big", Name: "disk.img"}, 160, "rook-1 rook-2 rook-0"},
	} {
		if got := strings.Join(s.Owners(c.key, c.extent), " "); got != c.want {
			t.Errorf("%v extent %d: %q, want %q", c.key, c.extent, got, c.want)
		}
	}
	const wantDigest uint64 = 0x84878f8f18934135
	if got := s.Digest(); got != wantDigest {
		t.Errorf("digest %#x, want %#x", got, wantDigest)
	}
}

func TestOrderAndRepetitionDoNotMatter(t *testing.T) {
	members := names(7)
	want := Build(members)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffled := append(slices.Clone(members), members[random.IntN(7)], "", members[random.IntN(7)])
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		input := slices.Clone(shuffled)
		got := Build(shuffled)
		if !slices.Equal(got.table, want.table) || got.Digest() != want.Digest() || !slices.Equal(got.Members(), want.Members()) {
			t.Fatalf("members in the order %q give another ring", input)
		}
		if !slices.Equal(shuffled, input) {
			t.Fatal("Build changed its argument")
		}
	}
}

func TestFewMembers(t *testing.T) {
	for n := range 5 {
		s := Build(names(n))
		for i := range 200 {
			owners := s.Owners(testKey(i), int64(i%3))
			if len(owners) != min(n, Candidates) {
				t.Fatalf("%d members: owners %q", n, owners)
			}
			distinct := slices.Compact(slices.Sorted(slices.Values(owners)))
			if len(distinct) != len(owners) {
				t.Fatalf("%d members: the same candidate twice: %q", n, owners)
			}
		}
	}
}

func TestDigestTellsMembershipsApart(t *testing.T) {
	seen := map[uint64][]string{}
	for _, members := range [][]string{nil, {"a"}, {"b"}, {"ab"}, {"a", "b"}, {"a", "bc"}, {"ab", "c"}, {"a", "b", "c"}} {
		d := Build(members).Digest()
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", members, other)
		}
		seen[d] = members
	}
	if Build(nil).Digest() != 0 {
		t.Error("the empty ring's digest is not 0")
	}
}

// The successors come from the library's circle, of which it shows only the
// owners. Where no load bound is in the way, the walk must find those first.
func TestWalkFollowsTheLibrarysCircle(t *testing.T) {
	members := names(8)
	unbounded := library(members, float64(len(members)))
	points := circle(members)
	for p := range partitions {
		if got, want := points[place(points, p)].member, unbounded.GetPartitionOwner(p).String(); got != want {
			t.Fatalf("partition %d: the walk begins at %s, the library at %s", p, got, want)
		}
	}
}

func TestBalance(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8, 13, 20, 40, 100} {
		s := Build(names(n))
		partitionsOf := map[string]int{}
		for p := range partitions {
			partitionsOf[s.candidatesOf(p)[0]]++
		}
		bound := int(load*float64(partitions)/float64(n)) + 1
		most := 0
		for _, m := range s.Members() {
			most = max(most, partitionsOf[m])
		}
		if most > bound || len(partitionsOf) != n {
			t.Errorf("%d members: the fullest of %d has %d partitions, the bound is %d", n, len(partitionsOf), most, bound)
		}
		t.Logf("%3d members: fullest / average = %.3f", n, float64(most)*float64(n)/partitions)
	}
}

// churn counts, over the removal of each member in turn, how many partitions
// lost their owner, how many have another one afterwards, and for how many of
// these that is their old first successor.
func churn(members []string) (lost, moved, toFirst, toSecond int) {
	before := Build(members)
	for _, gone := range members {
		after := Build(without(members, gone))
		for p := range partitions {
			old, now := before.candidatesOf(p), after.candidatesOf(p)
			if old[0] == gone {
				lost++
			}
			if old[0] == now[0] {
				continue
			}
			moved++
			if old[1] == now[0] {
				toFirst++
				if old[2] == now[1] {
					toSecond++
				}
			}
		}
	}
	return lost, moved, toFirst, toSecond
}

// What leaves goes to the first successor and hardly anything else moves. Read
// backwards the same numbers say that after a join the first successor of what
// moved is its old owner, who still has the bytes.
func TestLeavingMemberIsReplacedByItsFirstSuccessor(t *testing.T) {
	for _, c := range []struct {
		members           int
		movedAtMost       float64 // of what was lost
		toFirst, toSecond float64 // at least, of what moved
	}{
		{3, 1, 1, 1}, {5, 1, 1, 1}, {10, 1, 1, 1}, {20, 1.001, 0.999, 0.999},
	} {
		lost, moved, toFirst, toSecond := churn(names(c.members))
		movedShare := float64(moved) / float64(lost)
		first, second := float64(toFirst)/float64(moved), float64(toSecond)/float64(moved)
		t.Logf("%2d members: moved %.4f of what was lost, %.4f of it to the first successor, %.4f with the second as its next",
			c.members, movedShare, first, second)
		if movedShare > c.movedAtMost || first < c.toFirst || second < c.toSecond {
			t.Errorf("%d members: worse than %v", c.members, c)
		}
	}
}

func TestKeysAndExtentsSpread(t *testing.T) {
	s := Build(names(4))
	byKey, byExtent := map[string]int{}, map[string]int{}
	const n = 40_000
	for i := range n {
		byKey[s.Owners(testKey(i), 0)[0]]++
		byExtent[s.Owners(testKey(0), int64(i))[0]]++
	}
	for _, counts := range []map[string]int{byKey, byExtent} {
		for m, count := range counts {
			if share := float64(count) * 4 / n; share > load*1.03 || share < 0.7 {
				t.Errorf("%s owns %.2f of the average", m, share)
			}
		}
	}
}

func TestZeroRing(t *testing.T) {
	var r Ring
	if owners := r.Load().Owners(testKey(1), 0); owners != nil {
		t.Errorf("owners without members: %q", owners)
	}
	s := Build(names(3))
	r.Store(s)
	if r.Load() != s {
		t.Error("Load gives another snapshot than was stored")
	}
}

func TestTheRingBefore(t *testing.T) {
	var r Ring
	if owners := r.Previous().Owners(testKey(1), 0); owners != nil {
		t.Errorf("owners before there was a ring: %q", owners)
	}
	first, second := Build(names(3)), Build(names(4))
	r.Store(first)
	r.Store(second)
	if r.Load() != second || r.Previous() != first {
		t.Error("the ring before is not the one that was stored before")
	}
}

func TestOwnersDoesNotAllocate(t *testing.T) {
	s := Build(names(9))
	key := testKey(7)
	if n := testing.AllocsPerRun(1000, func() { s.Owners(key, 3) }); n != 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}

func BenchmarkOwners(b *testing.B) {
	s := Build(names(9))
	key := testKey(7)
	b.ReportAllocs()
	for b.Loop() {
		s.Owners(key, 3)
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{3, 20, 100, 1000} {
		members := names(n)
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			for b.Loop() {
				Build(members)
			}
		})
	}
}
