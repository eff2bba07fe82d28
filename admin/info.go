package admin

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"time"

	"rookery/object"
)

const (
	// maxChunksExamined bounds the index lookups of one request; it is the first
	// 64 GiB of an object.
	maxChunksExamined = 1 << 16
	// maxOwnersListed bounds the extents whose owners are told at once;
	// /admin/ring?offset= tells the others.
	maxOwnersListed = 8
)

// Held is what one node holds of one object.
type Held struct {
	Info  object.Info
	Fresh time.Duration // freshness lifetime, counted from Info.Validated
	Hot   bool          // the whole object is in the hot set
	// HasChunk reports whether this node's disk holds a chunk of Info's version.
	HasChunk func(chunk int64) bool
}

// Info is the answer of GET /admin/cache/info: what the answering node holds of
// one object and who owns it. Another node may hold something else.
type Info struct {
	Key          string              `json:"key"`
	SizeBytes    int64               `json:"size_bytes"`
	ETag         string              `json:"etag"`
	LastModified *time.Time          `json:"last_modified"` // null if the origin gave none
	Version      string              `json:"version"`       // hex; names these bytes
	Validated    time.Time           `json:"validated"`     // when S3 last confirmed the info
	TTLSeconds   int64               `json:"ttl_seconds"`   // negative when stale
	Headers      map[string][]string `json:"headers"`
	Hot          bool                `json:"hot"`
	Chunks       Chunks              `json:"chunks"`
	Extents      int64               `json:"extents"`
	Owners       []ExtentOwner       `json:"owners"` // of the first extents
}

// Chunks says which 1 MiB chunks of an object are on the answering node's disk.
type Chunks struct {
	Total int64 `json:"total"`
	// Examined is how many were looked for, from the first on: Total, but of a
	// very large object.
	Examined int64      `json:"examined"`
	Held     int64      `json:"held"`
	Ranges   [][2]int64 `json:"ranges"` // first and last number of each run
}

// ExtentOwner names the owner of one extent.
type ExtentOwner struct {
	Extent int64  `json:"extent"`
	Owner  string `json:"owner"`
}

func (h *handler) info(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.RawQuery)
	key := q.key(h.Settings().buckets)
	if q.err != nil {
		writeError(w, http.StatusBadRequest, codeBadRequest, q.err.Error())
		return
	}
	held, ok := h.Held(key)
	if !ok {
		message := fmt.Sprintf("this node holds nothing of %s", key)
		if owner := h.owner(key, 0); owner != "" {
			message += "; its owner is " + owner
		}
		writeError(w, http.StatusNotFound, codeNotHeld, message)
		return
	}
	writeJSON(w, http.StatusOK, h.describe(key, &held))
}

func (h *handler) describe(key object.Key, held *Held) Info {
	info := &held.Info
	v := Info{
		Key:       key.String(),
		SizeBytes: info.Size, ETag: info.ETag, Version: hex.EncodeToString(info.Version[:]),
		Validated: info.Validated.UTC(), TTLSeconds: ttlSeconds(info.Validated.Add(held.Fresh).Sub(h.Now())),
		Headers: make(map[string][]string, len(info.Header)),
		Hot:     held.Hot, Chunks: heldChunks(info.Size, held.HasChunk),
		Extents: object.ExtentOf(max(0, info.Size-1)) + 1, // an empty object has an owner, too
	}
	if !info.LastModified.IsZero() {
		t := info.LastModified.UTC()
		v.LastModified = &t
	}
	for _, f := range info.Header {
		v.Headers[f.Name] = append(v.Headers[f.Name], f.Value)
	}
	for extent := range min(v.Extents, maxOwnersListed) {
		v.Owners = append(v.Owners, ExtentOwner{Extent: extent, Owner: h.owner(key, extent)})
	}
	return v
}

func (h *handler) owner(key object.Key, extent int64) string {
	if owners := h.Owners(key, extent); len(owners) > 0 {
		return owners[0]
	}
	return ""
}

// ttlSeconds rounds down, so that it is negative exactly when ttl is.
func ttlSeconds(ttl time.Duration) int64 { return int64(math.Floor(ttl.Seconds())) }

// heldChunks looks for the chunks of a body of size bytes and joins neighbours.
func heldChunks(size int64, has func(int64) bool) Chunks {
	total := object.Chunks(size)
	c := Chunks{Total: total, Examined: min(total, maxChunksExamined), Ranges: [][2]int64{}}
	for n := range c.Examined {
		if !has(n) {
			continue
		}
		c.Held++
		if last := len(c.Ranges) - 1; last >= 0 && c.Ranges[last][1] == n-1 {
			c.Ranges[last][1] = n
		} else {
			c.Ranges = append(c.Ranges, [2]int64{n, n})
		}
	}
	return c
}
