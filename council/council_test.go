package council

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"rookery/object"
)

// TestPurge brings purges through every node of councils of many sizes.
func TestPurge(t *testing.T) {
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

func TestIDs(t *testing.T) {
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
