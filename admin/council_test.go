package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rookery/admin"
	"rookery/council"
	"rookery/purge"
)

// fakeCouncil stands for the log: it numbers what it is given, knows every id, and
// reports what the test says. It is safe for concurrent use.
type fakeCouncil struct {
	mu      sync.Mutex
	batches [][]purge.Order // one for each entry of the log
	waits   []time.Duration
	known   map[string]*council.Report
	nodes   []council.Progress
	done    bool  // purges are complete at once
	err     error // of everything
	status  council.Status
	forgot  []string
}

func (f *fakeCouncil) Purge(ctx context.Context, o purge.Order, wait time.Duration) (*council.Report, error) {
	reports, err := f.PurgeMany(ctx, []purge.Order{o}, wait)
	if err != nil {
		return nil, err
	}
	return reports[0], nil
}

func (f *fakeCouncil) PurgeMany(_ context.Context, orders []purge.Order, wait time.Duration) ([]*council.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	f.batches, f.waits = append(f.batches, orders), append(f.waits, wait)
	var reports []*council.Report
	for _, o := range orders {
		if err := o.Check(); err != nil {
			return nil, err
		}
		old := f.known[o.ID]
		if old == nil {
			old = &council.Report{ID: o.ID, Order: o, Number: uint64(len(f.batches)), Complete: f.done, Nodes: f.nodes}
			f.known[o.ID] = old
		}
		if !reflect.DeepEqual(old.Order, o) {
			return nil, fmt.Errorf("%w: %q", council.ErrConflict, o.ID)
		}
		reports = append(reports, old)
	}
	return reports, nil
}

func (f *fakeCouncil) Progress(_ context.Context, id string) (*council.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	if r := f.known[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %q", council.ErrUnknown, id)
}

func (f *fakeCouncil) Status() council.Status { return f.status }

func (f *fakeCouncil) Forget(_ context.Context, name string) error {
	if f.err != nil {
		return f.err
	}
	if !slices.Contains(f.status.Members, name) {
		return fmt.Errorf("forget %s: %w", name, council.ErrNoMember)
	}
	if name == "rook-1" {
		return fmt.Errorf("forget %s: %w", name, council.ErrAlive)
	}
	f.forgot = append(f.forgot, name)
	return nil
}

func (f *fakeCouncil) Found(context.Context) error {
	if f.err == nil {
		f.status = council.Status{ID: [16]byte{0xcd}, Leader: "rook-0", Voters: []string{"rook-0"}, Members: []string{"rook-0"}}
	}
	return f.err
}

// orders returns everything that was ordered, in order.
func (f *fakeCouncil) orders() []purge.Order {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.batches...)
}

// last returns the newest order.
func (f *fakeCouncil) last(t *testing.T) purge.Order {
	t.Helper()
	all := f.orders()
	if len(all) == 0 {
		t.Fatal("nothing was ordered")
	}
	return all[len(all)-1]
}

func newCouncil() *fakeCouncil {
	return &fakeCouncil{
		known: make(map[string]*council.Report), done: true,
		nodes: []council.Progress{{Name: "rook-0", Applied: true, Took: 3 * time.Millisecond}, {Name: "rook-1", Applied: true, Took: 5 * time.Millisecond}},
		status: council.Status{
			ID: [16]byte{0xab, 15: 0x01}, Leader: "rook-1", Term: 4, Voters: []string{"rook-0", "rook-1"},
			Members: []string{"rook-0", "rook-1", "rook-2"}, Applied: 40, Commit: 41, Waiting: 2,
		},
	}
}

// governed is a node with a council.
func governed(t *testing.T, c admin.Council) (url string) {
	t.Helper()
	opts := fixture()
	opts.Council = c
	return listen(t, opts).URL
}

// post sends a body with the token.
func post(t *testing.T, url, body string) (*http.Response, string) {
	t.Helper()
	return send(t, url, body, "Bearer "+token)
}

func send(t *testing.T, url, body, authorization string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(answer)
}

