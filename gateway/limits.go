package gateway

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"rookery/auth"
	"rookery/limit"
	"rookery/object"
)

// limited is what of a bucket, or of the node, lives on over a change of policy that
// leaves its rates as they are: nobody gets a new allowance by a reload.
type limited struct {
	rates    limit.Rates
	limiter  *limit.Limiter
	underWay *atomic.Int64
}

// limitsOf returns those of a policy that is to follow this one, by bucket, and the
// node's under "".
func (p *policy) limitsOf(next *Policy, now time.Time) map[string]limited {
	all := map[string]limited{"": p.limitOf("", next.Rates, now)}
	for i := range next.Routes {
		r := &next.Routes[i]
		all[r.Bucket] = p.limitOf(r.Bucket, r.Rates, now)
	}
	return all
}

func (p *policy) limitOf(bucket string, rates limit.Rates, now time.Time) limited {
	next := limited{rates: rates, underWay: new(atomic.Int64)}
	if p == nil {
		next.limiter = limit.New(rates, now)
		return next
	}
	former, known := p.limits[bucket]
	if known {
		next.underWay = former.underWay
	}
	if known && former.rates == rates {
		next.limiter = former.limiter
	} else {
		next.limiter = limit.New(rates, now)
	}
	return next
}

// toll is what a request has been counted in, and so what its bytes are.
type toll struct {
	node, bucket *limit.Limiter
	underWay     *atomic.Int64 // nil where the bucket counts nobody
	from         netip.Addr
	who          limit.Who
	owed         int64 // bytes that were charged
}

// admitToBucket counts a request once its bucket is known, before it is authorised.
func (c *Core) admitToBucket(b *route, a *Answer) error {
	if b == nil {
		return nil
	}
	a.toll.bucket = b.limiter
	if err := c.tooMany("bucket_", b.limiter.Arrive(a.started, a.toll.from)); err != nil {
		return err
	}
	if b.MaxRequests == 0 {
		return nil
	}
	a.toll.underWay = b.underWay
	if b.underWay.Add(1) > int64(b.MaxRequests) {
		c.limitHit("bucket_concurrent_requests")
		return fmt.Errorf("%d requests of bucket %s are under way: %w", b.MaxRequests, b.bucket, object.ErrBusy)
	}
	return nil
}

// identified counts a request once it is known whose it is.
func (c *Core) identified(a *Answer, who *auth.Identity) error {
	t := &a.toll
	if who.Anonymous() || t.node == nil && t.bucket == nil {
		return nil
	}
	t.who = limit.Who{Scheme: who.Scheme, Issuer: who.Issuer, Subject: who.Subject}
	if err := c.tooMany("", t.node.Identified(a.started, t.who)); err != nil {
		return err
	}
	return c.tooMany("bucket_", t.bucket.Identified(a.started, t.who))
}

// charge counts the bytes that are to be sent, before the first of them goes out, so
// that many requests at once cannot have more than one after the other. A refusal for
// a limit costs nothing: who comes too soon is not kept out for longer.
func (a *Answer) charge() {
	if a.Status != slowDown.status {
		a.toll.owed = a.length
		a.toll.charge(a.started, a.length)
	}
}

func (t *toll) charge(now time.Time, bytes int64) {
	t.node.Charge(now, t.from, t.who, bytes)
	t.bucket.Charge(now, t.from, t.who, bytes)
}

// leave gives back what the request held while it was under way, and the bytes that
// did not go out.
func (a *Answer) leave(sent int64) {
	if a.toll.underWay != nil {
		a.toll.underWay.Add(-1)
	}
	if a.toll.owed > 0 {
		a.toll.charge(a.started, sent-a.toll.owed)
	}
}

// tooMany turns a refusal into its answer: 429 with S3's code for it, by which SDKs
// know that they may come again, and when.
func (c *Core) tooMany(prefix string, r *limit.Refusal) error {
	if r == nil {
		return nil
	}
	c.limitHit(prefix + r.Name())
	p := *slowDown
	p.retryAfter = int((r.After + time.Second - 1) / time.Second)
	return &p
}

func (c *Core) limitHit(name string) {
	c.metrics.GetOrCreateCounter(fmt.Sprintf("rookery_limits_hit_total{limit=%q}", name)).Inc()
}
