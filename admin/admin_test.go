package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/object"
)

const token = "s3cret-token"

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// noCouncil is what a node without one says of it.
const noCouncil = `"council":{"id":"","leader":"","voters":[],"members":[],"term":0,"applied":0,"commit":0,"waiting_purges":0},` +
	`"lease":{"held":false,"until":null}`

// fixture is a node with one object of three and a half chunks, of which it
// holds the first two and the last, in a cluster of two.
func fixture() admin.Options {
	info := object.Info{
		Version: object.Version{0xab, 15: 0xcd}, Size: 3*object.ChunkBytes + object.ChunkBytes/2,
		ETag: `"e1"`, LastModified: noon.Add(-24 * time.Hour), Validated: noon.Add(-time.Minute),
		Header: []object.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "Vary", Value: "a"}, {Name: "Vary", Value: "b"}},
	}
	reads := admin.Reads{
		Hot: admin.Tier{Hits: 1, Misses: 2}, Disk: admin.Tier{Hits: 3, Misses: 4},
		Peer: admin.Tier{Hits: 5, Misses: 6}, Bypassed: 13, Collapsed: 14, Origin: admin.Origin{Requests: 7, Bytes: 8},
	}
	return admin.Options{
		Token: token, Buckets: []string{"public", "empty"},
		Health: func() admin.Health { return admin.Health{State: admin.HealthOK, Node: "rook-0", Version: "v1"} },
		Ready:  func() admin.Ready { return admin.Ready{Ready: true} },
		Cluster: func() admin.Cluster {
			return admin.Cluster{Fingerprint: "f1", Members: []admin.Member{
				{Name: "rook-0", State: "ready", Zone: "a", PeerAddress: "127.0.0.1:7947", Version: "v1"},
				{Name: "rook-1", State: "ready", Version: "v0", Unfit: "another ring scheme"},
			}}
		},
		Owners: func(_ object.Key, extent int64) []string {
			names := []string{"rook-0", "rook-1"}
			return []string{names[extent%2], names[(extent+1)%2]}
		},
		Stats: func() admin.Stats {
			return admin.Stats{
				Disk: admin.Disk{
					CapacityBytes: 100, UsedBytes: 50, Segments: 3, Evictions: 9,
					ReclaimedBytes: 10, ReinsertedBytes: 11, CorruptRecords: 12,
				},
				Hot: admin.Hot{CapacityBytes: 20, UsedBytes: 10, Entries: 2}, Flights: admin.Flights{Count: 1, Bytes: 1 << 20},
				Reads: reads, Buckets: map[string]admin.Reads{"public": reads},
			}
		},
		Held: func(key object.Key) (admin.Held, bool) {
			if key != (object.Key{Bucket: "public", Name: "a:b//c"}) {
				return admin.Held{}, false
			}
			return admin.Held{Info: info, Fresh: time.Hour, Hot: false, HasChunk: func(n int64) bool { return n != 2 }}, true
		},
		WriteMetrics: func(w io.Writer) { fmt.Fprint(w, "rookery_members 2\n") },
		Now:          func() time.Time { return noon },
		Log:          slog.New(slog.DiscardHandler),
	}
}

// listen serves opts on a real socket until the test ends.
func listen(t *testing.T, opts admin.Options) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(admin.New(opts))
	t.Cleanup(srv.Close)
	return srv
}

// ask sends one request, with authorization as it stands when it is not empty.
func ask(t *testing.T, method, url, authorization string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// compact strips the indentation of a JSON answer.
func compact(t *testing.T, body string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(body)); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, body)
	}
	return strings.TrimSpace(out.String())
}

