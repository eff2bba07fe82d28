package cluster

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// joiner looks for the nodes that should be there and are not: those that the
// join entries name, and members that went silent. memberlist itself stops
// calling a dead node after half a minute, so without this a partition that
// lasts longer would never heal.
//
// It also hands what this node says of itself to a few others directly. To leave
// that to gossip is not enough: memberlist's broadcast queue can lose a message
// that replaced the only one in it (hashicorp/memberlist pull requests 263 and
// 322, open in v0.7.0), which is what a node does that becomes ready while it
// joins; the others would learn of it with the next full exchange, 30 s later.
type joiner struct {
	entries  []endpoint
	lookup   lookupFunc
	isOwn    func(netip.AddrPort) bool
	members  func() []Member
	contact  func(address string) error // exchanges the whole state
	self     string
	interval interval
	news     chan struct{} // this node says something else of itself now
	log      *slog.Logger
	failures *metrics.Counter
	// nobody is set once the entries have turned out to name only this node.
	nobody *atomic.Bool
	// after is called after each round.
	after func()

	// before and now say how each address and name went in the last round and in
	// this one; only what is new is logged loudly.
	before, now map[string]outcome

	told map[string]bool // the addresses that have the news from this node itself
}

// tellDirectly is how many nodes hear a change of this node from itself. They
// pass it on; in a cluster of up to four nodes it is all of them.
const tellDirectly = 3

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
		case <-j.news:
			timer.Stop()
			clear(j.told)
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// round calls whoever is missing, tells the others what is new of this node, and
// reports whether there are any.
func (j *joiner) round(ctx context.Context) (company bool) {
	j.now = map[string]outcome{}
	present, silent := j.addresses()
	called := map[string]bool{}
	for _, address := range append(j.named(ctx), silent...) {
		if called[address] || slices.Contains(present, address) || ctx.Err() != nil {
			continue
		}
		called[address] = true
		if j.call(ctx, address) {
			company = true
		}
	}
	j.tell(ctx, present)
	j.before = j.now
	return company || len(present) > 0
}

// addresses returns where the other members are, and where those were that went
// silent.
func (j *joiner) addresses() (present, silent []string) {
	for _, m := range j.members() {
		switch {
		case m.Name == j.self:
		case m.State == Failed:
			silent = append(silent, m.GossipAddress)
		default:
			present = append(present, m.GossipAddress)
		}
	}
	return present, silent
}

// tell exchanges the state with present nodes, picked at random, until enough
// have this node's news from itself.
func (j *joiner) tell(ctx context.Context, present []string) {
	for _, i := range rand.Perm(len(present)) {
		address := present[i]
		if len(j.told) >= tellDirectly || ctx.Err() != nil {
			return
		}
		if j.told[address] {
			continue
		}
		if err := j.contact(address); err != nil {
			j.log.DebugContext(ctx, "could not tell a node of a change of this one", "address", address, "error", err)
			continue
		}
		j.told[address] = true
	}
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
	j.told[address] = true
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
