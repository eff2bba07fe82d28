package cluster

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// joiner looks for the nodes that should be there and are not: those that the
// join entries name, and members that went silent. memberlist itself stops
// calling a dead node after half a minute, so without this a partition that
// lasts longer would never heal.
type joiner struct {
	entries  []endpoint
	lookup   lookupFunc
	isOwn    func(netip.AddrPort) bool
	members  func() []Member
	contact  func(address string) error // exchanges the whole state
	self     string
	interval interval
	log      *slog.Logger
	failures *metrics.Counter
	// nobody is set once the entries have turned out to name only this node.
	nobody *atomic.Bool
	// after is called after each round.
	after func()

	// before and now say how each address and name went in the last round and in
	// this one; only what is new is logged loudly.
	before, now map[string]outcome
}

// interval is how long the joiner waits between rounds, before jitter.
type interval struct {
	alone   time.Duration // while no other node is there
	company time.Duration
}

// run makes round after round until ctx ends.
func (j *joiner) run(ctx context.Context) {
	for {
		wait := j.interval.company
		if !j.round(ctx) {
			wait = j.interval.alone
		}
		j.after()
		// Up to a quarter more or less, so that nodes that started together do
		// not go on calling each other at the same moment.
		timer := time.NewTimer(wait*3/4 + rand.N(wait/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// round calls whoever is missing, and reports whether other nodes are there.
func (j *joiner) round(ctx context.Context) (company bool) {
	present := map[string]bool{}
	var silent []string
	for _, m := range j.members() {
		switch {
		case m.Name == j.self:
		case m.State == Failed:
			silent = append(silent, m.GossipAddress)
		default:
			present[m.GossipAddress] = true
		}
	}
	company = len(present) > 0
	j.now = map[string]outcome{}
	for _, address := range append(j.named(ctx), silent...) {
		if present[address] || ctx.Err() != nil {
			continue
		}
		present[address] = true // once a round is enough
		if j.call(ctx, address) {
			company = true
		}
	}
	j.before = j.now
	return company
}

// named returns the addresses that the join entries have now, without this
// node's own.
func (j *joiner) named(ctx context.Context) []string {
	var out []string
	unknown := false
	for _, e := range j.entries {
		addresses, err := e.resolve(ctx, j.lookup)
		if err != nil {
			j.complain(ctx, e.host, "could not look up a node to join, goes on trying", err)
			unknown = true
			continue
		}
		for _, a := range addresses {
			if !j.isOwn(a) {
				out = append(out, a.String())
			}
		}
	}
	if len(out) == 0 && !unknown {
		j.nobody.Store(true)
	}
	return out
}

func (j *joiner) call(ctx context.Context, address string) bool {
	if err := j.contact(address); err != nil {
		j.complain(ctx, address, "could not reach a node to join, goes on trying", err)
		return false
	}
	j.log.Log(ctx, j.level(address, reached), "exchanged members with a node", "address", address)
	return true
}

func (j *joiner) complain(ctx context.Context, what, message string, err error) {
	if ctx.Err() != nil {
		return
	}
	j.failures.Inc()
	j.log.Log(ctx, j.level(what, failed), message, "address", what, "error", err)
}

// outcome is how an attempt went.
type outcome uint8

const (
	untried outcome = iota
	reached
	failed
)

// level notes an outcome and returns how loud it is.
func (j *joiner) level(what string, o outcome) slog.Level {
	j.now[what] = o
	switch {
	case j.before[what] == o:
		return slog.LevelDebug
	case o == failed:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
