package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"rookery/node"
	"rookery/object"
)

// looks is how many configurations a host may have. All of its buckets show the same
// objects in each, and are kept, asked for and believed otherwise.
const looks = 6

// buckets are those of the host's configuration. struck is held, or nobody knows the host yet.
func (h *host) buckets() map[string]node.Bucket {
	way := func() *origin { return &origin{things: h.world.things, host: h} } // with other credentials, say
	return map[string]node.Bucket{
		longBucket: {
			Origin: way(), Place: uint64(h.look % 2), TagHeaders: []string{tagHeader}, Lists: time.Duration(h.look%3) * time.Hour,
			Freshness: object.Freshness{Default: 24 * time.Hour, StaleIfError: 24 * time.Hour, NotFound: time.Hour},
		},
		shortBucket: {
			Origin: way(), Place: 7, TagHeaders: []string{tagHeader}, Lists: time.Minute,
			Freshness: object.Freshness{
				Default: time.Duration(1+h.look) * time.Second, StaleWhileRevalidate: 2 * time.Second, StaleIfError: time.Hour, NotFound: time.Second,
			},
		},
	}
}

// reload gives one host, or each, another configuration, or one that it has had before.
func reload(w *world, _ context.Context, r *rand.Rand) {
	w.noted("reload")
	to, everywhere := r.IntN(looks), r.IntN(3) == 0
	for _, name := range hostNames {
		if everywhere || r.IntN(2) == 0 {
			w.hosts[name].reload(to)
		}
	}
}

// reload changes the configuration, unless something happens to the host at present.
func (h *host) reload(to int) {
	if !h.struck.TryLock() {
		return
	}
	defer h.struck.Unlock()
	h.look = to
	if i := h.running(); i != nil {
		h.world.told(fmt.Sprintf("%s has its configuration %d", h.name, to))
		i.node.Use(i.node.Prepare(h.buckets()))
	}
}
