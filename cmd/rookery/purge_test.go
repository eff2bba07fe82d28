package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rookery/admin"
	"rookery/council"
	"rookery/purge"
)

// fakeCouncil stands for the council at the seam of the admin listener: it reports
// one step of a purge after the other, the last one again and again.
type fakeCouncil struct {
	mu     sync.Mutex
	orders []purge.Order
	waits  []time.Duration
	asked  []string
	steps  []council.Report
	lost   []error // what the first questions of how far it is meet
	err    error
	status council.Status
	forgot []string
	founds int
}

func (f *fakeCouncil) Purge(_ context.Context, o purge.Order, wait time.Duration) (*council.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	f.orders, f.waits = append(f.orders, o), append(f.waits, wait)
	return f.step(o.ID), nil
}

func (f *fakeCouncil) PurgeMany(context.Context, []purge.Order, time.Duration) ([]*council.Report, error) {
	return nil, errors.New("the commands do not ask for many")
}

func (f *fakeCouncil) Progress(_ context.Context, id string) (*council.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, id)
	if len(f.lost) > 0 {
		err := f.lost[0]
		f.lost = f.lost[1:]
		return nil, err
	}
	return f.step(id), nil
}

func (f *fakeCouncil) step(id string) *council.Report {
	r := f.steps[0]
	if len(f.steps) > 1 {
		f.steps = f.steps[1:]
	}
	r.ID, r.Order = id, f.orders[0]
	return &r
}

func (f *fakeCouncil) Status() council.Status { return f.status }

func (f *fakeCouncil) Forget(_ context.Context, name string) error {
	if name == "rook-9" {
		return fmt.Errorf("forget %s: %w", name, council.ErrNoMember)
	}
	f.forgot = append(f.forgot, name)
	return nil
}

func (f *fakeCouncil) Found(context.Context) error {
	f.founds++
	f.status = council.Status{ID: [16]byte{0xcd}, Voters: []string{"rook-0"}}
	return nil
}

func progress(number uint64, complete bool, nodes ...council.Progress) council.Report {
	return council.Report{Number: number, Complete: complete, Nodes: nodes}
}

func applied(name string, ms int) council.Progress {
	return council.Progress{Name: name, Applied: true, Took: time.Duration(ms) * time.Millisecond}
}

func done() *fakeCouncil {
	return &fakeCouncil{steps: []council.Report{progress(7, true, applied("rook-0", 3))}}
}

func governed(t *testing.T, f *fakeCouncil) (env map[string]string) {
	t.Helper()
	return node(t, func(o *admin.Options) { o.Council = f })
}

func TestPurgeShowsNodeByNode(t *testing.T) {
	waiting, away := council.Progress{Name: "rook-1"}, council.Progress{Name: "rook-2"}
	excused := council.Progress{Name: "rook-2", Excused: true}
	f := &fakeCouncil{steps: []council.Report{
		progress(0, false),
		progress(7, false, applied("rook-0", 3), waiting, away),
		progress(7, false, applied("rook-0", 3), applied("rook-1", 41), away),
		progress(7, true, applied("rook-0", 3), applied("rook-1", 41), excused),
	}}
	r := rookery(t, governed(t, f), "purge", "--bucket", "public", "--key", "a,b c", "--id", "a/b")
	r.isDone(t, "purge a/b\nkept by the node until the council has a quorum\nrook-0  applied after 3 ms\nrook-1  applied after 41 ms\n"+
		"rook-2  away, without a lease: serves nothing unconfirmed\ncomplete\n")
	if !slices.Equal(f.asked, []string{"a/b", "a/b", "a/b"}) {
		t.Errorf("asked for %q", f.asked)
	}
}

