package council

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestAVoterLongGoneIsReplacedAndForgotten kills a voter of five among seven nodes: after a minute another
// votes, and later it is forgotten.
func TestAVoterLongGoneIsReplacedAndForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.ForgetAfter = 3 * time.Minute }
		nodes := w.start(7)
		leader := w.settle(5)
		if voters := leader.Status().Voters; !slices.Equal(voters, []string{"n-0", "n-1", "n-2", "n-3", "n-4"}) {
			t.Errorf("voters: %v", voters)
		}
		gone := nodes[(slices.Index(nodes, leader)+1)%5]
		w.stop(gone)
		time.Sleep(50 * time.Second)
		if voters := leader.Status().Voters; !slices.Contains(voters, gone.name) {
			t.Errorf("after 50 s the voters are %v", voters)
		}
		w.until("another voter", time.Minute, func() bool {
			voters := leader.Status().Voters
			return !slices.Contains(voters, gone.name) && len(voters) == 5
		})
		time.Sleep(time.Minute)
		if s := leader.Status(); !slices.Contains(s.Members, gone.name) {
			t.Errorf("after 2 min the members are %v", s.Members)
		}
		w.until("it is forgotten", 90*time.Second, func() bool { return len(leader.Status().Members) == 6 })
		w.open(gone)
		w.settle(5)
	})
}

// TestOneOfTwoThatAreLeftVotes leaves two of three nodes for good: one of them votes.
func TestOneOfTwoThatAreLeftVotes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.ForgetAfter = 3 * time.Minute }
		nodes := w.start(3)
		leader := w.settle(3)
		w.stop(nodes[(slices.Index(nodes, leader)+1)%3])
		time.Sleep(170 * time.Second)
		if s := leader.Status(); len(s.Voters) != 3 {
			t.Errorf("a failure has changed the voters to %v", s.Voters)
		}
		time.Sleep(20 * time.Second)
		if s := leader.Status(); len(s.Members) != 2 || len(s.Voters) != 1 {
			t.Errorf("after 190 s: %+v", s)
		}
		w.purge(leader, "x", time.Second)
	})
}

// TestARollingRestartKeepsTheCouncil drains every node of three and of nine, one after the other, as a
// rolling restart does, with their disks and without.
func TestARollingRestartKeepsTheCouncil(t *testing.T) {
	for _, test := range []struct {
		nodes, voters int
		lose          bool
	}{{3, 3, false}, {3, 3, true}, {9, 5, true}, {2, 1, true}} {
		t.Run(fmt.Sprintf("%d nodes, disks lost: %v", test.nodes, test.lose), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				nodes := w.start(test.nodes)
				w.settle(test.voters)
				id := nodes[0].Status().ID
				for i, n := range nodes {
					w.leave(n)
					w.stop(n)
					if test.lose {
						n.disk = newDisk()
					}
					other := nodes[(i+1)%len(nodes)]
					w.purge(other, fmt.Sprint("while ", n.name, " is away"), time.Minute)
					w.open(n, func(o *Options) { o.Founder, o.Expect = n.name == "n-0", test.nodes })
					w.settle(test.voters)
					if n.Status().ID != id {
						t.Fatalf("%s is in another council", n.name)
					}
				}
				for _, n := range nodes {
					if n.floor("while n-0 is away") == 0 {
						t.Errorf("%s has lost a floor", n.name)
					}
				}
			})
		})
	}
}

// leave drains a node.
func (w *world) leave(n *node) {
	w.t.Helper()
	w.change(func() { n.draining = true })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.Leave(ctx); err != nil {
		w.t.Fatalf("%s leaves: %v", n.name, err)
	}
	if s := n.Status(); slices.Contains(s.Voters, n.name) {
		w.t.Fatalf("%s has left and votes: %+v", n.name, s)
	}
}

