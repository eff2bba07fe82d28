package council

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestAPurgeWaitsForALeaseToEnd cuts a node off: its lease ends in time, and purges complete
// when it has, not before.
func TestAPurgeWaitsForALeaseToEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(4)
		leader := w.settle(3)
		cut := nodes[3]
		w.split(cut.name, "n-0 n-1 n-2")
		before := time.Now()
		r, err := leader.Purge(t.Context(), order("x", "x"), 0)
		if err != nil || r.Complete || len(r.Pending()) == 0 || !slices.Contains(r.Pending(), cut.name) {
			t.Fatalf("at once: %+v, %v", r, err)
		}
		var ended time.Duration
		w.until("the purge is complete", time.Minute, func() bool {
			if ended == 0 && !cut.leased() {
				ended = time.Since(before)
			}
			r, err = nodes[1].Progress(t.Context(), "x")
			return err == nil && r.Complete
		})
		w.promise(r)
		took := time.Since(before)
		t.Logf("the lease ended after %v, the purge was complete after %v", ended, took)
		if ended == 0 || ended > testLease || took < ended || took > margin(testLease)+testHeartbeat {
			t.Errorf("the lease ended after %v, the purge was complete after %v", ended, took)
		}
		if i := slices.IndexFunc(r.Nodes, func(p Progress) bool { return p.Name == cut.name }); !r.Nodes[i].Excused || r.Nodes[i].Applied {
			t.Errorf("the node that was cut off: %+v", r.Nodes[i])
		}
		// The next one waits for nobody who can hold no lease.
		began := time.Now()
		w.purge(leader, "y", time.Minute)
		if took := time.Since(began); took > time.Second {
			t.Errorf("with a node long cut off a purge took %v", took)
		}
		w.split()
		w.settle(3)
		if cut.floor("x") == 0 || cut.floor("y") == 0 {
			t.Error("it holds a lease without the floors")
		}
	})
}

// TestALeaseRunsFromItsRequest has a tick take long: the lease runs from when the question
// was sent.
func TestALeaseRunsFromItsRequest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.Lease = time.Minute } // nobody else asks for 12 s
		nodes := w.start(2)
		leader := w.settle(1)
		time.Sleep(time.Second)
		s, _ := nodes[1].present()
		leader.disk.slow(3 * time.Second)
		sent := time.Now()
		if err := s.askLease(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(sent); took < 3*time.Second {
			t.Fatalf("the answer took %v: the test shows nothing", took)
		}
		if end := nodes[1].state.LeaseEnd(); !end.Equal(sent.Add(time.Minute)) {
			t.Errorf("the lease ends %v after its request was sent", end.Sub(sent))
		}
	})
}

// TestATickFollowsTheRequest shows that what is granted is a tick proposed after the
// request came: purges that were committed before it are below its number.
func TestATickFollowsTheRequest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		l, _ := leader.present()
		for range 50 {
			r, err := nodes[1].Purge(t.Context(), order(time.Now().String(), "a"), 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := l.grant(t.Context(), nodes[2].ID())
			if err != nil || got.number <= r.Number || got.lease != testLease {
				t.Fatalf("after purge %d: %+v, %v", r.Number, got, err)
			}
			time.Sleep(7 * time.Millisecond)
		}
	})
}

// TestOneTickServesMany counts the entries that many requests cost.
func TestOneTickServesMany(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start(1)
		leader := w.settle(1)
		l, _ := leader.present()
		before := l.raft.LastIndex()
		done := make(chan error)
		for range 500 {
			go func() {
				_, err := l.grant(t.Context(), leader.ID())
				done <- err
			}()
		}
		for range 500 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if cost := l.raft.LastIndex() - before; cost > 2 {
			t.Errorf("500 requests cost %d entries", cost)
		}
	})
}

// TestARemovedMemberHasNoLease removes a member: it is granted nothing from then on.
func TestARemovedMemberHasNoLease(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(4)
		leader := w.settle(3)
		l, _ := leader.present()
		gone := nodes[3]
		f := l.office.Load()
		if f.bar(gone.ID(), time.Now(), testLease) {
			t.Fatal("a member that holds a lease may be removed")
		}
		if err := leader.Forget(t.Context(), gone.name); !errors.Is(err, ErrAlive) {
			t.Fatalf("forget a living one: %v", err)
		}
		w.stop(gone)
		began := time.Now()
		if err := nodes[1].Forget(t.Context(), gone.name); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < testLease/2 || took > margin(testLease)+testHeartbeat {
			t.Errorf("it was removed after %v", took)
		}
		if got, err := l.grant(t.Context(), gone.ID()); !errors.Is(err, errNotMember) {
			t.Errorf("a removed member is granted %+v, %v", got, err)
		}
		if err := leader.Forget(t.Context(), gone.name); !errors.Is(err, ErrNoMember) {
			t.Errorf("forget it again: %v", err)
		}
		if s := leader.Status(); slices.Contains(s.Members, gone.name) {
			t.Errorf("members: %v", s.Members)
		}
		// It comes back with its disk, and is a member again before it has a lease.
		w.open(gone)
		w.settle(3)
		if s := leader.Status(); !slices.Contains(s.Members, gone.name) {
			t.Errorf("members: %v", s.Members)
		}
	})
}

