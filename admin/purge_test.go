package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/council"
	"rookery/purge"
)

func objects(names ...string) (scopes []purge.Scope) {
	for _, n := range names {
		scopes = append(scopes, purge.Scope{Kind: purge.Object, Bucket: "public", Name: n})
	}
	return scopes
}

var wholeBucket = []purge.Scope{{Kind: purge.Bucket, Bucket: "public"}}

// Each form of a request becomes exactly one order, and the answer says its scope
// in the same form.
func TestPurgeScopes(t *testing.T) {
	c := newCouncil()
	base := governed(t, c) + "/admin/cache/purge"
	prefix := []purge.Scope{{Kind: purge.Prefix, Bucket: "public", Name: "img/"}}
	tags := []purge.Scope{{Kind: purge.Tag, Bucket: "public", Name: "p:1"}, {Kind: purge.Tag, Bucket: "public", Name: "ä"}}
	cases := []struct {
		path, body string
		want       []purge.Scope
		scope      string
	}{
		{"", `{"bucket":"public","key":"a b+c%2Fd"}`, objects("a b+c%2Fd"), `{"bucket":"public","key":"a b+c%2Fd"}`},
		{"", `{"bucket":"public","key":"/"}`, objects("/"), `{"bucket":"public","key":"/"}`},
		{"", `{"bucket":"public","keys":["a","b//c"]}`, objects("a", "b//c"), `{"bucket":"public","keys":["a","b//c"]}`},
		{"", `{"bucket":"public","prefix":"img/"}`, prefix, `{"bucket":"public","prefix":"img/"}`},
		{"", `{"bucket":"public","tags":["p:1","ä"]}`, tags, `{"bucket":"public","tags":["p:1","ä"]}`},
		{"", `{"bucket":"public"}`, wholeBucket, `{"bucket":"public"}`},
		{"", ` {"all":true} ` + "\n", []purge.Scope{{Kind: purge.All}}, `{"all":true}`},
		{"/public", "", wholeBucket, `{"bucket":"public"}`},
		{"/public/a/b", "", objects("a/b"), `{"bucket":"public","key":"a/b"}`},
		{"/public//a/../b/", "", objects("/a/../b/"), `{"bucket":"public","key":"/a/../b/"}`},
		{"/public/a+b%20c%252F%3F%C3%A4", "", objects("a+b c%2F?ä"), `{"bucket":"public","key":"a+b c%2F?ä"}`},
		{"/public%2Fa%2Fb", "", objects("a/b"), `{"bucket":"public","key":"a/b"}`},
	}
	for _, k := range cases {
		t.Run(k.path+k.body, func(t *testing.T) {
			res, body := post(t, base+k.path, k.body)
			got := c.last(t)
			if res.StatusCode != 200 || !slices.Equal(got.Scopes, k.want) || got.Soft {
				t.Fatalf("status %d, ordered %+v, want %+v: %s", res.StatusCode, got, k.want, body)
			}
			want := `{"id":"` + got.ID + `","scope":` + k.scope + `,"number":` + fmt.Sprint(len(c.batches)) +
				`,"complete":true,"pending":[],"nodes":[{"name":"rook-0","applied":true,"ms":3},{"name":"rook-1","applied":true,"ms":5}]}`
			if len(got.ID) < 20 || compact(t, body) != want {
				t.Errorf("got  %s\nwant %s", compact(t, body), want)
			}
		})
	}
}

