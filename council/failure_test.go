package council

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"rookery/object"
	"rookery/purge"
)

// TestPurgesOutliveTheirLeader kills the leader while purges go through another node: each gets
// one number and completes.
func TestPurgesOutliveTheirLeader(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		asked := nodes[(slices.Index(nodes, leader)+1)%3]
		reports := make(chan *Report, 100)
		for i := range 100 {
			go func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond)
				r, err := asked.Purge(t.Context(), order(fmt.Sprint(i), "a"), 30*time.Second)
				if err != nil {
					t.Errorf("purge %d: %v", i, err)
				}
				reports <- r
			}()
		}
		time.Sleep(250 * time.Millisecond)
		w.stop(leader)
		numbers := map[uint64]bool{}
		for range 100 {
			r := <-reports
			if r == nil {
				continue
			}
			if r.Number == 0 { // it was kept for a moment
				w.until("purge "+r.ID, time.Minute, func() bool {
					r, _ = asked.Progress(t.Context(), r.ID)
					return r != nil && r.Complete
				})
			}
			w.promise(r)
			numbers[r.Number] = true
		}
		if len(numbers) != 100 {
			t.Errorf("100 purges have %d numbers", len(numbers))
		}
		w.open(leader)
		w.settle(3)
		if leader.floor("a") != asked.floor("a") {
			t.Errorf("the floor is %d at who was away, and %d", leader.floor("a"), asked.floor("a"))
		}
	})
}

// TestWithoutAQuorumAPurgeIsKept keeps a purge on the disk of the node that was asked, over its
// restart, and brings it once there is a quorum.
func TestWithoutAQuorumAPurgeIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		w.settle(3)
		w.split("n-0", "n-1", "n-2")
		r, err := nodes[1].Purge(t.Context(), order("x", "a"), time.Second)
		if err != nil || r.Number != 0 || r.Complete {
			t.Fatalf("with no quorum: %+v, %v", r, err)
		}
		if _, err := nodes[1].Purge(t.Context(), order("x", "b"), 0); !errors.Is(err, ErrConflict) {
			t.Errorf("another under its id: %v", err)
		}
		w.stop(nodes[1])
		w.open(nodes[1])
		if s := nodes[1].Status(); s.Waiting != 1 {
			t.Fatalf("after the restart %d purges wait", s.Waiting)
		}
		if p, err := nodes[1].Progress(t.Context(), "x"); err != nil || p.Number != 0 || p.Complete {
			t.Fatalf("progress: %+v, %v", p, err)
		}
		w.split()
		w.until("the purge comes", time.Minute, func() bool {
			p, err := nodes[1].Progress(t.Context(), "x")
			if err == nil && p.Complete {
				w.promise(p)
			}
			return err == nil && p.Complete && nodes[1].Status().Waiting == 0
		})
		for _, n := range nodes {
			if n.floor("a") == 0 {
				t.Errorf("%s has no floor", n.name)
			}
		}
		w.stop(nodes[1])
		w.open(nodes[1])
		if s := nodes[1].Status(); s.Waiting != 0 {
			t.Errorf("after it was brought, %d wait", s.Waiting)
		}
	})
}

// TestANodeLongAwayIsRight brings a node back that was away for longer than the log is kept.
func TestANodeLongAwayIsRight(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.SnapshotEvery, o.KeepEntries = 16, 4 }
		nodes := w.start(4)
		w.settle(3)
		away := nodes[3]
		first := w.purge(nodes[0], "first", time.Second)
		w.stop(away)
		for i := range 100 {
			if _, err := nodes[i%3].Purge(t.Context(), order(fmt.Sprint(i), fmt.Sprint("name ", i)), 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		if oldest, _ := openLogs(nodes[0].disk, nil, nil); oldest.first < 100 {
			t.Fatalf("the log begins at %d: nothing was cut", oldest.first)
		}
		w.open(away)
		w.settle(3)
		for i := range 100 {
			if name := fmt.Sprint("name ", i); away.floor(name) != nodes[0].floor(name) || away.floor(name) == 0 {
				t.Fatalf("the floor of %s is %d, and %d where it was", name, away.floor(name), nodes[0].floor(name))
			}
		}
		again, err := away.Purge(t.Context(), order("first", "first"), time.Second)
		if err != nil || again.Number != first.Number {
			t.Errorf("an old id: %+v, %v; it was %d", again, err, first.Number)
		}
		if _, err := away.Purge(t.Context(), order("first", "second"), 0); !errors.Is(err, ErrConflict) {
			t.Errorf("an old id for another order: %v", err)
		}
	})
}

