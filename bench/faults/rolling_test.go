package faults

import (
	"context"
	"fmt"
	"time"
)

// rolling restarts one node after the other in good order: SIGTERM, its end, its
// start on the same disk, /ready, the next.
type rolling struct{}

const rollingRate = 300

func (rolling) named() string { return "rolling restart" }

func (s rolling) run(ctx context.Context, c *cluster, set settings) ([]*result, error) {
	r := &result{name: s.named()}
	objects, err := c.fill(ctx, r, set.seed)
	if err != nil {
		return []*result{r}, err
	}
	defer objects.delete(c.s3)
	l := startLoad(ctx, c.balancer, rollingRate, objects.pick)
	err = wait(ctx, beforeFault)
	for i := 0; i < set.restarts && err == nil; i++ {
		m := c.machines[i%members]
		one := span{struck: l.now(), node: m.index}
		err = m.restart(ctx)
		one.healed = l.now()
		r.spans = append(r.spans, one)
	}
	r.samples, r.ran = l.end(), l.now()
	if err == nil {
		err = c.settled(ctx, members)
	}
	if err == nil {
		err = c.lookAgain(ctx, r, objects)
	}
	// A restarted node keeps its share: an eighth again at most, whatever the number
	// of restarts.
	bar{again: 0.125 / float64(max(1, len(r.spans)))}.judge(r)
	return []*result{r}, err
}

// restart ends the node and waits until it is ready again.
func (m *machine) restart(ctx context.Context) error {
	if err := m.terminate(ctx); err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	return await(ctx, fmt.Sprintf("%s ready again", m.name), func() bool {
		once, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return m.ready(once)
	})
}
