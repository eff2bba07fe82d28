package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// The bounds of fetching keys.
const (
	fetchTimeout  = 5 * time.Second
	maxSetBytes   = 256 << 10
	maxSetKeys    = 64
	retryInterval = 10 * time.Second // after a failure
	// unknownInterval is the least time between two fetches for keys that tokens
	// name and the set does not have. In between such tokens are refused at once.
	unknownInterval = 10 * time.Second
	// maxKeyWait bounds the wait of a request for such a fetch.
	maxKeyWait = 2 * time.Second
)

// fetched are the keys of one issuer as they were last published. A goroutine, which
// ends with its context, fetches them again and again.
type fetched struct {
	JWKS
	issuer     string
	algorithms []string
	client     *http.Client
	now        func() time.Time
	log        *slog.Logger
	meter      *jwksMeter

	set  atomic.Pointer[keySet] // nil until the first is there
	wake chan struct{}          // asks for a fetch now

	mu    sync.Mutex
	round *round    // the fetch under way or asked for; else nil
	begun time.Time // when the last one began
}

// keySet is what an issuer published at some time.
type keySet struct {
	keys []*key
	at   time.Time
}

// round is one fetch, for those who wait for it.
type round struct{ over chan struct{} }

type jwksMeter struct {
	keys, at     *metrics.Gauge
	good, failed *metrics.Counter
}

func newJWKSMeter(set *metrics.Set, issuer string) *jwksMeter {
	return &jwksMeter{
		keys:   set.GetOrCreateGauge(fmt.Sprintf("rookery_jwks_keys{issuer=%q}", issuer), nil),
		at:     set.GetOrCreateGauge(fmt.Sprintf("rookery_jwks_fetched_timestamp_seconds{issuer=%q}", issuer), nil),
		good:   set.GetOrCreateCounter(fmt.Sprintf("rookery_jwks_fetches_total{issuer=%q,outcome=\"ok\"}", issuer)),
		failed: set.GetOrCreateCounter(fmt.Sprintf("rookery_jwks_fetches_total{issuer=%q,outcome=\"failed\"}", issuer)),
	}
}

// follow takes over what was published to a former issuer at the same place, so that a
// reload needs no fetch to succeed. It is as old as it was.
func (f *fetched) follow(former *issuer) {
	if former == nil || former.fetched == nil {
		return
	}
	if b := former.fetched; b.URL == f.URL && b.Roots.Equal(f.Roots) && slices.Equal(b.algorithms, f.algorithms) {
		f.set.Store(b.set.Load())
	}
}

// run fetches until ctx ends: every Refresh, sooner after a failure or when asked to.
// Nodes that started together drift apart.
func (f *fetched) run(ctx context.Context) {
	for {
		wait := f.Refresh - rand.N(f.Refresh/10+1)
		if !f.fetch(ctx) {
			wait = min(wait, retryInterval)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-f.wake:
			timer.Stop()
		}
	}
}

// fetch replaces the set, or keeps the last good one.
func (f *fetched) fetch(ctx context.Context) bool {
	r := f.begin()
	defer f.end(r)
	keys, err := f.get(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.meter.failed.Inc()
			f.log.Warn("an issuer's keys cannot be fetched", "issuer", f.issuer, "url", f.URL, "err", err)
		}
		return false
	}
	f.replace(keys)
	f.meter.good.Inc()
	f.meter.keys.Set(float64(len(keys)))
	f.meter.at.Set(float64(f.now().Unix()))
	return true
}

func (f *fetched) begin() *round {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.round == nil {
		f.round = &round{make(chan struct{})}
	}
	f.begun = f.now()
	select {
	case <-f.wake: // this fetch is what was asked for
	default:
	}
	return f.round
}

func (f *fetched) end(r *round) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.round = nil
	close(r.over)
}

// replace puts new keys in the place of the old ones. A key that is in both stays the
// same one, and with it what it has signed; one that is gone takes that with it.
func (f *fetched) replace(keys []*key) {
	var old []*key
	if set := f.set.Load(); set != nil {
		old = set.keys
	}
	kept := map[*key]bool{}
	for i, k := range keys {
		for _, before := range old {
			if before.same(k) {
				keys[i], kept[before] = before, true
				break
			}
		}
	}
	f.set.Store(&keySet{keys: keys, at: f.now()})
	for _, k := range old {
		if !kept[k] {
			k.gone.Store(true)
		}
	}
}

// believed reports whether the last set is not too old.
func (f *fetched) believed(now time.Time) bool {
	set := f.set.Load()
	return set != nil && now.Sub(set.at) < f.Keep
}

// candidates returns the published keys that a token may be signed with. For one that
// is not among them it waits for one fetch, if there may be one.
func (f *fetched) candidates(ctx context.Context, t *jws) ([]*key, error) {
	if keys := f.held(t); len(keys) > 0 {
		return keys, nil
	}
	f.await(ctx)
	keys := f.held(t)
	switch {
	case len(keys) > 0:
		return keys, nil
	case !f.believed(f.now()):
		return nil, &Denied{Reason: NoKeys, Err: errors.New("the issuer's keys could not be fetched")}
	}
	return nil, &Denied{Reason: UnknownKey, Err: errors.New("no key of the issuer is for it")}
}

func (f *fetched) held(t *jws) []*key {
	if !f.believed(f.now()) {
		return nil
	}
	return candidates(f.set.Load().keys, t)
}

// await joins the fetch under way, or asks for one if the last is not too short ago.
func (f *fetched) await(ctx context.Context) {
	f.mu.Lock()
	r := f.round
	if r == nil {
		if f.now().Sub(f.begun) < unknownInterval {
			f.mu.Unlock()
			return
		}
		r = &round{make(chan struct{})}
		f.round = r
		f.wake <- struct{}{} // has room: whoever begins a round empties it
	}
	f.mu.Unlock()
	timer := time.NewTimer(maxKeyWait)
	defer timer.Stop()
	select {
	case <-r.over:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// get asks for the set once.
func (f *fetched) get(ctx context.Context) ([]*key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxSetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxSetBytes {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxSetBytes)
	}
	return parseSet(body, f.algorithms)
}