// TestALostDiskTakesItsVoteAlong has a voter return without its disk: it is another member, and what
// it had voted counts for nothing.
func TestALostDiskTakesItsVoteAlong(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		lost := nodes[(slices.Index(nodes, leader)+1)%3]
		w.purge(leader, "before", time.Second)
		old := lost.ID()
		w.stop(lost)
		lost.disk = newDisk()
		w.open(lost)
		if lost.leased() {
			t.Fatal("it holds a lease before it has heard from anybody")
		}
		took := w.until("a vote for the new disk and none for the old one", 10*time.Second, func() bool {
			s, err := leader.present()
			return err == nil && votes(s, lost.ID()) && !votes(s, old) && lost.ID() != old
		})
		t.Logf("it votes again after %v", took)
		w.settle(3)
		if lost.floor("before") == 0 {
			t.Error("it does not know what was purged")
		}
		w.until("the old one is no member", time.Minute, func() bool {
			s, err := leader.present()
			return err == nil && !memberOf(s.members(), old)
		})
		w.purge(lost, "after", time.Second)
	})
}

func votes(s *seat, id string) bool {
	return slices.Contains((&view{members: s.members()}).voters(), id)
}

// TestANewCouncilAfterALostQuorum begins a council anew when the old one's voters have lost their
// disks.
func TestANewCouncilAfterALostQuorum(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(5)
		w.settle(5)
		r := w.purge(nodes[0], "old", time.Second)
		old := nodes[4].Status().ID
		for _, n := range nodes[:3] {
			w.stop(n)
			n.disk = newDisk()
			w.open(n, func(o *Options) { o.Founder, o.Expect = n.name == "n-0", 5 })
		}
		time.Sleep(time.Minute)
		for _, n := range nodes {
			if s := n.Status(); n.leased() || s.Leader != "" {
				t.Fatalf("%s has a leader or a lease without a quorum: %+v", n.name, s)
			}
		}
		if _, err := nodes[0].Purge(t.Context(), order("x", "a"), 0); !errors.Is(err, ErrNoCouncil) {
			t.Errorf("a purge at a node of no council: %v", err)
		}
		if r, err := nodes[3].Purge(t.Context(), order("kept", "a"), 0); err != nil || r.Number != 0 {
			t.Errorf("a purge at a node of the old one: %+v, %v", r, err)
		}
		note := nodes[4].state.Note()
		if err := nodes[4].Found(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle(5)
		for _, n := range nodes {
			if s := n.Status(); s.ID == old || s.ID != nodes[4].Status().ID {
				t.Fatalf("%s is in the council %x", n.name, s.ID)
			}
			if v := n.state.Judge(object.Key{Bucket: "b", Name: "z"}, nil, note); v != purge.Suspect {
				t.Errorf("at %s a note of the old council is %v", n.name, v)
			}
		}
		w.until("what was kept comes to the new council", time.Minute, func() bool {
			p, err := nodes[3].Progress(t.Context(), "kept")
			return err == nil && p.Complete
		})
		if again := w.purge(nodes[1], "old", time.Second); again.Number == r.Number && nodes[1].floor("old") == 0 {
			t.Error("an id of the old council is taken for done")
		}
	})
}

// TestProgressWithoutALeader asks how far a purge is where nobody leads: it is not complete
// while a member that has not heard of it holds a lease.
func TestProgressWithoutALeader(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		others := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return n == leader })
		asked, deaf := others[0], others[1]
		w.split(deaf.name, leader.name+" "+asked.name)
		if _, err := leader.Purge(t.Context(), order("x", "x"), 0); err != nil {
			t.Fatal(err)
		}
		w.until("the purge is in place", time.Second, func() bool { return asked.floor("x") != 0 })
		w.split("n-0", "n-1", "n-2")
		w.until("nobody leads", testLease/2, func() bool { return asked.Status().Leader == "" })
		if !deaf.leased() || deaf.floor("x") != 0 {
			t.Fatal("nobody is to be waited for: this shows nothing")
		}
		began := time.Now()
		w.until("the purge is complete", time.Minute, func() bool {
			r, err := asked.Progress(t.Context(), "x")
			if err == nil && r.Complete && deaf.leased() {
				t.Fatalf("complete, though %s may serve what was purged: %+v", deaf.name, r)
			}
			return err == nil && r.Complete
		})
		if took := time.Since(began); took < margin(testLease) {
			t.Errorf("complete after %v, as if it were known when the purge was committed", took)
		}
	})
}