func TestPurgeOptions(t *testing.T) {
	c := newCouncil()
	base := governed(t, c) + "/admin/cache/purge"
	cases := []struct {
		path, body string
		id         string
		soft       bool
		wait       time.Duration
	}{
		{"", `{"bucket":"public","id":"one","soft":true,"wait":"10s"}`, "one", true, 10 * time.Second},
		{"", `{"bucket":"public","soft":false,"wait":"0s","id":"a/b c"}`, "a/b c", false, 0},
		{"", `{"bucket":"public","id":"three"}`, "three", false, 2 * time.Second},
		{"/public?id=four&soft=true&wait=1m", "", "four", true, time.Minute},
		{"/public?id=five&soft=false", "", "five", false, 2 * time.Second},
	}
	for i, k := range cases {
		res, body := post(t, base+k.path, k.body)
		got := c.last(t)
		if res.StatusCode != 200 || got.ID != k.id || got.Soft != k.soft || c.waits[i] != k.wait {
			t.Errorf("%s%s: status %d, %+v, wait %v: %s", k.path, k.body, res.StatusCode, got, c.waits[i], body)
		}
		if strings.Contains(compact(t, body), `"soft":true`) != k.soft {
			t.Errorf("%s%s: soft is not told: %s", k.path, k.body, body)
		}
	}
}

// No mistake purges anything, least of all more than was meant.
func TestBadPurges(t *testing.T) {
	c := newCouncil()
	base := governed(t, c) + "/admin/cache/purge"
	long, many := strings.Repeat("x", 1025), strings.Repeat(`"k",`, 1000)+`"k"`
	cases := []struct{ path, body, message string }{
		{"", ``, "JSON object"},
		{"", `[]`, "JSON object"},
		{"", `null`, "JSON object"},
		{"", `{}`, "no bucket"},
		{"", `{"bucket":"public","key":""}`, "empty name in key"},
		{"", `{"bucket":"public","key":null}`, "null"},
		{"", `{"bucket":"public","keys":[]}`, "0 entries"},
		{"", `{"bucket":"public","keys":["a",""]}`, "empty name in keys"},
		{"", `{"bucket":"public","keys":["a",null]}`, "empty name in keys"},
		{"", `{"bucket":"public","keys":"a"}`, `"keys"`},
		{"", `{"bucket":"public","keys":[` + many + `]}`, "1001 entries"},
		{"", `{"bucket":"public","prefix":""}`, "empty name in prefix"},
		{"", `{"bucket":"public","tags":[]}`, "0 entries"},
		{"", `{"bucket":"public","tags":[""]}`, "empty name in tags"},
		{"", `{"bucket":"public","tags":["a,b"]}`, "would match nothing"},
		{"", `{"bucket":"public","tags":["a b"]}`, "would match nothing"},
		{"", `{"bucket":"public","tags":["` + long + `"]}`, "1025 bytes"},
		{"", `{"bucket":"public","key":"` + long + `"}`, "1025 bytes"},
		{"", `{"bucket":"public","key":7}`, `"key"`},
		{"", `{"bucket":"public","key":"a","prefix":"b"}`, "two scopes"},
		{"", `{"bucket":"public","key":"a","keys":["b"]}`, "two scopes"},
		{"", `{"bucket":"public","all":true}`, "two scopes"},
		{"", `{"all":true,"key":"a"}`, "two scopes"},
		{"", `{"all":false}`, "all must be true"},
		{"", `{"all":"true"}`, `"all"`},
		{"", `{"key":"a"}`, "no bucket"},
		{"", `{"bucket":""}`, `no bucket ""`},
		{"", `{"bucket":"nosuch","key":"a"}`, `no bucket "nosuch"`},
		{"", `{"bucket":"nosuch"}`, `no bucket "nosuch"`},
		{"", `{"bucket":"PUBLIC"}`, `no bucket "PUBLIC"`},
		{"", `{"bucket":"public","keyy":"a"}`, `unknown field "keyy"`},
		{"", `{"bucket":"public","Key":"a"}`, `unknown field "Key"`},
		{"", `{"bucket":"public","key":"a","key":"b"}`, "given twice"},
		{"", `{"bucket":"empty","bucket":"public"}`, "given twice"},
		{"", `{"bucket":"public"}{"all":true}`, "follows"},
		{"", `{"bucket":"public"} x`, "follows"},
		{"", `{"bucket":"public"`, "malformed JSON"},
		{"", `{"bucket":"public",}`, "malformed JSON"},
		{"", "{\"bucket\":\"public\",\"key\":\"a\xff\"}", "not UTF-8"},
		// As a program writes who read a name that is not UTF-8: json would make U+FFFD of each.
		{"", `{"bucket":"public","key":"a\udcff"}`, "half of a surrogate pair"},
		{"", `{"bucket":"public","keys":["b","a\uD800"]}`, "half of a surrogate pair"},
		{"", `{"bucket":"public","prefix":"\ud83d\ud83d\udc26"}`, "half of a surrogate pair"},
		{"", `{"bucket":"public","prefix":"\ud83dxudc26"}`, "half of a surrogate pair"},
		{"", `{"bucket":"public","tags":["\udc26\ud83d"]}`, "half of a surrogate pair"},
		{"", `{"bucket":"public","id":""}`, "the id must have 1 to 128 bytes"},
		{"", `{"bucket":"public","id":"` + strings.Repeat("i", 129) + `"}`, "the id must have 1 to 128 bytes"},
		{"", `{"bucket":"public","wait":"-1s"}`, "wait must be"},
		{"", `{"bucket":"public","wait":"61s"}`, "wait must be"},
		{"", `{"bucket":"public","wait":"soon"}`, "wait must be"},
		{"", `{"bucket":"public","wait":10}`, `"wait"`},
		{"", `{"bucket":"public","soft":1}`, `"soft"`},
		{"?bucket=public", `{"all":true}`, "no query"},
		{"/public/", "", "empty name in key"},
		{"/public?key=a", "", `unknown parameter "key"`},
		{"/public?soft=yes", "", "soft must be"},
		{"/public?id=a&id=b", "", "more than once"},
		{"/public?id=", "", "the id must have"},
		{"/public?id=%zz", "", "malformed query"},
		{"/public?wait=2h", "", "wait must be"},
		{"/public", `{"key":"a"}`, "no body"},
		{"/public/a", "x", "no body"},
		{"/nosuch", "", `no bucket "nosuch"`},
		{"/nosuch/a", "", `no bucket "nosuch"`},
		{"//public", "", `no bucket ""`},
		{"/public/a%ff", "", "not UTF-8"},
		{"/public/" + long, "", "1025 bytes"},
	}
	for _, k := range cases {
		res, body := post(t, base+k.path, k.body)
		if res.StatusCode != 400 {
			t.Errorf("%.60s%.60s: status %d, %s", k.path, k.body, res.StatusCode, body)
			continue
		}
		checkFailure(t, res, body, 400, "bad_request", k.message)
	}
	res, body := post(t, base, `{"bucket":"public","key":"`+strings.Repeat("x", 9<<20)+`"}`)
	checkFailure(t, res, body, 413, "too_large", "too large")
	if got := c.orders(); len(got) != 0 {
		t.Errorf("bad requests ordered %+v", got)
	}
}

