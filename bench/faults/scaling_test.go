package faults

import (
	"context"

	"rookery/object"
	"rookery/ring"
)

// scaling takes a fourth node in and lets it go again. All that moves to another
// owner is asked for after each step: by the load, and by a look at everything.
type scaling struct{}

const scalingRate = 300

// movedFromS3 is the share of the moved bytes that may come from S3.
const movedFromS3 = 0.05

func (scaling) named() string { return "3 → 4 → 3" }

func (s scaling) run(ctx context.Context, c *cluster, set settings) ([]*result, error) {
	up, down := &result{name: "3 → 4"}, &result{name: "4 → 3"}
	both := []*result{up, down}
	objects, err := c.fill(ctx, up, set.seed)
	if err != nil {
		return both, err
	}
	defer objects.delete(c.s3)
	fourth := c.machines[members]
	if err := s.step(ctx, c, up, objects, fourth.start, places); err != nil {
		return both, err
	}
	return both, s.step(ctx, c, down, objects, func() error { return fourth.terminate(ctx) }, members)
}

// step changes the number of nodes under load, and measures what S3 had to send.
func (s scaling) step(ctx context.Context, c *cluster, r *result, objects *catalogue, change func() error, count int) error {
	moved := objects.moved()
	_, before := c.s3.Bytes("", "")
	l := startLoad(ctx, c.balancer, scalingRate, objects.pick)
	err := wait(ctx, beforeFault)
	one := span{struck: l.now(), node: members}
	if err == nil {
		err = change()
	}
	if err == nil {
		err = c.settled(ctx, count)
	}
	one.healed = l.now()
	r.spans = append(r.spans, one)
	if err == nil {
		err = wait(ctx, afterFault)
	}
	r.samples, r.ran = l.end(), l.now()
	if err == nil {
		err = c.lookAgain(ctx, r, objects)
	}
	r.refetched = 0 // is part of what is judged here
	fetched := r.origin - before
	share := float64(fetched) / float64(moved)
	r.note("%s: %d bytes moved to another owner, S3 sent %d of them again (%.1f %%)", r.name, moved, fetched, 100*share)
	if share > movedFromS3 {
		r.fail("S3 sent %.1f %% of the moved bytes again, allowed are %.1f %%", 100*share, 100*movedFromS3)
	}
	bar{again: 1}.judge(r)
	return err
}

// moved is how many bytes have another owner with four nodes than with three.
func (c *catalogue) moved() int64 {
	three, four := ring.Build(names(members)), ring.Build(names(places))
	sum := int64(0)
	for _, o := range c.all() {
		key := object.Key{Bucket: o.Bucket, Name: o.Key}
		for n := range object.Chunks(o.Size) {
			extent := object.ExtentOf(n * object.ChunkBytes)
			if three.Owners(key, extent)[0] != four.Owners(key, extent)[0] {
				sum += int64(object.ChunkLen(o.Size, n))
			}
		}
	}
	return sum
}
