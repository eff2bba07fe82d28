// Package admin is what operators see of a node: health, readiness, metrics,
// the cluster, the ring, what the cache holds, and purging it. It is an
// http.Handler for a listener of its own, never for the port that clients reach.
//
// It owns the paths, the shapes of the JSON and the rule that everything but
// health, readiness and metrics wants the admin token. It refuses to know where
// its figures come from: the wiring hands it functions. It keeps no state but the
// events of S3 that it has seen lately or has in hand, it never tells a caller without the token
// what the cache holds, and no mistake in a request makes a purge wider.
package admin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

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
	// Settings gives Token, Buckets and Origins as they are now; nil where they do
	// not change.
	Settings func() *Settings

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
	// Origins has the configured buckets by the names of the buckets at S3 whose
	// objects they show, their replicas among them.
	Origins map[string][]string
	// Council keeps the purges; nil where the node has none.
	Council Council
	// LeaseEnd returns when the node's lease ends or has ended, zero if it holds
	// none; nil is never.
	LeaseEnd func() time.Time
	// Reload takes the configuration anew; nil where that is not possible.
	Reload func(context.Context) (Reloaded, error)
	// Drain begins to end the node as SIGTERM does, and returns at once; nil where
	// that is not possible.
	Drain func()

	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger
	Metrics *metrics.Set // nil: not counted where anybody could see it
}

// New returns the admin listener's handler. It starts nothing and is safe for
// concurrent use.
func New(opts Options) http.Handler {
	h := &handler{
		Options:  opts,
		gatherer: newGatherer(opts.Council), met: newEventMeter(opts.Metrics),
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Settings == nil {
		all := NewSettings(opts.Token, opts.Buckets, opts.Origins)
		h.Settings = func() *Settings { return all }
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
		{path: purgePath, post: true, serve: h.purge},
		{path: purgePath + "/", deep: true, post: true, serve: h.purgeShort},
		{path: purgesPath, deep: true, serve: h.progress},
		{path: eventsPath, post: true, basic: true, serve: h.events},
		{path: "/admin/forget", post: true, serve: h.forget},
		{path: "/admin/council/new", post: true, serve: h.found},
		{path: "/admin/reload", post: true, serve: h.reload},
		{path: "/admin/drain", post: true, serve: h.drain},
	}
	return h
}

type handler struct {
	Options
	endpoints []endpoint
	gatherer  *gatherer
	seen      seen
	met       eventMeter
}

// endpoint is one path. A path that ends in a slash takes one more segment, and
// all that follows where it is deep.
type endpoint struct {
	path  string
	deep  bool
	open  bool // needs no token
	basic bool // takes it as a password, too
	post  bool // answers POST; else it only reads, and answers GET and HEAD
	serve func(http.ResponseWriter, *http.Request)
}

func (e *endpoint) matches(path string) bool {
	tail, ok := strings.CutPrefix(path, e.path)
	if !ok || !strings.HasSuffix(e.path, "/") {
		return path == e.path
	}
	return tail != "" && (e.deep || !strings.Contains(tail, "/"))
}

// allows reports whether the endpoint answers a method, and names those that it
// answers.
func (e *endpoint) allows(method string) (ok bool, methods string) {
	if e.post {
		return method == http.MethodPost, http.MethodPost
	}
	return method == http.MethodGet || method == http.MethodHead, "GET, HEAD"
}

// ServeHTTP matches paths byte for byte. http.ServeMux would clean them and
// redirect, where a path that is not exactly one of ours is simply not there.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	for i := range h.endpoints {
		if h.endpoints[i].matches(r.URL.Path) {
			h.serve(&h.endpoints[i], w, r)
			return
		}
	}
	writeError(w, http.StatusNotFound, codeNotFound, "no such path on the admin listener: "+r.URL.Path)
}

func (h *handler) serve(e *endpoint, w http.ResponseWriter, r *http.Request) {
	if !e.open && !h.admit(e, w, r) {
		return
	}
	if ok, methods := e.allows(r.Method); !ok {
		w.Header().Set("Allow", methods)
		writeError(w, http.StatusMethodNotAllowed, codeMethodNotAllowed,
			e.path+" answers "+strings.ReplaceAll(methods, ", ", " and ")+", not "+r.Method)
		return
	}
	e.serve(w, r)
}
