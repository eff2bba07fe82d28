package faults

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pollEvery  = 250 * time.Millisecond
	pollWithin = 500 * time.Millisecond
	dialWithin = time.Second
)

// balancer spreads requests over the nodes as one in front of a cluster does:
// round robin over those whose last poll of /ready was 200. A connection that
// does not come about takes the node out and the request to the next one; a
// request that has been sent is never sent again. Where no node is left, all are
// tried.
type balancer struct {
	backends []*backend
	next     atomic.Uint64
	stop     context.CancelFunc
	polling  sync.WaitGroup
}

type backend struct {
	*machine
	client *http.Client
	in     atomic.Bool // the pool
}

func newBalancer(machines []*machine) *balancer {
	ctx, stop := context.WithCancel(context.Background())
	b := &balancer{stop: stop}
	for _, m := range machines {
		e := &backend{machine: m, client: &http.Client{Transport: &http.Transport{
			DialContext:        (&net.Dialer{Timeout: dialWithin}).DialContext,
			DisableCompression: true, MaxIdleConnsPerHost: 1000,
		}}}
		b.backends = append(b.backends, e)
		b.polling.Go(func() { e.poll(ctx) })
	}
	return b
}

func (b *balancer) close() {
	b.stop()
	b.polling.Wait()
	for _, e := range b.backends {
		e.client.CloseIdleConnections()
	}
}

func (e *backend) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, pollWithin)
		e.in.Store(e.ready(once))
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (b *balancer) has(m *machine) bool { return b.backends[m.index].in.Load() }

// try is how a request went: where it was sent, and whether it was.
type try struct {
	node     int // -1 if no node took it
	response *http.Response
	err      error
	resent   bool // net/http sent it again by itself when a kept connection broke
}

// send sends a request for a path to the next node. The caller closes the body.
func (b *balancer) send(ctx context.Context, path, byteRange string) try {
	last := try{node: -1}
	var pool []*backend
	for _, e := range b.backends {
		if e.in.Load() {
			pool = append(pool, e)
		}
	}
	if len(pool) == 0 { // polls are late on a busy machine: better a slow node than none
		pool = b.backends
	}
	start := b.next.Add(1)
	for i := range pool {
		e := pool[(start+uint64(i))%uint64(len(pool))]
		response, sent, err := e.send(ctx, path, byteRange)
		if err == nil || sent > 0 {
			return try{node: e.index, response: response, err: err, resent: sent > 1}
		}
		last.err = err
		if ctx.Err() == nil {
			e.in.Store(false)
		}
	}
	return last
}

// send returns beside the response how often the request has been sent.
func (e *backend) send(ctx context.Context, path, byteRange string) (*http.Response, int32, error) {
	var sent atomic.Int32 // the transport writes in a goroutine of its own
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			sent.Add(1)
		}
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.publicURL+path, nil)
	if err != nil {
		return nil, 0, err
	}
	if byteRange != "" {
		request.Header.Set("Range", byteRange)
	}
	response, err := e.client.Do(request)
	return response, sent.Load(), err
}