// A leader that changes meanwhile is no reason to give up: the purge is kept.
func TestPurgeAsksAgain(t *testing.T) {
	f := &fakeCouncil{
		steps: []council.Report{progress(7, false, council.Progress{Name: "rook-0"}), progress(7, true, applied("rook-0", 9))},
		lost:  []error{errors.New("no leader"), errors.New("no leader")},
	}
	rookery(t, governed(t, f), "purge", "--all", "--id", "x").isDone(t, "purge x\nrook-0  applied after 9 ms\ncomplete\n")
	if len(f.asked) != 3 {
		t.Errorf("asked %d times", len(f.asked))
	}
}

func TestPurgeScopes(t *testing.T) {
	one := func(kind purge.Kind, names ...string) (scopes []purge.Scope) {
		for _, n := range names {
			scopes = append(scopes, purge.Scope{Kind: kind, Bucket: "public", Name: n})
		}
		return scopes
	}
	for _, c := range []struct {
		args string
		want []purge.Scope
	}{
		{"--bucket public", one(purge.Bucket, "")},
		{"--bucket public --key a,b", one(purge.Object, "a,b")},
		{"--bucket public --key a --key -b", one(purge.Object, "a", "-b")},
		{"--bucket public --prefix img/", one(purge.Prefix, "img/")},
		{"--bucket public --tag t --tag u", one(purge.Tag, "t", "u")},
		{"--all", []purge.Scope{{Kind: purge.All}}},
	} {
		for _, soft := range []bool{false, true} {
			f, args := done(), append([]string{"purge"}, strings.Fields(strings.Replace(c.args, "--key -", "--key=-", 1))...)
			if soft {
				args = append(args, "--soft")
			}
			r := rookery(t, governed(t, f), args...)
			if r.code != exitDone || len(f.orders) != 1 || !slices.Equal(f.orders[0].Scopes, c.want) || f.orders[0].Soft != soft {
				t.Errorf("%s: %+v, ordered %+v", c.args, r, f.orders)
			}
			if f.waits[0] != 2*time.Second || len(f.orders[0].ID) < 20 {
				t.Errorf("%s: waits %v, id %q", c.args, f.waits, f.orders[0].ID)
			}
		}
	}
}

// Who waits for a purge and does not get it must notice; who does not wait has all
// that was asked for.
func TestPurgeThatTakesTooLong(t *testing.T) {
	pending := progress(7, false, applied("rook-0", 3), council.Progress{Name: "rook-1"}, council.Progress{Name: "rook-2"})
	for _, c := range []struct {
		step             council.Report
		waiting, printed string
	}{
		{pending, "rook-1, rook-2", "pending: rook-1, rook-2\n"},
		{progress(0, false), "a quorum of the council", "pending: a quorum of the council\n"},
		{progress(7, false, applied("rook-0", 3)), "leases to end", "pending: leases to end\n"},
	} {
		f := &fakeCouncil{steps: []council.Report{c.step}}
		r := rookery(t, governed(t, f), "purge", "--all", "--id", "x", "--wait", "10ms")
		if r.code != exitFailed || !strings.HasSuffix(r.stdout, c.printed) ||
			!strings.Contains(r.stderr, "not complete after 10ms, waiting for "+c.waiting+";") || !strings.Contains(r.stderr, "--id x") {
			t.Errorf("%+v", r)
		}
		if f.waits[0] != 10*time.Millisecond {
			t.Errorf("the node was to wait for %v", f.waits[0])
		}
		f = &fakeCouncil{steps: []council.Report{c.step}}
		r = rookery(t, governed(t, f), "purge", "--all", "--wait", "0")
		if r.code != exitDone || r.stderr != "" || !strings.HasSuffix(r.stdout, c.printed) || f.waits[0] != 0 || len(f.asked) != 0 {
			t.Errorf("%+v, waits %v, asked %v", r, f.waits, f.asked)
		}
	}
}

