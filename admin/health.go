package admin

import "net/http"

// HealthState is one word on how a node does.
type HealthState string

// The health states. Both are answered with 200: a node whose disk is full or
// failing passes bytes through, and restarting it would only lose what it has
// in memory.
const (
	HealthOK       HealthState = "ok"
	HealthDegraded HealthState = "degraded"
)

// Health is the answer of GET /health: the process lives, and how well.
type Health struct {
	State   HealthState `json:"state"`
	Reasons []string    `json:"reasons"` // why it is degraded
	Node    string      `json:"node"`
	Version string      `json:"version"`
}

// Ready is the answer of GET /ready: may this node serve clients? It is 503 as
// long as it may not.
type Ready struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"` // what it still waits for
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	v := h.Health()
	v.Reasons = listed(v.Reasons)
	writeJSON(w, http.StatusOK, v)
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	v := h.Ready()
	v.Reasons = listed(v.Reasons)
	status := http.StatusOK
	if !v.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, v)
}

func (h *handler) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.WriteMetrics(w)
}

// listed makes an empty list what it is in JSON: [], not null.
func listed[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
