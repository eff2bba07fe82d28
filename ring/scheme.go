package ring

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/zeebo/xxh3"

	"rookery/object"
)

// The placement scheme: consistent hashing with bounded loads, as
// buraksezer/consistent v1.0.0 has it: the tests compare every owner with the
// library's. The library itself sorts the whole circle again for each member that
// it is given, so a ring of 100 members took 126 ms and one of 1,000 took 20 s;
// and it shows owners alone, not who follows them on the circle.
//
// Every number is part of Fingerprint: two nodes that differ in one would
// disagree about owners.
const (
	// partitions is prime, as the library asks, and gives each of 40 members a
	// hundred partitions.
	partitions = 4093
	// load bounds a member's partitions to this multiple of the average.
	load = 1.25
	// replication is the number of points each member has on the circle. With
	// 20 (the library's default) the load bound is hit already at 5 members,
	// and then a leaving member moves partitions of others too: measured over
	// 20 members, 1.07 times what was lost, and 1.9 % of that past its first
	// successor. With 256 it is 1.0005 times, and less than 0.1 % goes past the
	// first successor; up to 10 members exactly what was lost moves, and all of
	// it to the first successor. More points only make building slower.
	replication = 256
)

// hasherID names the hash of names, of partitions and of keys, and the form of
// what goes into it (object.Key's canonical bytes and the extent).
const hasherID = "xxh3/1"

// Fingerprint names the scheme that decides owners: partitions, load bound,
// replication, hasher, and the sizes in bytes of a chunk and in chunks of an
// extent. It travels in gossip and in handshakes; nodes whose fingerprints
// differ do not read from each other. At most 64 bytes.
func Fingerprint() string {
	return fmt.Sprintf("ring1:p%d:l%s:r%d:%s:c%d:e%d", partitions,
		strconv.FormatFloat(load, 'f', -1, 64), replication, hasherID, object.ChunkBytes, object.ExtentChunks)
}

// point is one of a member's places on the circle.
type point struct {
	hash   uint64
	member string
}

// circle returns the points of all members in order. They are the library's
// (consistent v1.0.0, replicaKey).
func circle(members []string) []point {
	points := make([]point, 0, len(members)*replication)
	for _, m := range members {
		for i := range replication {
			points = append(points, point{hash: xxh3.HashString(strconv.Itoa(i) + ":" + m), member: m})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.hash, b.hash) })
	return points
}

// place returns where on the circle a partition begins to look for its owner
// (consistent v1.0.0, distributePartitions).
func place(points []point, partition int) int {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(partition))
	hash := xxh3.Hash(b[:])
	i := sort.Search(len(points), func(i int) bool { return points[i].hash >= hash })
	return i % len(points)
}

// assign returns each partition's candidates, one partition after the other: its
// owner, and then the members that follow it on the circle. Those are the ones
// that would own it if the owner, and then the first successor, were not there,
// as long as no load bound is hit. There is always a member with room left: all
// together have room for load times the partitions, or more.
func assign(members []string, candidates int) []string {
	points := circle(members)
	room := int(math.Ceil(float64(partitions) / float64(len(members)) * load))
	owned := make(map[string]int, len(members))
	table := make([]string, 0, partitions*candidates)
	for p := range partitions {
		start, at := len(table), place(points, p)
		for owned[points[at].member] == room {
			at = (at + 1) % len(points)
		}
		owned[points[at].member]++
		table = append(table, points[at].member)
		for at := place(points, p); len(table)-start < candidates; at = (at + 1) % len(points) {
			if m := points[at].member; !slices.Contains(table[start:], m) {
				table = append(table, m)
			}
		}
	}
	return table
}