func TestPurgeForMachines(t *testing.T) {
	f := &fakeCouncil{steps: []council.Report{progress(7, false, council.Progress{Name: "rook-0"}), progress(7, true, applied("rook-0", 9))}}
	rookery(t, governed(t, f), "purge", "--bucket", "public", "--key", "a&b", "--id", "x", "--json").isDone(t, `{
  "id": "x",
  "scope": {
    "bucket": "public",
    "key": "a&b"
  },
  "number": 7,
  "complete": true,
  "pending": [],
  "nodes": [
    {
      "name": "rook-0",
      "applied": true,
      "ms": 9
    }
  ]
}
`)
	f = &fakeCouncil{steps: []council.Report{progress(7, false, council.Progress{Name: "rook-0"})}}
	r := rookery(t, governed(t, f), "purge", "--all", "--wait", "1ms", "--json")
	var got admin.Purge
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got.Complete || r.code != exitFailed || r.stderr == "" {
		t.Errorf("%v in %+v", err, r)
	}
}

// The id is known even if the answer never came: with it the purge can be sent again.
func TestAFailedPurgeTellsItsID(t *testing.T) {
	f := done()
	f.err = errors.New("disk full")
	r := rookery(t, governed(t, f), "purge", "--all")
	if r.code != exitFailed || r.stdout != "" || !regexp.MustCompile(`^rookery: purge [A-Z2-7]{26}: .*disk full\n$`).MatchString(r.stderr) {
		t.Errorf("%+v", r)
	}
	r = rookery(t, governed(t, done()), "purge", "--bucket", "nosuch", "--id", "x")
	if r.code != exitFailed || !strings.Contains(r.stderr, "purge x: ") || !strings.Contains(r.stderr, `no bucket "nosuch"`) {
		t.Errorf("%+v", r)
	}
	r = rookery(t, node(t, nil), "purge", "--all")
	if r.code != exitFailed || !strings.Contains(r.stderr, "no council") {
		t.Errorf("%+v", r)
	}
}

// What answers for another purge, or for none, has not purged: a proxy in front, another
// program, or a node that was asked for something else under this id.
func TestPurgeThatAnotherAnswers(t *testing.T) {
	for _, answer := range []string{
		`{"complete": true}`, `{"id": "other", "complete": true, "number": 7}`, `{"status": "ok"}`, `{}`,
	} {
		var polled atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				polled.Add(1)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answer)
		}))
		r := rookery(t, map[string]string{"ROOKERY_ADMIN": srv.URL}, "purge", "--all", "--id", "x")
		srv.Close()
		if r.code != exitFailed || strings.Contains(r.stdout, "complete") || !strings.Contains(r.stderr, "purge x: ") || polled.Load() != 0 {
			t.Errorf("%s: %+v, asked %d times more", answer, r, polled.Load())
		}
	}
}

// A variable that was not set is a mistake, and never a wider purge.
func TestPurgeWrongUsage(t *testing.T) {
	f := done()
	env := governed(t, f)
	for _, args := range [][]string{
		{},
		{"--key", "a"},
		{"--prefix", "a"},
		{"--tag", "a"},
		{"--soft"},
		{"--bucket", "public", "--key", ""},
		{"--bucket", "public", "--key", "a", "--key", ""},
		{"--bucket", "public", "--prefix", ""},
		{"--bucket", "public", "--prefix="},
		{"--bucket", "public", "--tag", ""},
		{"--bucket", "public", "--key", "a", "--key", "caf\xe9"}, // JSON would make another name of it
		{"--bucket", "public", "--prefix", "caf\xe9"},
		{"--bucket", "public", "--tag", "caf\xe9"},
		{"--bucket", "public", "--id", "caf\xe9"},
		{"--bucket", ""},
		{"--bucket", "public", "--id", ""},
		{"--bucket", "public", "--key", "a", "--prefix", "b"},
		{"--bucket", "public", "--tag", "a", "--key", "b"},
		{"--all", "--bucket", "public"},
		{"--all", "--key", "a"},
		{"--all", "--wait", "-1s"},
		{"--all", "--wait", "soon"},
		{"--all", "more"},
	} {
		r := rookery(t, env, append([]string{"purge"}, args...)...)
		if r.code != exitUsage || r.stdout != "" || r.stderr == "" {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if len(f.orders) != 0 {
		t.Errorf("ordered %+v", f.orders)
	}
}
