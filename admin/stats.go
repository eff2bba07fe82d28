package admin

import (
	"net/http"
	"strings"
)

// Stats is the answer of GET /admin/cache/stats. Counts run since the node
// started; the other figures are of now.
type Stats struct {
	Disk    Disk             `json:"disk"`
	Hot     Hot              `json:"hot"`
	Flights Flights          `json:"flights"`
	Reads   Reads            `json:"reads"`   // of all buckets
	Buckets map[string]Reads `json:"buckets"` // by configured name
}

// Disk is the state of the store's files.
type Disk struct {
	CapacityBytes int64 `json:"capacity_bytes"`
	// UsedBytes counts everything that counts against the capacity, the index
	// and files that are unlinked but still open among it.
	UsedBytes int64 `json:"used_bytes"`
	Segments  int   `json:"segments"`
	// Full: the disk takes no more or fails; bytes pass through unstored.
	Full            bool   `json:"full"`
	Evictions       uint64 `json:"evictions"` // records
	ReclaimedBytes  uint64 `json:"reclaimed_bytes"`
	ReinsertedBytes uint64 `json:"reinserted_bytes"`
	CorruptRecords  uint64 `json:"corrupt_records"`
}

// Hot is the state of the hot set: whole small objects in memory.
type Hot struct {
	CapacityBytes int64 `json:"capacity_bytes"`
	UsedBytes     int64 `json:"used_bytes"`
	Entries       int   `json:"entries"`
}

// Flights is what is being fetched from the origin at the moment.
type Flights struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"` // of memory reserved for them
}

// Reads counts how reads were answered. Hot and Disk are this node's own tiers,
// asked for its clients and for other nodes; Peer is what owners gave it for
// its clients.
type Reads struct {
	Hot  Tier `json:"hot"`
	Disk Tier `json:"disk"`
	Peer Tier `json:"peer"` // a miss: the owner had to ask S3
	// Bypassed answers were not for the cache (no-store, private).
	Bypassed uint64 `json:"bypassed"`
	// Collapsed readers waited for a request to S3 that another had started.
	Collapsed uint64 `json:"collapsed"`
	Origin    Origin `json:"origin"`
}

// Tier counts the lookups in one tier of the cache.
type Tier struct {
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
}

// Origin counts what was asked of S3.
type Origin struct {
	Requests uint64 `json:"requests"`
	Bytes    uint64 `json:"bytes"` // of bodies received
}

// BucketStats is the answer of GET /admin/cache/stats/{bucket}.
type BucketStats struct {
	Bucket string `json:"bucket"`
	Reads  Reads  `json:"reads"`
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) {
	v := h.Stats()
	if v.Buckets == nil {
		v.Buckets = map[string]Reads{}
	}
	writeJSON(w, http.StatusOK, v)
}

func (h *handler) bucketStats(w http.ResponseWriter, r *http.Request) {
	bucket := strings.TrimPrefix(r.URL.Path, "/admin/cache/stats/")
	if !h.Settings().buckets[bucket] {
		writeError(w, http.StatusNotFound, codeNotFound, "no such bucket is configured on this node: "+bucket)
		return
	}
	writeJSON(w, http.StatusOK, BucketStats{Bucket: bucket, Reads: h.Stats().Buckets[bucket]})
}