func TestClusterTellsOfCouncilAndLease(t *testing.T) {
	opts := fixture()
	opts.Council = newCouncil()
	until := noon.Add(3 * time.Second)
	opts.LeaseEnd = func() time.Time { return until }
	opts.Cluster = func() admin.Cluster { return admin.Cluster{Fingerprint: "f1"} }
	url := listen(t, opts).URL + "/admin/cluster"
	const council = `{"members":[],"fingerprint":"f1","council":{"id":"ab000000000000000000000000000001","leader":"rook-1",` +
		`"voters":["rook-0","rook-1"],"members":["rook-0","rook-1","rook-2"],"term":4,"applied":40,"commit":41,"waiting_purges":2},`
	for end, want := range map[time.Time]string{
		until: `"lease":{"held":true,"until":"2026-03-04T12:00:03Z"}}`,
		noon:  `"lease":{"held":false,"until":"2026-03-04T12:00:00Z"}}`,
		{}:    `"lease":{"held":false,"until":null}}`,
	} {
		until = end
		if _, body := ask(t, "GET", url, "Bearer "+token); compact(t, body) != council+want {
			t.Errorf("got  %s\nwant %s", compact(t, body), council+want)
		}
	}
}

func TestForget(t *testing.T) {
	c := newCouncil()
	url := governed(t, c) + "/admin/forget"
	res, body := post(t, url, `{"name":"rook-2"}`)
	if res.StatusCode != 200 || compact(t, body) != `{"forgotten":"rook-2"}` || !slices.Equal(c.forgot, []string{"rook-2"}) {
		t.Errorf("status %d, %s, forgot %v", res.StatusCode, body, c.forgot)
	}
	res, body = post(t, url, `{"name":"rook-9"}`)
	checkFailure(t, res, body, 404, "unknown_member", "rook-9")
	res, body = post(t, url, `{"name":"rook-1"}`)
	checkFailure(t, res, body, 409, "member_alive", "rook-1: the member is alive")
	for sent, message := range map[string]string{
		``: "JSON object", `{}`: `{"name"`, `{"name":""}`: `{"name"`, `{"name":null}`: "null", `{"name":7}`: `"name"`,
		`{"name":"rook-1","force":true}`: `"force"`, `{"Name":"rook-1"}`: `{"name"`, `{"name":"a"}{}`: "follows",
	} {
		res, body := post(t, url, sent)
		checkFailure(t, res, body, 400, "bad_request", message)
	}
	if len(c.forgot) != 1 {
		t.Errorf("a bad request forgot %v", c.forgot)
	}
}

func TestNewCouncil(t *testing.T) {
	c := newCouncil()
	url := governed(t, c) + "/admin/council/new"
	res, body := post(t, url, `{"force":true}`)
	checkFailure(t, res, body, 400, "bad_request", "no body")
	res, body = post(t, url, "")
	checkFailure(t, res, body, 409, "council_alive", "rook-1 leads it")
	if c.status.ID != ([16]byte{0xab, 15: 0x01}) {
		t.Error("a council that has a leader was replaced")
	}
	c.status.Leader = ""
	res, body = post(t, url, "")
	if res.StatusCode != 200 || !strings.HasPrefix(compact(t, body), `{"id":"cd000000000000000000000000000000","leader":"rook-0"`) {
		t.Errorf("status %d, %s", res.StatusCode, body)
	}
	c.err, c.status.Leader = errors.New("disk full"), ""
	res, body = post(t, url, "")
	checkFailure(t, res, body, 503, "unavailable", "disk full")
}

func TestDrain(t *testing.T) {
	opts := fixture()
	url := listen(t, opts).URL + "/admin/drain"
	res, body := post(t, url, "")
	checkFailure(t, res, body, 503, "unavailable", "end its process")

	drained := 0
	opts.Drain = func() { drained++ }
	url = listen(t, opts).URL + "/admin/drain"
	res, body = post(t, url, "x")
	checkFailure(t, res, body, 400, "bad_request", "no body")
	if res, body = post(t, url, ""); res.StatusCode != 202 || compact(t, body) != `{"draining":true}` || drained != 1 {
		t.Errorf("status %d, %s, drained %d times", res.StatusCode, body, drained)
	}
}

func TestWithoutACouncil(t *testing.T) {
	srv := listen(t, fixture())
	belongsNowhere := newCouncil()
	belongsNowhere.err, belongsNowhere.status = council.ErrNoCouncil, council.Status{}
	for _, url := range []string{srv.URL, governed(t, belongsNowhere)} {
		for path, body := range map[string]string{
			"/admin/cache/purge": `{"all":true}`, "/admin/cache/purge/public": "", "/admin/cache/purge/public/a": "",
			"/admin/forget": `{"name":"rook-1"}`, "/admin/council/new": "",
		} {
			res, answer := post(t, url+path, body)
			checkFailure(t, res, answer, 503, "no_council", "no council")
			if url != srv.URL && res.Header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", path)
			}
		}
		res, answer := ask(t, "GET", url+"/admin/cache/purges/x", "Bearer "+token)
		checkFailure(t, res, answer, 503, "no_council", "no council")
	}
}