// TestALivingCouncilKeepsItsMembers keeps its members from a new council that somebody begins.
func TestALivingCouncilKeepsItsMembers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(4)
		w.settle(3)
		if err := nodes[3].Found(t.Context()); !errors.Is(err, ErrLeader) {
			t.Fatalf("a new council while the old one has a leader: %v", err)
		}
		w.split("n-3", "n-0 n-1 n-2")
		w.until("the node has no leader", time.Minute, func() bool { return nodes[3].Status().Leader == "" })
		began := time.Now()
		if err := nodes[3].Found(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < margin(testLease) {
			t.Errorf("founded after %v, while leases of the old council may run", took)
		}
		w.split()
		time.Sleep(time.Minute)
		for _, n := range nodes[:3] {
			if s := n.Status(); s.ID == nodes[3].Status().ID || len(s.Members) != 4 || !n.leased() {
				t.Errorf("%s: %+v", n.name, s)
			}
		}
		for _, l := range []line{lineRaft, lineAsk} {
			_, err := nodes[3].connect(t.Context(), nodes[0].ID(), hello{line: l, council: nodes[3].Status().ID})
			if !errors.Is(err, errOtherCouncil) {
				t.Errorf("a call from another council: %v", err)
			}
		}
		r, err := nodes[0].Purge(t.Context(), order("x", "x"), 10*time.Second)
		if err != nil || !r.Complete {
			t.Errorf("a purge in the old one: %+v, %v", r, err)
		}
		if nodes[3].floor("x") != 0 {
			t.Error("a purge of one council has come to another")
		}
		w.split("n-0 n-1", "n-2 n-3")
		took := w.until("a member that the old one has lost joins the new", time.Minute, func() bool { return nodes[2].Status().ID == nodes[3].Status().ID })
		if took < margin(testLease)-testHeartbeat/2 {
			t.Errorf("it joined %v after it was lost, while a leader may be elected that it hears", took)
		}
	})
}

// TestANewCouncilBetweenTwoLeaders asks for a new council when the leader is lost and the
// next one not elected yet: the old one lives, so there is none.
func TestANewCouncilBetweenTwoLeaders(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		led := w.settle(3)
		old := led.Status().ID
		others := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return n == led })
		w.split("n-0", "n-1", "n-2")
		w.until("nobody leads", time.Minute, func() bool { return others[0].Status().Leader == "" })
		found := make(chan error, 1)
		go func() { found <- others[0].Found(t.Context()) }()
		time.Sleep(testHeartbeat / 10)
		w.split(led.name, others[0].name+" "+others[1].name) // they elect another
		if err := <-found; !errors.Is(err, ErrLeader) {
			t.Errorf("a new council beside one that has another leader by now: %v", err)
		}
		w.split()
		w.settle(3)
		for _, n := range nodes {
			if n.Status().ID != old {
				t.Errorf("%s is in another council", n.name)
			}
		}
	})
}

// TestAllNodesStartWithOtherAddresses starts all nodes anew, with other addresses.
func TestAllNodesStartWithOtherAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		w.settle(3)
		w.purge(nodes[1], "x", time.Second)
		id := nodes[0].Status().ID
		for _, n := range nodes {
			w.stop(n)
		}
		for _, n := range nodes {
			n.address = "elsewhere " + n.name
			w.open(n, func(o *Options) { o.Founder, o.Expect = n.name == "n-0", 3 })
			if n.leased() {
				t.Errorf("%s holds a lease from before", n.name)
			}
		}
		w.settle(3)
		if nodes[0].Status().ID != id || nodes[2].floor("x") == 0 {
			t.Errorf("the council is not the same: %+v", nodes[0].Status())
		}
	})
}

