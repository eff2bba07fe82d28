package origin

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"rookery/object"
)

const (
	// failoverAfter is how long a replica may be silent while a healthy one could
	// be asked instead.
	failoverAfter = 2 * time.Second
	// probeEvery is how often a replica that has failed is probed.
	probeEvery = time.Second
	// probeKey is what a probe asks for. It need not exist.
	probeKey = "rookery-health-probe"
)

// ask asks the replicas one after the other, the healthy ones first, until one
// has an answer. Before that none has given a byte. by is the place of the one
// whose answer or error it is.
func ask[T any](ctx context.Context, o *Origin, one func(context.Context, *member) (T, error)) (answer T, by int, err error) {
	order, healthy := o.order()
	by = order[0]
	for n, i := range order {
		m, own := o.members[i], ctx
		hasty := n+1 < healthy
		if hasty {
			own = hurried(ctx, failoverAfter)
		}
		got, failed := one(own, m)
		if failed == nil {
			return got, i, nil
		}
		if hasty && timedOut(failed) {
			m.breaker.trip() // each of the next would wait as long
		}
		if err == nil || errors.Is(err, errOpen) {
			by, err = i, failed
		}
		if len(order) == 1 || !elsewhere(ctx, failed) {
			return answer, i, failed
		}
		if n+1 < len(order) {
			m.count.failovers.Inc()
		}
	}
	return answer, by, o.soon(err)
}

// order returns the places of the members in the order in which they are to be
// asked, and how many of them are healthy: those come first. The rest is asked
// when all of those fail; its breakers decide.
func (o *Origin) order() (order []int, healthy int) {
	order = make([]int, 0, len(o.members))
	var rest []int
	for i, m := range o.members {
		if m.breaker.current() == closed {
			order = append(order, i)
		} else {
			rest = append(rest, i)
		}
	}
	return append(order, rest...), len(order)
}

// elsewhere reports whether another replica may have what one has failed to give.
// A request that found no place here stays ours: it would be told apart there
// from what the first replica has, to spare nobody.
func elsewhere(ctx context.Context, err error) bool {
	return judge(ctx, err) == bad || errors.Is(err, errOpen)
}

func timedOut(err error) bool {
	var refused *object.OriginError
	return errors.As(err, &refused) && refused.Status == http.StatusGatewayTimeout && !refused.Unsent
}

// soon lets a client come back when the probes may have found a replica well, not
// only when a breaker's time is over.
func (o *Origin) soon(err error) error {
	var refused *object.OriginError
	if errors.Is(err, errOpen) && errors.As(err, &refused) {
		refused.RetryAfter = min(refused.RetryAfter, int(2*probeEvery/time.Second))
	}
	return err
}

// behind marks the refusal, or the 304, of a replica that is not the first: it may
// only be behind. That it lacks an object whose version is known from before says nothing
// of the object, and is no 404.
func (o *Origin) behind(by int, err error, pinned bool) error {
	var refused *object.OriginError
	var same *object.NotModified
	switch {
	case by == 0:
		return err
	case errors.As(err, &same):
		same.Replica = true
		return err
	case !errors.As(err, &refused):
		return err
	}
	if pinned && refused.Status == http.StatusNotFound {
		return &object.OriginError{
			Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: "The replica that answers does not have the version.",
		}
	}
	refused.Replica = true
	return err
}

// probe asks every replica that is not healthy, again and again until ctx ends.
func (o *Origin) probe(ctx context.Context) {
	defer close(o.probes)
	var all sync.WaitGroup
	for _, m := range o.members {
		all.Go(func() { m.probe(ctx) })
	}
	all.Wait()
}

func (m *member) probe(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if m.breaker.current() == closed {
			continue
		}
		_, err := m.client.head(hurried(ctx, failoverAfter), probeKind, object.Key{Name: probeKey}, "")
		m.breaker.probed(judge(ctx, err))
	}
}

// patienceKey is where a context says how long the origin may be silent.
type patienceKey struct{}

// hurried bounds the origin's silence, and nothing else, for requests under ctx.
func hurried(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, limit)
}

func patience(ctx context.Context, limit time.Duration) time.Duration {
	if own, ok := ctx.Value(patienceKey{}).(time.Duration); ok {
		return min(own, limit)
	}
	return limit
}