// TestAShorterLeaseWaitsForLongerOnes changes the length of leases while longer ones run: purges wait
// for the longest, and so does whoever removes a member.
func TestAShorterLeaseWaitsForLongerOnes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.Lease = 30 * time.Second }
		nodes := w.start(4)
		leader := w.settle(3)
		cut := nodes[3]
		w.until("a long lease", time.Minute, func() bool { return time.Until(cut.state.LeaseEnd()) > 25*time.Second })
		w.tune = nil // all that start from now on have testLease
		w.split(cut.name, "n-0 n-1 n-2")
		for _, n := range nodes[:3] {
			if n != leader {
				w.stop(n)
				w.open(n)
			}
		}
		w.stop(leader)
		w.open(leader)
		w.until("a leader with shorter leases", 20*time.Second, func() bool {
			return nodes[0].Status().Lease == testLease && nodes[0].leased() && nodes[1].leased() && nodes[2].leased()
		})
		if !cut.leased() {
			t.Fatal("the long lease has ended already: the test shows nothing")
		}
		began := time.Now()
		r := w.purge(nodes[1], "x", time.Minute) // promise checks the node with the long lease
		if took := time.Since(began); took < testLease {
			t.Errorf("complete after %v: %+v", took, r)
		}
		if !slices.ContainsFunc(r.Nodes, func(p Progress) bool { return p.Name == cut.name && p.Excused }) {
			t.Errorf("it was not waited for: %+v", r)
		}
	})
}

// TestANewLeaderWaitsForTheLeasesOfTheOld shows that a leader counts what others have granted:
// it removes nobody before their leases have ended.
func TestANewLeaderWaitsForTheLeasesOfTheOld(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(4)
		leader := w.settle(3)
		w.split("n-3", "n-0 n-1 n-2")
		w.stop(leader)
		var next *node
		w.until("another leader", time.Minute, func() bool {
			for _, n := range nodes[:3] {
				if n.up && n.Status().Leader == n.name {
					next = n
				}
			}
			return next != nil
		})
		held := nodes[3].leased()
		if err := next.Forget(t.Context(), "n-3"); err != nil {
			t.Fatal(err)
		}
		if !held || nodes[3].leased() {
			t.Errorf("leased before the removal: %v, after it: %v", held, nodes[3].leased())
		}
	})
}

// TestWhoHasAskedMayHoldALease has a member ask for a lease, and a purge committed after
// the tick and before the answer: whoever waits for the purge waits for the member.
func TestWhoHasAskedMayHoldALease(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(4)
		leader := w.settle(3)
		gone := nodes[3]
		w.stop(gone)
		time.Sleep(2 * testLease)
		l, _ := leader.present()
		f := l.office.Load()
		leaseless := func() bool { return slices.Contains(l.standing(f).Leaseless, gone.ID()) }
		if !leaseless() {
			t.Fatal("a member that has long been gone may hold a lease")
		}
		leader.disk.slow(time.Second)
		granted := make(chan error)
		go func() {
			_, err := l.grant(t.Context(), gone.ID())
			granted <- err
		}()
		time.Sleep(500 * time.Millisecond)
		if leaseless() || f.bar(gone.ID(), time.Now(), testLease) {
			t.Error("a member whose request is under way is taken for leaseless")
		}
		if err := <-granted; err != nil {
			t.Fatal(err)
		}
		if leaseless() {
			t.Error("a member that was granted a lease is taken for leaseless")
		}
	})
}

// TestALeaderKnowsWhatWasGrantedBefore restarts the only voter: until it has
// applied its log again it does not know how long leases may run, and removes nobody.
func TestALeaderKnowsWhatWasGrantedBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.Lease = 30 * time.Second }
		nodes := w.start(2)
		w.settle(1)
		w.split("n-0", "n-1")
		w.stop(nodes[0])
		nodes[0].disk.slow(300 * time.Millisecond)
		w.open(nodes[0])
		var err error
		w.until("the other is removed", 2*time.Minute, func() bool {
			held := nodes[1].leased()
			if err = nodes[0].Forget(t.Context(), "n-1"); err == nil && held && nodes[1].leased() {
				t.Fatal("a member that holds a lease was removed")
			}
			return err == nil
		})
		if nodes[1].leased() {
			t.Error("a removed member holds a lease")
		}
	})
}
