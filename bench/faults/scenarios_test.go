package faults

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// scenario is one subtest: it brings something about while clients read, and
// gives a row of the table for each question that it answers.
type scenario interface {
	named() string
	run(ctx context.Context, c *cluster, s settings) ([]*result, error)
}

// scenarios are in the order in which they run.
func scenarios() []scenario {
	var all []scenario
	for _, f := range faults() {
		all = append(all, f)
	}
	return append(all, rolling{}, scaling{}, overwriting{})
}

// faults are the ways to break one node. Readers know after cluster.peer_timeout
// (3 s) that it is silent. Gossip takes about 14 s to tell that it has failed, which
// is when it is back: the nodes may lose it for a moment then.
func faults() []fault {
	return []fault{
		{
			name: "kill -9", rate: 500, hold: 8 * time.Second,
			strike: func(_ context.Context, _ *cluster, m *machine) error { m.kill(); return nil },
			heal:   func(_ context.Context, _ *cluster, m *machine) error { return m.start() },
			bar:    bar{early: 0.005, owned: true, again: 0.02},
		},
		{
			name: "kill -9 cold", rate: 300, hold: 8 * time.Second, cold: true,
			strike: func(_ context.Context, _ *cluster, m *machine) error { m.kill(); return nil },
			heal:   func(_ context.Context, _ *cluster, m *machine) error { return m.start() },
			bar:    bar{owned: true, again: 0.02, excused: true},
		},
		{
			name: "stop", rate: 300, hold: 10 * time.Second,
			strike: func(_ context.Context, _ *cluster, m *machine) error { return m.signal(syscall.SIGSTOP) },
			heal:   func(_ context.Context, _ *cluster, m *machine) error { return m.signal(syscall.SIGCONT) },
			bar:    bar{owned: true, again: 0.02, slowest: answersWithin, excused: true},
		},
		{
			name: "partition", rate: 300, hold: 12 * time.Second,
			strike: func(ctx context.Context, c *cluster, m *machine) error {
				return errors.Join(c.network.deafen(ctx, m.index), c.network.drop(ctx, m.index, "ip saddr "+c.network.others(m.index)))
			},
			heal: join, bar: bar{again: 1.05, slowest: answersWithin},
		},
		{
			name: "cut off", rate: 300, hold: 12 * time.Second,
			strike: func(ctx context.Context, c *cluster, m *machine) error {
				return errors.Join(c.network.deafen(ctx, m.index), c.network.drop(ctx, m.index, "iif eth0"))
			},
			heal: join, bar: bar{owned: true, again: 0.02, slowest: answersWithin, excused: true},
		},
		{
			name: "one way", rate: 300, hold: 12 * time.Second,
			strike: func(ctx context.Context, c *cluster, m *machine) error { return c.network.deafen(ctx, m.index) },
			heal:   join, bar: bar{again: 1.05, slowest: answersWithin},
		},
		{
			name: "30 % loss", rate: 200, hold: 12 * time.Second, all: true,
			strike: func(ctx context.Context, c *cluster, _ *machine) error { return lossy(ctx, c) },
			heal:   join,
			bar:    bar{again: 2},
		},
	}
}

// answersWithin is the budget of a read whose owner is silent: cluster.peer_timeout
// (3 s), and what the next one takes, which may have to ask S3, on a busy machine.
const answersWithin = 5 * time.Second

// join makes the network whole again.
func join(ctx context.Context, c *cluster, _ *machine) error {
	var errs []error
	for i := range c.network.spaces {
		errs = append(errs, c.network.undrop(ctx, i), c.network.segmentEach(ctx, i, false))
	}
	return errors.Join(errs...)
}

const lossPercent = 30

// lossy loses packets between all nodes, those of gossip and those of reads.
func lossy(ctx context.Context, c *cluster) error {
	for _, m := range c.machines {
		some := fmt.Sprintf("ip saddr %s numgen random mod 100 < %d", c.network.others(m.index), lossPercent)
		err := errors.Join(c.network.segmentEach(ctx, m.index, true), c.network.drop(ctx, m.index, some))
		if err != nil {
			return err
		}
	}
	return nil
}