// TestAReusedAddressAnswersForNobody gives a dead node's address to another: it answers for nobody.
func TestAReusedAddressAnswersForNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		dead := nodes[(slices.Index(nodes, leader)+1)%3]
		w.stop(dead)
		stranger := w.add("n-7")
		stranger.address = dead.address
		w.change(func() { w.forgotten = dead.name }) // gossip still says that it is alive
		w.open(stranger)
		s, _ := leader.present()
		_, err := leader.connect(t.Context(), dead.ID(), hello{line: lineRaft, council: s.own.council})
		if !errors.Is(err, errOtherNode) {
			t.Errorf("another node at the address: %v", err)
		}
		w.until("the stranger is a member of its own", time.Minute, stranger.leased)
		if s := leader.Status(); len(s.Voters) > 3 || slices.Contains(s.Voters, "n-7") {
			t.Errorf("voters: %v", s.Voters)
		}
	})
}

// TestAFailingDiskMakesANodeSilent takes a node's disk away and gives it back: no lease meanwhile, no
// crash, and nothing forgotten.
func TestAFailingDiskMakesANodeSilent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		leader.disk.fail(errors.New("the disk is full"))
		other := nodes[(slices.Index(nodes, leader)+1)%3]
		w.until("the lease ends before its time", testLease/2, func() bool { return !leader.leased() })
		w.until("another leads", time.Minute, func() bool {
			name := other.Status().Leader
			return name != "" && name != leader.name
		})
		w.purge(other, "x", 30*time.Second)
		if leader.leased() || leader.floor("x") != 0 {
			t.Error("a node that can keep nothing goes on as if it could")
		}
		leader.disk.fail(nil)
		w.settle(3)
		if leader.floor("x") == 0 {
			t.Error("the floor has not come")
		}
	})
}

// TestAHungLeaderIsReplaced freezes the leader, as a stopped process: connections
// to it stay, and are silent. The others have another before their leases end, and
// what the frozen one still has to say when it wakes is no lease.
func TestAHungLeaderIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		time.Sleep(10 * time.Second)
		thaw := w.freeze(leader)
		var r *Report
		began := time.Now()
		for time.Since(began) < 20*time.Second {
			for _, n := range nodes {
				if n != leader && !n.leased() {
					t.Fatalf("%s has no lease %v after the leader was frozen", n.name, time.Since(began))
				}
			}
			if time.Since(began) > 100*time.Millisecond && r == nil {
				n := nodes[(slices.Index(nodes, leader)+1)%3]
				r, _ = n.Purge(t.Context(), order("x", "x"), 0)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if leader.leased() {
			t.Fatal("the frozen leader holds a lease")
		}
		w.until("the purge is complete", 30*time.Second, func() bool {
			r, _ = nodes[(slices.Index(nodes, leader)+1)%3].Progress(t.Context(), "x")
			return r != nil && r.Complete
		})
		thaw()
		for range 200 {
			w.promise(r)
			time.Sleep(10 * time.Millisecond)
		}
		w.settle(3)
		w.promise(r)
	})
}

// TestAnEvenSplit splits four nodes in two: the side with two of the three votes
// goes on, the other keeps purges, and no promise is broken on either.
func TestAnEvenSplit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(4)
		w.settle(3)
		w.split("n-0 n-1", "n-2 n-3")
		r, err := nodes[0].Purge(t.Context(), order("x", "x"), time.Minute)
		if err != nil || r.Number == 0 {
			t.Fatalf("on the larger side: %+v, %v", r, err)
		}
		w.promise(r)
		other, err := nodes[3].Purge(t.Context(), order("y", "y"), 0)
		if err != nil || other.Number != 0 {
			t.Fatalf("on the smaller side: %+v, %v", other, err)
		}
		w.split()
		w.settle(3)
		w.until("both are on all nodes", time.Minute, func() bool {
			for _, n := range nodes {
				if n.floor("x") == 0 || n.floor("y") == 0 {
					return false
				}
			}
			return true
		})
	})
}

// TestADiskLostByARunningProcess opens the council again, over an empty disk and
// the state that there was: the node knows of purges what its new log tells it.
func TestADiskLostByARunningProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		nodes := w.start(3)
		leader := w.settle(3)
		lost := nodes[(slices.Index(nodes, leader)+1)%3]
		w.purge(leader, "x", time.Second)
		w.stop(lost)
		lost.disk, lost.lives = newDisk(), true
		w.open(lost)
		if note := lost.state.Note(); note != (object.Note{}) || lost.floor("x") != 0 || lost.leased() {
			t.Errorf("without a log it knows of %+v", note)
		}
		w.settle(3)
		if lost.floor("x") != leader.floor("x") {
			t.Errorf("the floor is %d, and %d elsewhere", lost.floor("x"), leader.floor("x"))
		}
	})
}
