// Package admin is what operators see of a node: health, readiness, metrics,
// the cluster, the ring, and what the cache holds. It is an http.Handler for a
// listener of its own, never for the port that clients reach.
//
// It owns the paths, the shapes of the JSON and the rule that everything but
// health, readiness and metrics wants the admin token. It refuses to know where
// its figures come from: the wiring hands it functions. It keeps no state, and
// it never tells a caller without the token what the cache holds.
package admin

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"rookery/object"
)

// Options is what the listener needs of its node. Every function but Now must
// be given, must be safe for concurrent use, and should answer at once: it is
// called within the request.
type Options struct {
	// Token is the bearer token of everything under /admin/. Without one these
	// paths answer 403 and say how to configure it.
	Token string
	// Buckets names the configured buckets; other names are refused.
	Buckets []string

	Health       func() Health
	Ready        func() Ready
	WriteMetrics func(io.Writer) // the Prometheus text format, version 0.0.4
	Cluster      func() Cluster
	// Owners returns the owner of an extent of the key, then its successors in
	// order; nothing when the ring is empty. The result is not modified.
	Owners func(key object.Key, extent int64) []string
	Stats  func() Stats
	// Held returns what this node holds of a key, and whether it holds anything.
	Held func(key object.Key) (Held, bool)

	Now func() time.Time // nil is time.Now
	Log *slog.Logger
}

// New returns the admin listener's handler. It starts nothing and is safe for
// concurrent use.
func New(opts Options) http.Handler {
	h := &handler{Options: opts, guard: newGuard(opts.Token), buckets: make(map[string]bool, len(opts.Buckets))}
	if h.Now == nil {
		h.Now = time.Now
	}
	for _, b := range opts.Buckets {
		h.buckets[b] = true
	}
	h.endpoints = []endpoint{
		{path: "/health", open: true, serve: h.health},
		{path: "/ready", open: true, serve: h.ready},
		{path: "/metrics", open: true, serve: h.metrics},
		{path: "/admin/cluster", serve: h.cluster},
		{path: "/admin/ring", serve: h.ring},
		{path: "/admin/cache/stats", serve: h.stats},
		{path: "/admin/cache/stats/", serve: h.bucketStats},
		{path: "/admin/cache/info", serve: h.info},
	}
	return h
}

type handler struct {
	Options
	guard     guard
	buckets   map[string]bool
	endpoints []endpoint
}

// endpoint is one path. A path that ends in a slash takes one more segment.
// All of them only read, so all of them answer GET and HEAD.
type endpoint struct {
	path  string
	open  bool // needs no token
	serve func(http.ResponseWriter, *http.Request)
}

func (e endpoint) matches(path string) bool {
	tail, ok := strings.CutPrefix(path, e.path)
	if !ok || !strings.HasSuffix(e.path, "/") {
		return path == e.path
	}
	return tail != "" && !strings.Contains(tail, "/")
}

// ServeHTTP matches paths byte for byte. http.ServeMux would clean them and
// redirect, where a path that is not exactly one of ours is simply not there.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	for _, e := range h.endpoints {
		if e.matches(r.URL.Path) {
			h.serve(e, w, r)
			return
		}
	}
	writeError(w, http.StatusNotFound, codeNotFound, "no such path on the admin listener: "+r.URL.Path)
}

func (h *handler) serve(e endpoint, w http.ResponseWriter, r *http.Request) {
	if !e.open && !h.admit(w, r) {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, http.StatusMethodNotAllowed, codeMethodNotAllowed, e.path+" answers GET and HEAD, not "+r.Method)
		return
	}
	e.serve(w, r)
}