// TestFromThreeToNineAndBack grows a council from 3 to 9 nodes and shrinks it to 3 again while
// purges go on.
func TestFromThreeToNineAndBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tune = func(o *Options) { o.ForgetAfter = 3 * time.Minute }
		nodes := w.start(3)
		w.settle(3)
		for i := 3; i < 9; i++ {
			n := w.add(fmt.Sprintf("n-%d", i))
			w.open(n)
			nodes = append(nodes, n)
			w.purge(nodes[i%3], fmt.Sprint("growing ", i), time.Minute)
		}
		w.settle(5)
		for i := 8; i >= 3; i-- {
			w.leave(nodes[i])
			w.stop(nodes[i])
			w.purge(nodes[i%3], fmt.Sprint("shrinking ", i), time.Minute)
		}
		leader := w.settle(3)
		time.Sleep(4 * time.Minute)
		if s := leader.Status(); len(s.Members) != 3 || len(s.Voters) != 3 {
			t.Errorf("after 4 min: %+v", s)
		}
	})
}

// TestOnlyTheFounderFoundsAndOnce founds once, when all are there and nobody has a council.
func TestOnlyTheFounderFoundsAndOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.add("n-0"), w.add("n-1")
		a.known, b.known = true, true
		expect := func(o *Options) { o.Founder, o.Expect = o.Name == "n-0", 2 }
		w.open(a, expect)
		time.Sleep(5 * time.Minute)
		if s := a.Status(); s.ID != ([16]byte{}) {
			t.Fatalf("alone of two it founds: %+v", s)
		}
		w.open(b, expect)
		w.settle(1)
		<-a.Ready()
		<-b.Ready()
		// The founder returns without a disk: there is a council already.
		w.purge(b, "x", time.Second)
		id := b.Status().ID
		w.leave(a)
		w.stop(a)
		a.disk = newDisk()
		w.open(a, expect)
		w.settle(1)
		if a.Status().ID != id || a.floor("x") == 0 {
			t.Errorf("it has founded another: %+v", a.Status())
		}
	})
}

// TestANodeAloneIsItsCouncil is a node without peers.
func TestANodeAloneIsItsCouncil(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		n := w.add("only")
		alone := func(o *Options) { o.Alone, o.Dial, o.Directory = true, nil, nil }
		w.open(n, alone)
		w.settle(1)
		<-n.Ready()
		r := w.purge(n, "x", time.Second)
		w.stop(n)
		w.open(n, alone)
		w.settle(1)
		if n.floor("x") != r.Number {
			t.Error("the floor is lost with a restart")
		}
	})
}

