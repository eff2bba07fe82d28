package faults

import (
	"context"
	"fmt"
	"time"
)

// fault is what happens to one node while clients read through all of them.
type fault struct {
	name, what string
	rate       int // requests a second
	hold       time.Duration
	strike     func(context.Context, *cluster, *machine) error
	heal       func(context.Context, *cluster, *machine) error
	bar        bar
}

// bar is what a scenario is held to, beside: no wrong byte, and nothing short
// that looks complete.
type bar struct {
	early    float64 // the share of errors in the first 5 s
	late     int     // errors after that
	origin   float64 // origin bytes over distinct ones
	excused  bool    // what was sent to the struck node itself does not count
	recovers time.Duration
}

func faults() []fault {
	return []fault{
		{
			name: "kill -9", what: "a node is killed and started again on its disk", rate: 500, hold: 8 * time.Second,
			strike: func(_ context.Context, _ *cluster, m *machine) error { m.kill(); return nil },
			heal:   func(_ context.Context, _ *cluster, m *machine) error { return m.start() },
			bar:    bar{early: 0.005, origin: 1.4},
		},
	}
}

const (
	smallObjects = 2000
	largeObjects = 2
	beforeFault  = 2 * time.Second
	afterFault   = 5 * time.Second
)

// run brings a fault about, as often as rounds says, each time to another node.
func (f fault) run(ctx context.Context, c *cluster, rounds int, seed uint64) (*result, error) {
	r := &result{name: f.name, what: f.what}
	objects, err := c.fill(ctx, r, seed)
	if err != nil {
		return r, err
	}
	defer objects.delete(c.s3)
	l := startLoad(ctx, c.balancer, f.rate, objects.pick)
	err = f.rounds(ctx, c, l, r, rounds)
	r.samples, r.ran = l.end(), l.now()
	if err == nil {
		err = c.lookAgain(ctx, r, objects)
	}
	f.bar.judge(r)
	return r, err
}

// fill puts new objects into S3 and reads each once.
func (c *cluster) fill(ctx context.Context, r *result, seed uint64) (*catalogue, error) {
	if err := c.settled(ctx, members); err != nil {
		return nil, err
	}
	objects := newCatalogue(r.name, smallObjects, largeObjects, seed)
	objects.put(c.s3)
	c.s3.Forget()
	for _, s := range sweep(ctx, c.balancer, objects.everything()) {
		if failed(s) {
			return nil, fmt.Errorf("before any fault: %w", s.err)
		}
	}
	if _, sent := c.s3.Bytes("", ""); sent != objects.distinct() {
		r.fail("before any fault S3 sent %d bytes of %d", sent, objects.distinct())
	}
	return objects, ctx.Err()
}

func (f fault) rounds(ctx context.Context, c *cluster, l *load, r *result, rounds int) error {
	for i := range rounds {
		m := c.machines[i%members]
		if err := wait(ctx, beforeFault); err != nil {
			return err
		}
		s := span{struck: l.now(), node: m.index}
		if err := f.strike(ctx, c, m); err != nil {
			return err
		}
		if err := wait(ctx, f.hold); err != nil {
			return err
		}
		s.healed = l.now()
		r.spans = append(r.spans, s)
		if err := f.heal(ctx, c, m); err != nil {
			return err
		}
		if err := c.settled(ctx, members); err != nil {
			return err
		}
		if err := wait(ctx, afterFault); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain reads everything once more, after all faults.
func (c *cluster) lookAgain(ctx context.Context, r *result, objects *catalogue) error {
	_, before := c.s3.Bytes("", "")
	for _, s := range sweep(ctx, c.balancer, objects.everything()) {
		if failed(s) {
			r.fail("after all faults: %v", s.err)
			break
		}
	}
	_, r.origin = c.s3.Bytes("", "")
	r.refetched, r.distinct = r.origin-before, objects.distinct()
	return ctx.Err()
}

// judge holds a result to the bar.
func (b bar) judge(r *result) {
	for _, c := range []class{wrong, short} {
		if n := r.count(func(s sample) bool { return s.class == c }); n > 0 {
			r.fail("%d answers %v", n, c)
		}
	}
	all := r.count(failed)
	errs, requests := r.earlyErrors()
	if share := float64(errs) / max(1, float64(requests)); share > b.early {
		r.fail("%.2f %% errors in the first 5 s, allowed are %.2f %%", 100*share, 100*b.early)
	}
	if all-errs > b.late {
		r.fail("%d errors later, allowed are %d", all-errs, b.late)
	}
	if ratio := float64(r.origin) / float64(r.distinct); b.origin > 0 && ratio > b.origin {
		r.fail("origin bytes over distinct bytes %.2f, allowed are %.2f", ratio, b.origin)
	}
}

