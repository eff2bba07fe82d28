package origin

import (
	"context"
	"errors"

	"golang.org/x/time/rate"

	"rookery/object"
)

// pace bounds the requests that are sent in a second. One that would wait for
// longer than maxWait is refused. Safe for concurrent use.
type pace struct {
	source
	limiter *rate.Limiter
	count   limitCounters
}

var errTooFast = errors.New("too many requests a second to the origin")

// newPace allows bursts of a second's requests.
func newPace(s source, perSecond int, c limitCounters) *pace {
	return &pace{source: s, limiter: rate.NewLimiter(rate.Limit(perSecond), perSecond), count: c}
}

func (p *pace) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	return p.source.Head(ctx, key, ifNoneMatch)
}

func (p *pace) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	return p.source.Get(ctx, f)
}

func (p *pace) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	return p.source.Query(ctx, q)
}

func (p *pace) wait(ctx context.Context) error {
	if p.limiter.Allow() {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	err := p.limiter.Wait(bounded) // fails at once if it would take too long
	switch {
	case err == nil:
		p.count.waited.Inc()
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	p.count.rejected.Inc()
	return refuse(errTooFast, "SlowDown", "Too many requests to the origin.", maxWait)
}
