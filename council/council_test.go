package council

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"rookery/object"
	"rookery/purge"
)

// TestAPurgeThroughAnyNodeIsOnAll brings purges through every node of councils of many sizes.
func TestAPurgeThroughAnyNodeIsOnAll(t *testing.T) {
	for _, size := range []struct{ nodes, voters int }{{1, 1}, {2, 1}, {3, 3}, {5, 5}, {7, 5}} {
		t.Run(fmt.Sprint(size.nodes, " nodes"), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				nodes := w.start(size.nodes)
				w.settle(size.voters)
				for i, n := range nodes {
					before := n.state.Note()
					o := order(fmt.Sprint("purge ", i), fmt.Sprint("name ", i), "\xff\x00 no text")
					r, err := n.Purge(t.Context(), o, time.Second)
					if err != nil || !r.Complete || len(r.Nodes) != size.nodes || len(r.Pending()) != 0 {
						t.Fatalf("through %s: %+v, %v", n.name, r, err)
					}
					for _, at := range nodes {
						key := object.Key{Bucket: "b", Name: "\xff\x00 no text"}
						if f := at.state.Floor(key, nil); f.Applied != r.Number || f.Council != before.Council {
							t.Fatalf("%s has the floor %+v after purge %d", at.name, f, r.Number)
						}
						if p, err := at.Progress(t.Context(), o.ID); err != nil || !p.Complete || p.Number != r.Number {
							t.Fatalf("progress at %s: %+v, %v", at.name, p, err)
						}
					}
				}
			})
		})
	}
}

func TestAnIDIsOnePurge(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		w.settle(3)
		first, err := nodes[1].Purge(t.Context(), order("x", "a"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		again, err := nodes[2].Purge(t.Context(), order("x", "a"), time.Second)
		if err != nil || again.Number != first.Number || !again.Complete {
			t.Errorf("again: %+v, %v; first %+v", again, err, first)
		}
		if f := nodes[0].state.Floor(object.Key{Bucket: "b", Name: "a"}, nil); f.Applied != first.Number {
			t.Errorf("the floor is %d, and the purge %d", f.Applied, first.Number)
		}
		other := order("x", "b")
		if r, err := nodes[0].Purge(t.Context(), other, 0); !errors.Is(err, ErrConflict) {
			t.Errorf("another order under its id: %+v, %v", r, err)
		}
		other = order("x", "a")
		other.Soft = true
		if r, err := nodes[0].Purge(t.Context(), other, 0); !errors.Is(err, ErrConflict) {
			t.Errorf("a soft one under its id: %+v, %v", r, err)
		}
		if _, err := nodes[0].Progress(t.Context(), "y"); !errors.Is(err, ErrUnknown) {
			t.Errorf("an unknown id: %v", err)
		}
	})
}

// TestManyPurgesAtOnce brings a batch as events of S3 come: all under one number,
// but those whose ids are others'.
func TestManyPurgesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		w.settle(3)
		w.purge(nodes[0], "17", time.Second)
		var orders []purge.Order
		for i := range 1000 {
			orders = append(orders, order(fmt.Sprint(i), fmt.Sprint("name ", i)))
		}
		reports, err := nodes[1].PurgeMany(t.Context(), orders, time.Second)
		if !errors.Is(err, ErrConflict) || len(reports) != len(orders) {
			t.Fatalf("%d reports, %v", len(reports), err)
		}
		for i, r := range reports {
			switch {
			case (r == nil) != (i == 17):
				t.Fatalf("report %d is %+v", i, r)
			case r == nil:
				continue
			}
			w.promise(r)
			if r.ID != orders[i].ID || r.Number != reports[0].Number || nodes[2].floor(fmt.Sprint("name ", i)) != r.Number {
				t.Fatalf("report %d is %+v; the first %+v", i, r, reports[0])
			}
		}
	})
}

// TestTooManyFloors has the oldest floors of a bucket forgotten, on every node
// alike: what was noted before is no longer believed.
func TestTooManyFloors(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.MaxFloors = 100 }
		nodes := w.start(3)
		w.settle(3)
		before := nodes[0].state.Note()
		for i := range 12 {
			var orders []purge.Order
			for j := range 10 {
				orders = append(orders, order(fmt.Sprint(i, " ", j), fmt.Sprint("name ", i, " ", j)))
			}
			if _, err := nodes[i%3].PurgeMany(t.Context(), orders, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		key := object.Key{Bucket: "b", Name: "untouched"}
		if v := nodes[0].state.Judge(key, nil, before); v != purge.Alive {
			t.Fatalf("before the trim it is %v", v)
		}
		w.until("the trim on all nodes", time.Minute, func() bool {
			for _, n := range nodes {
				if n.state.AllFloors() > 60 || n.state.Judge(key, nil, before) != purge.Suspect {
					return false
				}
			}
			return true
		})
	})
}
