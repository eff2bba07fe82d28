package admin_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/admin"
	"rookery/council"
	"rookery/object"
	"rookery/purge"
	"rookery/store"
)

// governedForReal is a node alone with a real council, whose log is on a real disk.
func governedForReal(t *testing.T) (url string, state *purge.State) {
	t.Helper()
	log, set := slog.New(slog.DiscardHandler), metrics.NewSet()
	s, err := store.Open(store.Options{Dir: t.TempDir(), Capacity: 1 << 30, IndexMemory: 8 << 20, Log: log, Metrics: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	disk, err := s.Durable(t.Context(), "council")
	if err != nil {
		t.Fatal(err)
	}
	state = purge.NewState()
	c, err := council.Open(council.Options{
		Name: "rook-0", Disk: disk, State: state, Alone: true, Founder: true, Heartbeat: 200 * time.Millisecond,
		Directory: func() []council.Member { return []council.Member{{Name: "rook-0", RaftID: "rook-0/x"}} },
		Log:       log, Metrics: set,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	select {
	case <-c.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the council grants no lease")
	}
	opts := fixture()
	opts.Council, opts.LeaseEnd, opts.Now = c, state.LeaseEnd, time.Now
	opts.Origins = map[string][]string{"acme": {"public"}}
	return listen(t, opts).URL, state
}

// With the council itself behind it: what is purged is dead, and what is told is so.
func TestPurgeWithACouncil(t *testing.T) {
	url, state := governedForReal(t)
	before := state.Note()
	judge := func(name string) purge.Verdict {
		return state.Judge(object.Key{Bucket: "public", Name: name}, nil, before)
	}

	var got admin.Purge
	res, body := post(t, url+"/admin/cache/purge", `{"bucket":"public","keys":["a","b"],"id":"x","wait":"10s"}`)
	if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d, %v: %s", res.StatusCode, err, body)
	}
	if !got.Complete || got.Number == 0 || len(got.Nodes) != 1 || got.Nodes[0].Name != "rook-0" || !got.Nodes[0].Applied || len(got.Scope.Keys) != 2 {
		t.Errorf("%+v", got)
	}
	if judge("a") != purge.Dead || judge("b") != purge.Dead || judge("c") != purge.Alive {
		t.Errorf("a %v, b %v, c %v", judge("a"), judge("b"), judge("c"))
	}
	first := got.Number
	for _, again := range []string{"post", "get"} {
		if again == "post" {
			res, body = post(t, url+"/admin/cache/purge", `{"bucket":"public","keys":["a","b"],"id":"x","wait":"10s"}`)
		} else {
			res, body = ask(t, "GET", url+"/admin/cache/purges/x", "Bearer "+token)
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 200 || got.Number != first {
			t.Errorf("%s again: status %d, %v: %s", again, res.StatusCode, err, body)
		}
	}
	res, body = post(t, url+"/admin/cache/purge", `{"bucket":"public","id":"x"}`)
	checkFailure(t, res, body, 409, "id_conflict", `"x"`)
	res, body = ask(t, "GET", url+"/admin/cache/purges/nosuch", "Bearer "+token)
	checkFailure(t, res, body, 404, "unknown_purge", `"nosuch"`)
	res, body = post(t, url+"/admin/forget", `{"name":"rook-9"}`)
	checkFailure(t, res, body, 404, "unknown_member", "rook-9")

	events(t, url+"/admin/events/s3", records(record("ObjectCreated:Put", "c", "1")))
	if judge("c") != purge.Dead {
		t.Errorf("c is %v after an event", judge("c"))
	}
	_, body = ask(t, "GET", url+"/admin/cluster", "Bearer "+token)
	for _, want := range []string{`"leader":"rook-0","voters":["rook-0"],"members":["rook-0"]`, `"lease":{"held":true,"until":"`} {
		if !strings.Contains(compact(t, body), want) {
			t.Errorf("no %s in %s", want, compact(t, body))
		}
	}
}

// 1,000 events a second hold up in batches, on a disk that syncs, and about as many
// one by one. What is demanded leaves room for a machine that does other things.
func TestEventsWithACouncil(t *testing.T) {
	url, state := governedForReal(t)
	rate := func(what string, requests, senders, records int) float64 {
		start, before := time.Now(), state.Note().Applied
		work := make(chan int)
		var group sync.WaitGroup
		for range senders {
			group.Go(func() {
				for n := range work {
					if res, body := post(t, url+"/admin/events/s3", batchOf(n*1_000_000, records)); res.StatusCode != 200 {
						t.Errorf("status %d, %.200s", res.StatusCode, body)
					}
				}
			})
		}
		for n := range requests {
			work <- n + int(before)*1000
		}
		close(work)
		group.Wait()
		perSecond := float64(requests*records) / time.Since(start).Seconds()
		t.Logf("%s: %.0f events a second, %d requests took %d entries", what, perSecond, requests, state.Note().Applied-before)
		return perSecond
	}
	if r := rate("batches of 1,000, one after the other", 10, 1, 1000); r < 2000 {
		t.Errorf("%.0f events a second", r)
	}
	if r := rate("batches of 1,000, four at once", 20, 4, 1000); r < 2000 {
		t.Errorf("%.0f events a second", r)
	}
	// How many share an entry depends on the disk; that they do is shown elsewhere.
	if r := rate("single events, fifty at once", 2000, 50, 1); r < 200 {
		t.Errorf("%.0f events a second", r)
	}
}
