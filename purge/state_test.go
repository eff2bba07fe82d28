package purge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rookery/object"
)

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := joined()
		s.Apply(3, order(false, Scope{Kind: All}))
		for _, n := range []uint64{0, 3} {
			if err := s.Await(t.Context(), noted(n)); err != nil {
				t.Errorf("number %d is there: %v", n, err)
			}
		}
		got := make(chan error, 1)
		go func() { got <- s.Await(t.Context(), noted(5)) }()
		s.Pass(4)
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("it waited for no more than number 4: %v", err)
		default:
		}
		s.Apply(6, order(false, Scope{Object, "b", "k"}))
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := joined()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Await(ctx, noted(5)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing came: %v", err)
		}
		if err := s.Await(t.Context(), object.Note{Council: theirs}); !errors.Is(err, ErrOtherCouncil) {
			t.Errorf("another council: %v", err)
		}
		got := make(chan error, 1)
		go func() { got <- s.Await(t.Context(), noted(5)) }()
		synctest.Wait()
		s.Join(theirs)
		if err := <-got; !errors.Is(err, ErrOtherCouncil) {
			t.Errorf("the council changed: %v", err)
		}
		go func() { got <- s.Await(t.Context(), object.Note{Council: theirs, Applied: 9}) }()
		synctest.Wait()
		other := NewState()
		other.Pass(9)
		if err := s.Restore(other.AppendSnapshot(nil)); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Errorf("the number came with a snapshot: %v", err)
		}
	})
}

// TestANumberIsShownAfterItsFloor reads the number and what it must have brought,
// while purges are applied, old floors forgotten and snapshots taken.
func TestANumberIsShownAfterItsFloor(t *testing.T) {
	s := joined()
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for shown := uint64(0); ; {
				note := s.Note()
				if note.Applied < shown {
					t.Errorf("number %d after %d", note.Applied, shown)
				}
				shown = note.Applied
				if got := s.Judge(keyOf("b", "k"), nil, noted(shown-2)); shown > 1 && got != Dead {
					t.Errorf("number %d is shown, and what it killed is %d", shown, got)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	readers.Go(func() {
		for {
			if err := joined().Restore(s.AppendSnapshot(nil)); err != nil {
				t.Error(err)
			}
			s.MarkToKeep("b", 1)
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for n := uint64(1); n < 4000; n += 2 {
		s.Apply(n, order(false, Scope{Prefix, "b", "k"}, Scope{Object, "b", fmt.Sprint(n)}, Scope{Prefix, "b", fmt.Sprint(n)}))
		s.Trim(n+1, "b", n-min(n, 5))
	}
	close(done)
	readers.Wait()
}

func TestAnotherCouncilsPastIsUnknown(t *testing.T) {
	s := joined()
	s.Apply(9, order(false, Scope{Kind: All}))
	old := s.Note()
	s.Join(theirs)
	if s.Note() != (object.Note{Council: theirs}) {
		t.Errorf("note %v", s.Note())
	}
	if got := s.Judge(keyOf("b", "k"), nil, old); got != Suspect {
		t.Errorf("noted under the old council: %d", got)
	}
	if got := s.Judge(keyOf("b", "k"), nil, s.Note()); got != Alive {
		t.Errorf("noted under the new one: %d", got)
	}
	if DeadUnder(old, object.Note{Council: theirs, Applied: 100}) || !DeadUnder(noted(8), old) || DeadUnder(old, old) {
		t.Error("bytes are judged by their own council's floors alone, from below")
	}
}

func TestMalformedOrders(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	good := Scope{Object, "b", "k"}
	for name, o := range map[string]*Order{
		"no id":            {Scopes: []Scope{good}},
		"long id":          {ID: long(MaxIDBytes + 1), Scopes: []Scope{good}},
		"id of no text":    {ID: "\xff", Scopes: []Scope{good}},
		"no scope":         {ID: "i"},
		"too many":         {ID: "i", Scopes: make([]Scope, MaxScopes+1)},
		"no kind":          order(false, Scope{0, "b", "k"}),
		"unknown kind":     order(false, Scope{6, "b", "k"}),
		"object, no name":  order(false, Scope{Object, "b", ""}),
		"prefix of all":    order(false, Scope{Prefix, "b", ""}),
		"no bucket":        order(false, Scope{Tag, "", "t"}),
		"bucket with name": order(false, Scope{Bucket, "b", "k"}),
		"all of a bucket":  order(false, Scope{All, "b", ""}),
		"long name":        order(false, Scope{Prefix, "b", long(object.MaxNameBytes + 1)}),
		"long tag":         order(false, Scope{Tag, "b", long(MaxTagBytes + 1)}),
		"long bucket":      order(false, good, Scope{Bucket, long(MaxBucketBytes + 1), ""}),
	} {
		if err := o.Check(); !errors.Is(err, ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := order(true, good, Scope{Tag, "b", long(MaxTagBytes)}, Scope{Bucket, "b", ""}, Scope{Kind: All}).Check(); err != nil {
		t.Error(err)
	}
}