// TestPlan is a table of what the leader does next.
func TestPlan(t *testing.T) {
	id := func(name string) string { return RaftID(name, [16]byte{1}) }
	voter := func(name string) raft.Server { return raft.Server{ID: raft.ServerID(id(name)), Suffrage: raft.Voter} }
	other := func(name string) raft.Server {
		return raft.Server{ID: raft.ServerID(id(name)), Suffrage: raft.Nonvoter}
	}
	ours := [16]byte{7}
	here := func(name string) Member { return Member{Name: name, RaftID: id(name), Council: ours} }
	with := func(m Member, change func(*Member)) Member { change(&m); return m }
	drains := func(m *Member) { m.Draining = true }
	failed := func(m *Member) { m.Failed = true }
	newDisk := func(m *Member) { m.RaftID = RaftID(m.Name, [16]byte{2}) }
	long := map[string]time.Duration{id("c"): time.Hour, id("d"): 3 * time.Hour}
	for _, test := range []struct {
		name    string
		members []raft.Server
		nodes   []Member
		want    step
	}{
		{"nothing", []raft.Server{voter("a")}, []Member{here("a")}, step{}},
		{"a newcomer", []raft.Server{voter("a")}, []Member{here("a"), here("b")}, step{add, id("b")}},
		{"of another council", []raft.Server{voter("a")}, []Member{here("a"), with(here("b"), func(m *Member) { m.Council[0]++ })}, step{}},
		{"one that drains is not added", []raft.Server{voter("a")}, []Member{here("a"), with(here("b"), drains)}, step{}},
		{"one that has failed is not added", []raft.Server{voter("a")}, []Member{here("a"), with(here("b"), failed)}, step{}},
		{"two have one voter", []raft.Server{voter("a"), other("b")}, []Member{here("a"), here("b")}, step{}},
		{"three have three", []raft.Server{voter("a"), other("n-10"), other("n-9")}, []Member{here("a"), here("n-10"), here("n-9")}, step{promote, id("n-9")}},
		{"one too many, the leader's own the highest", []raft.Server{voter("a"), voter("n-1"), other("c")}, []Member{here("a"), here("n-1"), with(here("c"), drains)}, step{handOver, id("a")}},
		{
			"one too many",
			[]raft.Server{voter("a"), voter("n-1"), voter("b"), voter("c"), voter("n-2"), other("n-3")},
			[]Member{here("a"), here("n-1"), here("b"), here("c"), here("n-2"), with(here("n-3"), drains)},
			step{},
		},
		{
			"four votes",
			[]raft.Server{voter("a"), voter("n-1"), voter("b"), voter("n-2")},
			[]Member{here("a"), here("n-1"), here("b"), here("n-2")},
			step{demote, id("b")},
		},
		{"a new disk is added", []raft.Server{voter("a"), voter("b")}, []Member{here("a"), with(here("b"), newDisk)}, step{add, RaftID("b", [16]byte{2})}},
		{
			"the old one's vote goes",
			[]raft.Server{voter("a"), voter("b"), {ID: raft.ServerID(RaftID("b", [16]byte{2})), Suffrage: raft.Nonvoter}},
			[]Member{here("a"), with(here("b"), newDisk)},
			step{demote, id("b")},
		},
		{
			"and then the old one",
			[]raft.Server{voter("a"), other("b"), {ID: raft.ServerID(RaftID("b", [16]byte{2})), Suffrage: raft.Nonvoter}},
			[]Member{here("a"), with(here("b"), newDisk)},
			step{remove, id("b")},
		},
		{"gone, and nobody else", []raft.Server{voter("a"), voter("b"), voter("c")}, []Member{here("a"), here("b"), with(here("c"), failed)}, step{}},
		{"gone, and another", []raft.Server{voter("a"), voter("b"), voter("c"), other("e")}, []Member{here("a"), here("b"), with(here("c"), failed), here("e")}, step{promote, id("e")}},
		{"the other has it", []raft.Server{voter("a"), voter("b"), voter("c"), voter("e")}, []Member{here("a"), here("b"), with(here("c"), failed), here("e")}, step{demote, id("c")}},
		{"the leader drains", []raft.Server{voter("a"), other("b")}, []Member{with(here("a"), drains), here("b")}, step{promote, id("b")}},
		{"and hands over", []raft.Server{voter("a"), voter("b")}, []Member{with(here("a"), drains), here("b")}, step{handOver, id("a")}},
		{"all drain", []raft.Server{voter("a"), other("b")}, []Member{with(here("a"), drains), with(here("b"), drains)}, step{}},
		{"forgotten", []raft.Server{voter("a"), other("d")}, []Member{here("a")}, step{remove, id("d")}},
		{"a forgotten voter", []raft.Server{voter("a"), voter("b"), voter("d")}, []Member{here("a"), here("b")}, step{demote, id("d")}},
	} {
		o := Options{ReplaceAfter: time.Minute, ForgetAfter: 2 * time.Hour}
		v := &view{
			self: id("a"), council: ours, members: test.members, nodes: map[string]Member{}, gone: long,
			barred: func(string) bool { return true }, o: &o,
		}
		for _, n := range test.nodes {
			v.nodes[n.Name] = n
		}
		if got := v.plan(); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestAHalfFoundedCouncil opens what a power cut has left of a founding, at each
// of its writes.
func TestAHalfFoundedCouncil(t *testing.T) {
	for writes := range 4 {
		bubble(t, func(t *testing.T, w *world) {
			n := w.add("only")
			w.tune = func(o *Options) { o.Alone = true }
			w.open(n)
			w.until("the council is founded", time.Minute, func() bool { return n.Status().ID != ([16]byte{}) })
			w.stop(n)
			whole := n.disk
			n.disk = newDisk()
			n.disk.data[diskKey], n.disk.data[councilKey] = whole.data[diskKey], whole.data[councilKey]
			for i, key := range []string{foundKey, stableKeys + "CurrentTerm", string(logKey(1))} {
				if i < writes {
					n.disk.data[key] = whole.data[key]
				}
			}
			w.open(n)
			if writes == 0 { // it is a member that has lost its log, which no founding leaves
				time.Sleep(time.Minute)
				if n.leased() {
					t.Error("it has founded a council that there was")
				}
				return
			}
			w.settle(1)
			w.purge(n, "x", time.Second)
		})
	}
}
