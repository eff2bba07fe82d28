package gateway

import (
	"fmt"
	"log/slog"

	"rookery/auth"
)

// Policy is what a reload replaces, at once and entirely. A request keeps to the
// policy that it began with.
type Policy struct {
	Routes []Route
	// Reader answers the requests of this policy, and so with the buckets that its
	// guards have been made for; nil is Options.Reader.
	Reader Reader
	// NoAccessLog: Options.AccessLog gets nothing.
	NoAccessLog bool
	// Domain turns on virtual-host style: <bucket>.<Domain> selects the bucket.
	Domain string
	// MaxRequests bounds the requests under way; further ones are answered with
	// 503 at once. Probes are always answered. 0: no bound.
	MaxRequests int
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
	// Region is where S3 has the bucket, for clients that ask; "" is us-east-1.
	Region string
	// Guard is asked before anything is looked up; nil lets everybody read.
	Guard *auth.Guard
	// ClientCacheControl: what a request's Cache-Control asks of the cache is done.
	ClientCacheControl bool
	// CORS are the rules by which pages of other origins may read; none: they may not.
	CORS []CORSRule
}

// policy is a Policy made ready. Immutable.
type policy struct {
	routes      *routes
	reader      Reader
	accessLog   *slog.Logger // nil for none
	maxRequests int64
}

// Prepared is a Policy that can be put into use.
type Prepared struct{ policy *policy }

// SetPolicy replaces the policy, entirely or, with an error, not at all. It fails as
// Prepare does.
func (c *Core) SetPolicy(p Policy) error {
	made, err := c.Prepare(p)
	if err == nil {
		c.Use(made)
	}
	return err
}

// Use puts a policy into the place of the former.
func (c *Core) Use(p Prepared) { c.policy.Store(p.policy) }

// Prepare makes ready what Use puts into use, and changes nothing. It fails when two
// routes claim the same path or host.
func (c *Core) Prepare(p Policy) (Prepared, error) {
	routes, err := newRoutes(p.Routes, p.Domain, c.metrics)
	if err != nil {
		return Prepared{}, fmt.Errorf("gateway routes: %w", err)
	}
	made := &policy{routes: routes, reader: p.Reader, maxRequests: int64(p.MaxRequests)}
	if made.reader == nil {
		made.reader = c.reader
	}
	if !p.NoAccessLog {
		made.accessLog = c.accessLog
	}
	return Prepared{made}, nil
}