func TestPurgeIsFollowedById(t *testing.T) {
	c := newCouncil()
	c.done = false
	c.nodes = []council.Progress{{Name: "rook-0", Applied: true, Took: time.Millisecond}, {Name: "rook-1"}, {Name: "rook-2", Excused: true}}
	base := governed(t, c)
	const want = `{"id":"a/b?c","scope":{"bucket":"public","key":"k"},"number":1,"complete":false,"pending":["rook-1"],"nodes":[` +
		`{"name":"rook-0","applied":true,"ms":1},{"name":"rook-1","applied":false,"ms":0},{"name":"rook-2","applied":false,"excused":true,"ms":0}]}`
	res, body := post(t, base+"/admin/cache/purge", `{"bucket":"public","key":"k","id":"a/b?c"}`)
	if res.StatusCode != 202 || compact(t, body) != want {
		t.Errorf("status %d, got %s\nwant %s", res.StatusCode, compact(t, body), want)
	}
	follow := base + "/admin/cache/purges/" + url.PathEscape("a/b?c")
	res, body = ask(t, "GET", follow, "Bearer "+token)
	if res.StatusCode != 202 || compact(t, body) != want {
		t.Errorf("status %d, got %s\nwant %s", res.StatusCode, compact(t, body), want)
	}
	c.known["a/b?c"].Complete = true // by the lease argument: rook-1 has never reported
	res, body = ask(t, "GET", follow, "Bearer "+token)
	if res.StatusCode != 200 || !strings.Contains(compact(t, body), `"complete":true,"pending":[],`) {
		t.Errorf("status %d, %s", res.StatusCode, body)
	}
	res, body = ask(t, "GET", base+"/admin/cache/purges/nosuch", "Bearer "+token)
	checkFailure(t, res, body, 404, "unknown_purge", `"nosuch"`)
	res, body = ask(t, "GET", follow+"?wait=1s", "Bearer "+token)
	checkFailure(t, res, body, 400, "bad_request", "no query")
}

