package admin

import (
	"net/http"

	"rookery/object"
)

// Cluster is the answer of GET /admin/cluster: the members as this node sees
// them.
type Cluster struct {
	Members []Member `json:"members"`
	// Fingerprint is this node's ring scheme. Nodes whose schemes differ do not
	// read from each other.
	Fingerprint string `json:"fingerprint"`
	// Generation counts the configurations that this node has had.
	Generation uint64 `json:"generation,omitempty"`
	// Council and Lease are filled in from Options.Council and Options.LeaseEnd.
	Council CouncilView `json:"council"`
	Lease   Lease       `json:"lease"`
}

// Member is one node of the cluster.
type Member struct {
	Name        string `json:"name"`
	State       string `json:"state"` // joining, ready, draining or failed
	Zone        string `json:"zone"`
	PeerAddress string `json:"peer_address"`
	Version     string `json:"version"`
	// Unfit says why the answering node does not read from this member.
	Unfit string `json:"unfit,omitempty"`
}

// Ring is the answer of GET /admin/ring: who owns one extent of a key.
type Ring struct {
	Key        string   `json:"key"`
	Extent     int64    `json:"extent"`
	Owner      string   `json:"owner"` // empty when no node is ready
	Successors []string `json:"successors"`
}

func (h *handler) cluster(w http.ResponseWriter, _ *http.Request) {
	v := h.Cluster()
	v.Members = listed(v.Members)
	v.Council, v.Lease = h.councilView(), h.lease()
	writeJSON(w, http.StatusOK, v)
}

func (h *handler) ring(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.RawQuery)
	key, offset := q.key(h.Settings().buckets), q.offset()
	if q.err != nil {
		writeError(w, http.StatusBadRequest, codeBadRequest, q.err.Error())
		return
	}
	v := Ring{Key: key.String(), Extent: object.ExtentOf(offset), Successors: []string{}}
	if owners := h.Owners(key, v.Extent); len(owners) > 0 {
		v.Owner, v.Successors = owners[0], owners[1:]
	}
	writeJSON(w, http.StatusOK, v)
}
