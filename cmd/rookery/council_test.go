package main

import (
	"bytes"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/council"
)

func TestForget(t *testing.T) {
	f := done()
	env := governed(t, f)
	rookery(t, env, "forget", "rook-2").isDone(t, "rook-2 is forgotten\n")
	rookery(t, env, "forget", "rook-3", "--json").isDone(t, "{\n  \"forgotten\": \"rook-3\"\n}\n")
	r := rookery(t, env, "forget", "rook-9")
	if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, "forget rook-9: no such member") {
		t.Errorf("%+v", r)
	}
	if r := rookery(t, env, "forget"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(f.forgot, []string{"rook-2", "rook-3"}) {
		t.Errorf("forgot %v", f.forgot)
	}
}

func TestNewCouncilAsks(t *testing.T) {
	for _, c := range []struct {
		typed string
		code  int
	}{{"yes\n", exitDone}, {" yes \n", exitDone}, {"yes", exitDone}, {"y\n", exitFailed}, {"no\nyes\n", exitFailed}, {"", exitFailed}, {"\n", exitFailed}} {
		f := done()
		f.status = council.Status{ID: [16]byte{0xab}, Voters: []string{"rook-0", "rook-1"}, Applied: 5, Commit: 5}
		env := governed(t, f)
		var stdout, stderr bytes.Buffer
		p := &process{stdin: strings.NewReader(c.typed), stdout: &stdout, stderr: &stderr, getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
		code := runCommand(t.Context(), []string{"council", "new"}, p)
		if code != c.code || (f.founds == 1) != (c.code == exitDone) || !strings.Contains(stderr.String(), "leader -, voters rook-0, rook-1") {
			t.Errorf("%q: exit code %d, %d councils, stderr %s", c.typed, code, f.founds, stderr.String())
		}
		if want := "council cd000000000000000000000000000000, leader -, voters rook-0; applied 0 of 0\n"; code == exitDone && stdout.String() != want {
			t.Errorf("stdout %q", stdout.String())
		}
	}
}

func TestNewCouncilWithoutAsking(t *testing.T) {
	f := done()
	r := rookery(t, governed(t, f), "council", "new", "--yes", "--json")
	if r.code != exitDone || r.stderr != "" || !strings.Contains(r.stdout, `"id": "cd000000000000000000000000000000"`) || f.founds != 1 {
		t.Errorf("%+v", r)
	}
	if r := rookery(t, nil, "council"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}

// A council that has a leader is not lost, whatever was typed.
func TestNewCouncilBesideALivingOne(t *testing.T) {
	f := done()
	f.status = council.Status{ID: [16]byte{0xab}, Leader: "rook-1", Voters: []string{"rook-0", "rook-1"}}
	r := rookery(t, governed(t, f), "council", "new", "--yes")
	if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, "rook-1 leads it") || f.founds != 0 {
		t.Errorf("%+v, %d councils", r, f.founds)
	}
}

func TestStatusShowsCouncilAndLease(t *testing.T) {
	f := done()
	f.status = council.Status{ID: [16]byte{0xab}, Leader: "rook-1", Voters: []string{"rook-0", "rook-1"}, Applied: 40, Commit: 41, Waiting: 2}
	until := time.Date(2026, 3, 4, 12, 0, 3, 500e6, time.UTC)
	env := node(t, func(o *admin.Options) {
		o.Council, o.LeaseEnd = f, func() time.Time { return until }
		o.Now = func() time.Time { return until.Add(-time.Second) }
	})
	r := rookery(t, env, "status")
	for _, want := range []string{
		"council  leader rook-1, voters rook-0, rook-1; applied 40 of 41; purges that wait for a quorum: 2\n",
		"lease    held until 12:00:03.500 UTC\n",
	} {
		if r.code != exitDone || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in %+v", want, r)
		}
	}
}

// drain waits until nobody answers at the node's address any more.
func TestDrain(t *testing.T) {
	var srv *httptest.Server
	drained := make(chan struct{})
	env := node(t, func(o *admin.Options) {
		o.Drain = func() { close(drained) }
		srv = httptest.NewServer(admin.New(*o))
	})
	env["ROOKERY_ADMIN"] = srv.URL
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-drained
		srv.Close()
	}()
	rookery(t, env, "drain").isDone(t, "draining\nended\n")
	<-ended

	asked := 0
	env = node(t, func(o *admin.Options) { o.Drain = func() { asked++ } })
	rookery(t, env, "drain", "--wait", "0", "--json").isDone(t, "{\n  \"draining\": true\n}\n")
	r := rookery(t, env, "drain", "--wait", "10ms")
	if r.code != exitFailed || r.stdout != "draining\n" || !strings.Contains(r.stderr, "has not ended after 10ms") || asked != 2 {
		t.Errorf("%+v, asked %d times", r, asked)
	}
	if r := rookery(t, env, "drain", "--wait", "-1s"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}