func TestPurgeIDs(t *testing.T) {
	c := newCouncil()
	url := governed(t, c) + "/admin/cache/purge"
	for range 2 { // the second is the first
		if res, body := post(t, url, `{"bucket":"public","key":"a","id":"x"}`); res.StatusCode != 200 || !strings.Contains(compact(t, body), `"number":1,`) {
			t.Errorf("status %d, %s", res.StatusCode, body)
		}
	}
	res, body := post(t, url, `{"bucket":"public","key":"b","id":"x"}`)
	checkFailure(t, res, body, 409, "id_conflict", `"x"`)
	res, body = post(t, url, `{"bucket":"public","key":"a","soft":true,"id":"x"}`)
	checkFailure(t, res, body, 409, "id_conflict", `"x"`)

	post(t, url, `{"bucket":"public"}`)
	first := c.last(t).ID
	post(t, url, `{"bucket":"public"}`)
	if second := c.last(t).ID; first == second {
		t.Errorf("two purges without ids are both %s", first)
	}
}

// An id that was made for the client is told when the council fails, so that it
// can ask again without purging twice.
func TestAFailedPurgeTellsItsID(t *testing.T) {
	c := newCouncil()
	c.err = errors.New("disk full")
	res, body := post(t, governed(t, c)+"/admin/cache/purge", `{"bucket":"public","id":"mine"}`)
	checkFailure(t, res, body, 503, "unavailable", `purge "mine": disk full`)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// Scopes of several buckets, which an event of S3 may have, are told too.
func TestPurgeOfSeveralBucketsIsTold(t *testing.T) {
	c := newCouncil()
	scopes := append(objects("a", "b"), purge.Scope{Kind: purge.Object, Bucket: "empty", Name: "a"})
	c.known["x"] = &council.Report{ID: "x", Order: purge.Order{ID: "x", Scopes: scopes}, Complete: true}
	_, body := ask(t, "GET", governed(t, c)+"/admin/cache/purges/x", "Bearer "+token)
	var got admin.Purge
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Scope.Bucket != "" || got.Scope.Keys != nil || !slices.Equal(got.Scope.Objects, []string{"public:a", "public:b", "empty:a"}) {
		t.Errorf("%+v", got.Scope)
	}
}

func TestPurgeWantsThePostAndTheToken(t *testing.T) {
	c := newCouncil()
	base := governed(t, c)
	for _, path := range []string{"/admin/cache/purge", "/admin/cache/purge/public", "/admin/cache/purge/public/a", "/admin/forget", "/admin/council/new", "/admin/drain"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			res, body := ask(t, method, base+path, "Bearer "+token)
			if method != "HEAD" {
				checkFailure(t, res, body, 405, "method_not_allowed", method)
			}
			if got := res.Header.Get("Allow"); got != "POST" || res.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d, Allow %q", method, path, res.StatusCode, got)
			}
		}
		for _, authorization := range []string{"", "Bearer x", "Basic eDp4"} {
			res, body := send(t, base+path, `{"all":true}`, authorization)
			checkFailure(t, res, body, 401, "unauthorized", "token")
		}
	}
	res, body := ask(t, "POST", base+"/admin/cache/purges/x", "Bearer "+token)
	checkFailure(t, res, body, 405, "method_not_allowed", "POST")
	if got := c.orders(); len(got) != 0 {
		t.Errorf("ordered %+v", got)
	}
}