func TestAnswers(t *testing.T) {
	srv := listen(t, fixture())
	const reads = `{"hot":{"hits":1,"misses":2},"disk":{"hits":3,"misses":4},"peer":{"hits":5,"misses":6},` +
		`"bypassed":13,"collapsed":14,"origin":{"requests":7,"bytes":8}}`
	const noReads = `{"hot":{"hits":0,"misses":0},"disk":{"hits":0,"misses":0},"peer":{"hits":0,"misses":0},` +
		`"bypassed":0,"collapsed":0,"origin":{"requests":0,"bytes":0}}`
	cases := []struct{ path, want string }{
		{"/health", `{"state":"ok","reasons":[],"node":"rook-0","version":"v1"}`},
		{"/ready", `{"ready":true,"reasons":[]}`},
		{"/admin/cluster", `{"members":[` +
			`{"name":"rook-0","state":"ready","zone":"a","peer_address":"127.0.0.1:7947","version":"v1"},` +
			`{"name":"rook-1","state":"ready","zone":"","peer_address":"","version":"v0","unfit":"another ring scheme"}],"fingerprint":"f1",` + noCouncil + `}`},
		{"/admin/ring?key=public:a%2Fb", `{"key":"public:a/b","extent":0,"owner":"rook-0","successors":["rook-1"]}`},
		{"/admin/ring?key=public:a&offset=67108863", `{"key":"public:a","extent":0,"owner":"rook-0","successors":["rook-1"]}`},
		{"/admin/ring?key=public:a&offset=67108864", `{"key":"public:a","extent":1,"owner":"rook-1","successors":["rook-0"]}`},
		{"/admin/ring?key=public:a%3Cb&versionId=v7", `{"key":"public:a<b?versionId=v7","extent":0,"owner":"rook-0","successors":["rook-1"]}`},
		{"/admin/cache/stats", `{"disk":{"capacity_bytes":100,"used_bytes":50,"segments":3,"full":false,"evictions":9,` +
			`"reclaimed_bytes":10,"reinserted_bytes":11,"corrupt_records":12},"hot":{"capacity_bytes":20,"used_bytes":10,"entries":2},` +
			`"flights":{"count":1,"bytes":1048576},"reads":` + reads + `,"buckets":{"public":` + reads + `}}`},
		{"/admin/cache/stats/public", `{"bucket":"public","reads":` + reads + `}`},
		{"/admin/cache/stats/empty", `{"bucket":"empty","reads":` + noReads + `}`},
		{"/admin/cache/info?key=public:a:b//c", `{"key":"public:a:b//c","size_bytes":3670016,"etag":"\"e1\"",` +
			`"last_modified":"2026-03-03T12:00:00Z","version":"ab0000000000000000000000000000cd","validated":"2026-03-04T11:59:00Z",` +
			`"ttl_seconds":3540,"headers":{"Content-Type":["text/plain"],"Vary":["a","b"]},"hot":false,` +
			`"chunks":{"total":4,"examined":4,"held":3,"ranges":[[0,1],[3,3]]},"extents":1,"owners":[{"extent":0,"owner":"rook-0"}]}`},
	}
	for _, c := range cases {
		t.Run(c.path, func(t *testing.T) {
			res, body := ask(t, "GET", srv.URL+c.path, "Bearer "+token)
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, headers %v", res.StatusCode, res.Header)
			}
			if got := compact(t, body); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			head, body := ask(t, "HEAD", srv.URL+c.path, "Bearer "+token)
			if head.StatusCode != 200 || body != "" || head.Header.Get("Content-Length") != res.Header.Get("Content-Length") {
				t.Errorf("HEAD: status %d, body %q, headers %v", head.StatusCode, body, head.Header)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	srv := listen(t, fixture())
	res, body := ask(t, "GET", srv.URL+"/metrics", "")
	if res.StatusCode != 200 || body != "rookery_members 2\n" {
		t.Errorf("status %d, body %q", res.StatusCode, body)
	}
	if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", got)
	}
}

func TestNotReady(t *testing.T) {
	opts := fixture()
	opts.Ready = func() admin.Ready { return admin.Ready{Reasons: []string{"1 of 3 members seen"}} }
	opts.Health = func() admin.Health {
		return admin.Health{State: admin.HealthDegraded, Reasons: []string{"disk full"}, Node: "rook-0", Version: "v1"}
	}
	srv := listen(t, opts)

	res, body := ask(t, "GET", srv.URL+"/ready", "")
	if want := `{"ready":false,"reasons":["1 of 3 members seen"]}`; res.StatusCode != 503 || compact(t, body) != want {
		t.Errorf("ready: status %d, body %s", res.StatusCode, body)
	}
	res, body = ask(t, "GET", srv.URL+"/health", "")
	want := `{"state":"degraded","reasons":["disk full"],"node":"rook-0","version":"v1"}`
	if res.StatusCode != 200 || compact(t, body) != want {
		t.Errorf("health: a full disk is no outage: status %d, body %s", res.StatusCode, body)
	}
}

func TestEmptyNode(t *testing.T) {
	opts := fixture()
	opts.Owners = func(object.Key, int64) []string { return nil }
	opts.Cluster = func() admin.Cluster { return admin.Cluster{Fingerprint: "f1"} }
	opts.Stats = func() admin.Stats { return admin.Stats{} }
	srv := listen(t, opts)
	cases := []struct{ path, want string }{
		{"/admin/ring?key=public:a", `{"key":"public:a","extent":0,"owner":"","successors":[]}`},
		{"/admin/cluster", `{"members":[],"fingerprint":"f1",` + noCouncil + `}`},
	}
	for _, c := range cases {
		if _, body := ask(t, "GET", srv.URL+c.path, "Bearer "+token); compact(t, body) != c.want {
			t.Errorf("%s: got %s, want %s", c.path, body, c.want)
		}
	}
	if _, body := ask(t, "GET", srv.URL+"/admin/cache/stats", "Bearer "+token); !strings.Contains(compact(t, body), `"buckets":{}`) {
		t.Errorf("stats: %s", body)
	}
}
