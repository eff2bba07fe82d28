package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

func newRoster() *roster {
	return &roster{self: "a", own: sampleMeta(), members: map[string]Member{}}
}

func said(s State, address string) sighting {
	m := sampleMeta()
	m.state = s
	return sighting{meta: m.encode(), address: address}
}

func TestRosterForgetsTheSilent(t *testing.T) {
	r, now := newRoster(), time.Unix(1_000_000, 0)
	r.apply(map[string]sighting{"a": said(Ready, "10.0.0.1:1"), "b": said(Ready, "10.0.0.2:1")}, now)
	silent := said(Ready, "10.0.0.2:1")
	silent.gone = true
	now = now.Add(time.Minute)
	changes := r.apply(map[string]sighting{"b": silent}, now)
	if len(changes) != 1 || changes[0].before.State != Ready || changes[0].after.State != Failed || !changes[0].after.Since.Equal(now) {
		t.Fatalf("changes %+v", changes)
	}
	if got := r.owners(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("owners %q", got)
	}
	// Hearing again that it is silent does not start its hour anew.
	if changes := r.apply(map[string]sighting{"b": silent}, now.Add(failedFor-1)); len(changes) != 0 {
		t.Errorf("changes without news: %+v", changes)
	}
	changes = r.apply(nil, now.Add(failedFor))
	if len(changes) != 1 || changes[0].before.Name != "b" || changes[0].after.Name != "" || len(r.list()) != 1 {
		t.Errorf("after an hour: changes %+v, members %+v", changes, r.list())
	}
}

func TestRosterTellsLeavingFromFailing(t *testing.T) {
	r, now := newRoster(), time.Unix(1_000_000, 0)
	r.apply(map[string]sighting{"b": said(Draining, "10.0.0.2:1")}, now)
	gone := said(Draining, "10.0.0.2:1")
	gone.gone = true
	if changes := r.apply(map[string]sighting{"b": gone}, now); len(changes) != 1 || changes[0].after.Name != "" {
		t.Errorf("changes %+v", changes)
	}
	if changes := r.apply(map[string]sighting{"never": gone}, now); len(changes) != 0 || len(r.list()) != 0 {
		t.Errorf("a member that was never seen has left: %+v", changes)
	}
}

func TestRosterKeepsSinceWhileTheStateStays(t *testing.T) {
	r, start := newRoster(), time.Unix(1_000_000, 0)
	r.apply(map[string]sighting{"b": said(Ready, "10.0.0.2:1")}, start)
	moved := said(Ready, "10.0.0.3:1")
	changes := r.apply(map[string]sighting{"b": moved}, start.Add(time.Second))
	if len(changes) != 1 || changes[0].after.GossipAddress != "10.0.0.3:1" || !changes[0].after.Since.Equal(start) {
		t.Errorf("changes %+v", changes)
	}
}

func TestInboxKeepsTheLatestOfEachAndNeverBlocks(t *testing.T) {
	b := newInbox("self")
	node := func(name string, i int) *memberlist.Node {
		return &memberlist.Node{Name: name, Addr: []byte{10, 0, 0, byte(i)}, Port: 7946, Meta: []byte(fmt.Sprint(i))}
	}
	for i := range 100 {
		b.NotifyUpdate(node("x", i))
		b.NotifyJoin(node("self", i))
		b.NotifyConflict(node("x", 1), node("x", i))
	}
	gone := node("y", 7)
	b.NotifyLeave(gone)
	gone.Meta[0] = '?' // memberlist's own from here on
	news, conflicts := b.take()
	if len(news) != 2 || string(news["x"].meta) != "99" || news["x"].address != "10.0.0.99:7946" ||
		!news["y"].gone || string(news["y"].meta) != "7" {
		t.Errorf("news %+v", news)
	}
	if len(conflicts) != 1 || conflicts["x"].other != "10.0.0.99:7946" {
		t.Errorf("conflicts %+v", conflicts)
	}
	if len(b.wake) != 1 {
		t.Error("nobody was woken")
	}
	if news, conflicts := b.take(); len(news) != 0 || len(conflicts) != 0 {
		t.Errorf("taken twice: %+v %+v", news, conflicts)
	}
}
