package admin

import (
	"net/http"
	"net/http/pprof"
	"strings"
)

const profilesPath = "/admin/debug/pprof/"

// profiles answers as net/http/pprof does: with a profile of the CPU or a trace while
// ?seconds= go by, or with one of runtime/pprof's by its name.
func profiles(w http.ResponseWriter, r *http.Request) {
	switch name := strings.TrimPrefix(r.URL.Path, profilesPath); name {
	case "profile":
		pprof.Profile(w, r)
	case "trace":
		pprof.Trace(w, r)
	case "allocs", "block", "goroutine", "heap", "mutex", "threadcreate":
		pprof.Handler(name).ServeHTTP(w, r)
	default:
		writeError(w, http.StatusNotFound, codeNotFound, "no such profile: allocs, block, goroutine, heap, mutex, profile, threadcreate and trace are there")
	}
}
