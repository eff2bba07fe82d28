package origin

import (
	"context"
	"fmt"

	"rookery/object"
)

// Care is how a bucket's origins are spared. Each of them has a breaker, a limit,
// a pace and a hedge of its own.
type Care struct {
	Breaker           Breaker
	MaxRequests       int // at once; 0 is no limit
	RequestsPerSecond int // 0 is no limit
	Hedge             Hedge
}

// Origin is a bucket's S3 as a node asks it: one or more replicas with all the
// care around them. Safe for concurrent use.
type Origin struct {
	members []*member // by priority
	cancel  context.CancelFunc
	probes  chan struct{} // closed when the last prober has ended
}

// member is one of the S3s that hold a bucket's objects.
type member struct {
	source  // limit, breaker, hedge, pace and client, the outermost first
	name    string
	client  *Client
	breaker *breaker
	hedge   *hedge // nil if it is off
	count   memberCounters
	gauges  gauges
}

// Open makes a bucket's origin of the clients' options, by priority: the first
// is the authority, what the others say may be behind. With more than one, those
// that fail are probed until Close. Like New it asks nothing of S3. Its gauges are not
// among the metrics before Show.
func Open(ctx context.Context, care Care, by ...Options) (*Origin, error) {
	o := &Origin{probes: make(chan struct{})}
	for _, options := range by {
		if len(by) > 1 && options.MaxConns > 0 {
			options.MaxConns++ // for probes
		}
		m, err := newMember(ctx, care, options)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", orElse(options.Replica, primary), err)
		}
		o.members = append(o.members, m)
	}
	var probing context.Context
	probing, o.cancel = context.WithCancel(context.Background())
	if len(by) == 1 {
		close(o.probes)
		return o, nil
	}
	go o.probe(probing)
	return o, nil
}

func newMember(ctx context.Context, care Care, options Options) (*member, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	client, err := New(ctx, options)
	if err != nil {
		return nil, err
	}
	label := newLabels(options)
	m := &member{name: options.Replica, client: client, source: client, count: newMemberCounters(label)}
	limits := newLimitCounters(label)
	if care.RequestsPerSecond > 0 {
		m.source = newPace(m.source, care.RequestsPerSecond, limits)
	}
	var places *limit
	if care.MaxRequests > 0 {
		places = newLimit(nil, care.MaxRequests, options.Now, limits)
	}
	hedges := newHedgeCounters(label) // there, at zero, also where nothing is hedged
	if care.Hedge.Quantile > 0 {
		m.hedge = newHedge(m.source, care.Hedge, places, hedges)
		m.source = m.hedge
	}
	m.breaker = newBreaker(m.source, care.Breaker, options.Now, newBreakerCounters(label))
	m.source = m.breaker
	if places != nil {
		places.source = m.source
		m.source = places
	}
	m.gauges = label.gauges(m.breaker, places)
	return m, nil
}

// Counts returns how many requests have been sent since the origin was opened,
// and how many bytes of bodies have come.
func (o *Origin) Counts() (requests, bytes uint64) {
	for _, m := range o.members {
		r, b := m.client.Counts()
		requests, bytes = requests+r, bytes+b
	}
	return requests, bytes
}

// Healthy reports whether S3 is asked as usual, one replica of it at least: no
// breaker is open there.
func (o *Origin) Healthy() bool {
	_, healthy := o.order()
	return healthy > 0
}

// Show puts the origin's gauges among the metrics, in the place of those of an origin
// before it for the same bucket; that one hides its own first.
func (o *Origin) Show() {
	for _, m := range o.members {
		m.gauges.show()
	}
}

// Hide takes the gauges out of the metrics.
func (o *Origin) Hide() {
	for _, m := range o.members {
		m.gauges.hide()
	}
}

// Close ends the probes, waits for requests that lost a race, and closes idle
// connections. Bodies still open go on. Who began with this origin may still ask it:
// without probes and second requests.
func (o *Origin) Close() {
	o.cancel()
	<-o.probes
	for _, m := range o.members {
		if m.hedge != nil {
			m.hedge.close()
		}
		m.client.Close()
	}
}

// Head is Client.Head at the first replica that answers.
func (o *Origin) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	info, by, err := ask(ctx, o, func(ctx context.Context, m *member) (*object.Info, error) {
		return m.Head(ctx, key, ifNoneMatch)
	})
	if err != nil {
		return nil, o.behind(by, err, false)
	}
	info.Replica = by > 0
	return info, nil
}

// Get is Client.Get at the first replica that answers.
func (o *Origin) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	fetched, by, err := ask(ctx, o, func(ctx context.Context, m *member) (*object.Fetched, error) {
		return m.Get(ctx, f)
	})
	if err != nil {
		return nil, o.behind(by, err, f.IfMatch != "")
	}
	if fetched.Info != nil {
		fetched.Info.Replica = by > 0
	}
	return fetched, nil
}

// Query is Client.Query at the first replica that answers.
func (o *Origin) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	document, by, err := ask(ctx, o, func(ctx context.Context, m *member) (*object.Document, error) {
		return m.Query(ctx, q)
	})
	if err != nil {
		return nil, o.behind(by, err, false)
	}
	document.Replica = by > 0
	return document, nil
}
