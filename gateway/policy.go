package gateway

import (
	"fmt"

	"rookery/auth"
	"rookery/limit"
)

// Policy is what a reload replaces, at once and entirely. A request keeps to the
// policy that it began with.
type Policy struct {
	Routes []Route
	// Domain turns on virtual-host style: <bucket>.<Domain> selects the bucket.
	Domain string
	// MaxRequests bounds the requests under way; further ones are answered with
	// 503 at once. Probes are always answered. 0: no bound.
	MaxRequests int
	// Rates are what clients may ask of the node; probes may always.
	Rates limit.Rates
}

// Route is how clients reach one bucket, who may, and what they may do. Besides its
// prefix a bucket is reached in S3's path style, as /<Bucket>/<key>, and, where
// Policy.Domain is set, in virtual-host style.
type Route struct {
	// Bucket is the bucket's name as it stands in object.Key.
	Bucket string
	// PathPrefix, decoded, begins with "/". "/" takes every path that nothing
	// longer takes; "" is no prefix at all.
	PathPrefix string
	// Guard is asked before anything is looked up; nil lets everybody read.
	Guard *auth.Guard
	// ClientCacheControl: what a request's Cache-Control asks of the cache is done.
	ClientCacheControl bool
	// MaxRequests bounds the bucket's requests under way, as Policy.MaxRequests does.
	MaxRequests int
	// Rates are what clients may ask of the bucket, beside the node's.
	Rates limit.Rates
}

// policy is a Policy made ready. Immutable.
type policy struct {
	routes      *routes
	maxRequests int64
	limiter     *limit.Limiter
}

// SetPolicy replaces the policy, entirely or, with an error, not at all. It fails when
// two routes claim the same path or host.
func (c *Core) SetPolicy(p Policy) error {
	routes, err := newRoutes(p.Routes, p.Domain, c.metrics)
	if err != nil {
		return fmt.Errorf("gateway routes: %w", err)
	}
	for _, r := range routes.byHost {
		r.limited = c.limited.of(r.Bucket, r.Rates, c.now())
	}
	c.policy.Store(&policy{routes: routes, maxRequests: int64(p.MaxRequests), limiter: c.limited.of("", p.Rates, c.now()).limiter})
	return nil
}
