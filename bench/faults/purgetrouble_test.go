package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"rookery/internal/s3test"
)

// bringTrouble does one thing after the other to the nodes, the network and S3
// until ctx ends, with rest between them.
func (p *purging) bringTrouble(ctx context.Context, r *rand.Rand) error {
	all := []func(context.Context, *rand.Rand) error{p.kill, p.kill, p.stop, p.stop, p.stop, p.restart, p.originAway, p.slowBodies, p.slowBodies, p.many}
	if p.network.spaces != nil {
		all = append(all, p.partition, p.partition, p.cutOff)
	}
	for {
		for _, i := range r.Perm(len(all)) {
			if wait(ctx, time.Duration(r.Int64N(int64(2*time.Second)))) != nil {
				return nil
			}
			p.trouble.Add(1)
			err := all[i](ctx, r)
			p.trouble.Add(-1)
			if err != nil {
				return err
			}
			p.s3.Forget() // its log would grow
		}
	}
}

func (p *purging) noted(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles[what]++
}

// lasting is longer than a lease, often enough.
func lasting(ctx context.Context, r *rand.Rand) {
	_ = wait(ctx, time.Duration(r.Int64N(int64(6*time.Second)))) // the end of the run ends it
}

func (p *purging) kill(ctx context.Context, r *rand.Rand) error {
	p.noted("kill -9")
	m := p.any(r)
	m.kill()
	lasting(ctx, r)
	return p.back(ctx, m)
}

// back starts a node again; sometimes the next trouble comes before it is ready.
func (p *purging) back(ctx context.Context, m *machine) error {
	if err := m.start(); err != nil {
		return err
	}
	lasting(ctx, rand.New(rand.NewPCG(uint64(m.lives), p.seed)))
	return nil
}

func (p *purging) restart(ctx context.Context, r *rand.Rand) error {
	p.noted("restart")
	m := p.any(r)
	if err := m.terminate(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return p.back(ctx, m)
}

func (p *purging) stop(ctx context.Context, r *rand.Rand) error {
	p.noted("stop")
	m := p.any(r)
	if err := m.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	lasting(ctx, r)
	return m.signal(syscall.SIGCONT)
}

// many kills one node while another is stopped: there is no quorum, and what was
// stopped wakes up to it.
func (p *purging) many(ctx context.Context, r *rand.Rand) error {
	p.noted("kill and stop")
	first := r.IntN(members)
	killed, stopped := p.machines[first], p.machines[(first+1)%members]
	if err := stopped.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	killed.kill()
	lasting(ctx, r)
	return errors.Join(stopped.signal(syscall.SIGCONT), p.back(ctx, killed))
}

func (p *purging) originAway(ctx context.Context, r *rand.Rand) error {
	p.noted("S3 away")
	p.s3.Everything(&s3test.Step{Status: 503, Code: "SlowDown"})
	_ = wait(ctx, time.Duration(r.Int64N(int64(time.Second))))
	p.s3.Everything(nil)
	return nil
}

// slowBodies holds S3's answers about some objects when their first byte is on its
// way: they are of a version that may be purged before the last.
func (p *purging) slowBodies(ctx context.Context, r *rand.Rand) error {
	p.noted("slow bodies")
	var held sync.WaitGroup
	for range 8 {
		s := p.shelves[r.IntN(len(p.shelves))]
		gate := p.s3.Hold(s.key.Bucket, s.key.Name, 1)
		long := time.Duration(r.Int64N(int64(3 * time.Second)))
		held.Go(func() {
			_ = wait(ctx, long)
			gate.Open()
		})
	}
	held.Wait()
	return nil
}

// partition cuts a node off from the others, not from its clients and S3.
func (p *purging) partition(ctx context.Context, r *rand.Rand) error {
	p.noted("partition")
	m := p.any(r)
	err := errors.Join(p.network.deafen(ctx, m.index), p.network.drop(ctx, m.index, "ip saddr "+p.network.others(m.index)))
	return p.mended(ctx, r, err)
}

// cutOff leaves a node nobody.
func (p *purging) cutOff(ctx context.Context, r *rand.Rand) error {
	p.noted("cut off")
	m := p.any(r)
	err := errors.Join(p.network.deafen(ctx, m.index), p.network.drop(ctx, m.index, "iif eth0"))
	return p.mended(ctx, r, err)
}

// mended makes the network whole again after a time.
func (p *purging) mended(ctx context.Context, r *rand.Rand, err error) error {
	if err == nil {
		lasting(ctx, r)
		lasting(ctx, r)
	}
	if ctx.Err() != nil {
		err = nil // the run is over, and with it what was being done
	}
	if healed := join(context.WithoutCancel(ctx), p.cluster, nil); healed != nil {
		return fmt.Errorf("mend the network: %w", errors.Join(err, healed))
	}
	return err
}
