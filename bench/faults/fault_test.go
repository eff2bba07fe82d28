package faults

import (
	"context"
	"fmt"
	"time"
)

// fault is what happens to one node while clients read through all of them.
type fault struct {
	name   string
	rate   int  // requests a second
	all    bool // it strikes all nodes
	cold   bool // nothing has been read before, and there is more than can be
	hold   time.Duration
	strike func(context.Context, *cluster, *machine) error
	heal   func(context.Context, *cluster, *machine) error
	bar    bar
}

// bar is what a scenario is held to, beside: no wrong byte, and nothing short
// that looks complete.
type bar struct {
	early    float64       // the share of errors in the first 5 s; none later
	again    float64       // times that S3 may send all bytes again, for each fault
	owned    bool          // it may send what the struck node owns again, beside
	slowest  time.Duration // an answer of a node that was not struck; 0 is any
	changing bool          // objects change: a read may fail, and S3 is asked again and again
	excused  bool          // the struck node cannot answer: what was sent to it does not count
}

const (
	smallObjects = 2000
	largeObjects = 2
	coldObjects  = 20_000
	beforeFault  = 2 * time.Second
	afterFault   = 5 * time.Second
	keptShare    = 0.01 // of all bytes may be asked of S3 again when all nodes are back
)

func (f fault) named() string { return f.name }

// run brings a fault about, as often as rounds says, each time to another node.
func (f fault) run(ctx context.Context, c *cluster, s settings) ([]*result, error) {
	r := &result{name: f.name}
	objects, err := f.prepare(ctx, c, r, s.seed)
	if err != nil {
		return []*result{r}, err
	}
	defer objects.delete(c.s3)
	l := startLoad(ctx, c.balancer, f.rate, objects.pick)
	err = f.rounds(ctx, c, l, r, s)
	r.samples, r.ran = l.end(), l.now()
	if f.cold {
		_, r.origin = c.s3.Bytes("", "")
		r.distinct = objects.distinct()
	} else if err == nil {
		err = c.lookAgain(ctx, r, objects)
	}
	for _, one := range r.spans {
		if !f.all {
			r.owned += objects.owned(one.node)
		}
	}
	f.bar.judge(r)
	return []*result{r}, err
}

func (f fault) prepare(ctx context.Context, c *cluster, r *result, seed uint64) (*catalogue, error) {
	if !f.cold {
		return c.fill(ctx, r, seed)
	}
	objects := newCatalogue(r.name, coldObjects, largeObjects, seed)
	objects.put(c.s3)
	c.s3.Forget()
	return objects, c.settled(ctx, members)
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
			return nil, fmt.Errorf("before any fault, through node %d: %w", s.node, s.err)
		}
	}
	if _, sent := c.s3.Bytes("", ""); sent != objects.distinct() {
		r.fail("before any fault S3 sent %d bytes of %d", sent, objects.distinct())
	}
	return objects, ctx.Err()
}

func (f fault) rounds(ctx context.Context, c *cluster, l *load, r *result, s settings) error {
	first := int(s.seed % members)
	for i := range s.rounds {
		m := c.machines[(first+i)%members]
		if err := wait(ctx, beforeFault); err != nil {
			return err
		}
		one := span{struck: l.now(), node: m.index}
		if f.all {
			one.node = -1
		}
		if err := f.strike(ctx, c, m); err != nil {
			return err
		}
		if err := wait(ctx, f.hold); err != nil {
			return err
		}
		one.healed = l.now()
		r.spans = append(r.spans, one)
		if err := f.heal(ctx, c, m); err != nil {
			return err
		}
		if err := c.settled(ctx, members); err != nil {
			return err
		}
		r.note("%s: %v until all nodes saw each other again", m.name, (l.now() - one.healed).Round(100*time.Millisecond))
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
	for _, s := range r.samples {
		if s.class == wrong || s.class == short {
			r.fail("%v: %v", s.class, s.err)
		}
	}
	if b.changing {
		return
	}
	counts := func(s sample) bool { return failed(s) && !(b.excused && r.struck(s)) }
	late := r.count(counts)
	for _, f := range r.spans {
		errs, requests := r.count(func(s sample) bool { return f.early(s) && counts(s) }), r.count(f.early)
		if share := float64(errs) / max(1, float64(requests)); share > b.early {
			r.fail("%.2f %% errors in the first 5 s, allowed are %.2f %%", 100*share, 100*b.early)
		}
		late -= errs
	}
	if elsewhere := r.count(func(s sample) bool { return failed(s) && !r.struck(s) }); elsewhere > 0 {
		r.fail("%d errors through nodes that were not struck", elsewhere)
	}
	if late > 0 {
		r.fail("%d errors later, allowed are none", late)
	}
	others := func(s sample) bool { return !failed(s) && !r.struck(s) }
	if slowest := r.latency(1, others); b.slowest > 0 && slowest > b.slowest {
		r.fail("an answer took %v, allowed are %v", slowest, b.slowest)
	}
	if float64(r.refetched) > keptShare*float64(r.distinct) {
		r.fail("S3 sent %d bytes of %d again when all nodes were back with their disks", r.refetched, r.distinct)
	}
	allowed := 1 + b.again*float64(max(1, len(r.spans)))
	if b.owned {
		allowed += float64(r.owned) / float64(r.distinct)
	}
	if ratio := float64(r.origin) / float64(r.distinct); ratio > allowed {
		r.fail("origin bytes over distinct bytes %.2f, allowed are %.2f", ratio, allowed)
	}
}
