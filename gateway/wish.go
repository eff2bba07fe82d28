package gateway

import (
	"math"
	"time"

	"rookery/object"
)

// wishOf reads what a request asks of the cache (RFC 9111 §5.2.1); nil if nothing.
// Without a Cache-Control a Pragma of no-cache is one (§5.4). A limit that is no number
// is none.
func wishOf(r *Request) *object.Wish {
	w := object.Wish{MaxAge: object.NoLimit, MaxStale: object.NoLimit}
	none := w
	control := r.list("Cache-Control")
	for name, value := range object.Directives(control) {
		seconds, number := object.DeltaSeconds(value)
		switch {
		case name == "no-cache":
			w.NoCache = true
		case name == "no-store":
			w.NoStore = true
		case name == "only-if-cached":
			w.OnlyIfCached = true
		case name == "max-age" && number:
			w.MaxAge = seconds
		case name == "min-fresh" && number:
			w.MinFresh = seconds
		case name == "max-stale" && number:
			w.MaxStale = seconds
		case name == "max-stale" && value == "":
			w.MaxStale = math.MaxUint32 * time.Second
		}
	}
	if control == "" {
		for name := range object.Directives(r.list("Pragma")) {
			w.NoCache = w.NoCache || name == "no-cache"
		}
	}
	if w == none {
		return nil
	}
	return &w
}
