package run_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// twin is another route on the S3 bucket of b.
const twin = "twin"

// alike are names that something on the way could take for each other.
var alike = []string{
	"a b", "a+b", "a%20b", "a%2Bb", "a%2520b", "a/b", "a%2Fb", "a%2fb", "a//b", "a/b/", "./a/b", "c/../a/b", "A/b",
	"\u00e9", "e\u0301", "\u00c9", "%C3%A9", "ключ", "a?b", "a?versionId=1", "a#b", "a&b=c", "a;b", `a\b`, `a"b`, "a\tb", "\U0001F426", "\ufffd", "*",
}

// at is a name's URL under a route at node i.
func (c *testCluster) at(i int, route, key string) *url.URL {
	u := c.target(i, key)
	u, err := url.Parse(strings.Replace(u.String(), "/"+bucket+"/", "/"+route+"/", 1))
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

// purgeWays are the ways in which one object may be purged. Each purges a name in b; the
// event of S3 in every route on its bucket.
var purgeWays = map[string]func(c *testCluster, i int, key string){
	"JSON": func(c *testCluster, i int, key string) {
		text, err := json.Marshal(key)
		if err != nil {
			c.t.Fatal(err)
		}
		c.purged(i, `"key": `+string(text))
	},
	"short form": func(c *testCluster, i int, key string) {
		var p admin.Purge
		if status := c.post(i, purgePath+c.at(i, bucket, key).EscapedPath()+"?wait=20s", "", &p); status != http.StatusOK || !p.Complete {
			c.t.Errorf("%q: %d %+v", key, status, p)
		}
	},
	"event": func(c *testCluster, i int, key string) {
		var done admin.Events
		body := fmt.Sprintf(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q}}}]}`, bucket, url.QueryEscape(key))
		if status := c.post(i, "/admin/events/s3", body, &done); status != http.StatusOK || done.Purged != 1 || len(done.IDs) != 1 {
			c.t.Fatalf("%q: %d %+v", key, status, done)
		}
		c.completes((i+1)%len(c.nodes), done.IDs[0])
	},
}

// A purge of one name is one of that name to the byte, whichever way it comes: no other
// that looks like it is asked of S3 again. An event of S3 purges it under each of the
// routes on that S3 bucket, their kept lists as well.
func TestANameIsPurgedToTheByte(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(cfg *config.Config, o *run.Options) {
		quick(cfg, o)
		cfg.Buckets[0].Lists = 5 * time.Minute
		if err := addBucket(twin, bucket)(cfg); err != nil {
			t.Fatal(err)
		}
	})
	shown := map[string]map[string]int{bucket: {}, twin: {}} // by route and name, the version
	for _, key := range alike {
		c.write(key, 1)
		shown[bucket][key], shown[twin][key] = 1, 1
	}
	for i := range c.nodes {
		c.show(i, shown)
	}
	n := 1
	for way, purge := range purgeWays {
		for i, key := range alike {
			n++
			c.write(key, n)
			purge(c, i%3, key)
			shown[bucket][key] = n
			if way == "event" {
				shown[twin][key] = n
				c.lists((i+1)%3, twin, key, n)
			}
			c.lists(i%3, bucket, key, n)
			c.show((i+2)%3, shown)
			if t.Failed() {
				t.Fatalf("after a purge of %q by %s", key, way)
			}
		}
	}
}

// show checks that node i gives all of it.
func (c *testCluster) show(i int, shown map[string]map[string]int) {
	c.t.Helper()
	for route, names := range shown {
		for key, want := range names {
			response, err := c.send(c.t.Context(), i, http.MethodGet, c.at(i, route, key), nil)
			if err != nil {
				c.t.Fatal(err)
			}
			n, err := versionOf(key, response)
			response.Body.Close()
			if err != nil || n != want {
				c.t.Errorf("rook-%d gives version %d of %q under %s, want %d (%v)", i, n, key, route, want, err)
			}
		}
	}
}

// lists checks that a route's list at node i has version n of a name.
func (c *testCluster) lists(i int, route, key string, n int) {
	c.t.Helper()
	u := c.at(i, route, "")
	u.RawQuery = "list-type=2&encoding-type=url"
	_, text := c.do(i, http.MethodGet, u, nil)
	var page listed
	if err := xml.Unmarshal([]byte(text), &page); err != nil {
		c.t.Fatalf("%v in %s", err, text)
	}
	want := s3test.ETag(pattern.Object{Bucket: bucket, Key: key, Version: fmt.Sprint(n), Size: smallBytes})
	for _, one := range page.Contents {
		if name, err := url.QueryUnescape(one.Key); err == nil && name == key && one.ETag == want {
			return
		}
	}
	c.t.Errorf("rook-%d does not list version %d of %q under %s", i, n, key, route)
}

// A purge of an object is one of each of its versions and parts, of which a key is cached.
func TestAPurgeIsOfEachVersionAndPart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, quick)
	const key = "m"
	upload := func(n int, first int64) {
		c.s3.Put(pattern.Object{Bucket: bucket, Key: key, Version: fmt.Sprint(n), Size: smallBytes}, s3test.Meta{
			VersionID: fmt.Sprintf("v%d", n), Parts: []int64{first, smallBytes - first}, Header: http.Header{"X-Amz-Meta-Version": {fmt.Sprint(n)}},
		})
	}
	type look struct{ query, version, contentRange string }
	see := func(looks ...look) {
		t.Helper()
		for range 2 {
			for i := range c.nodes {
				for _, l := range looks {
					u := c.target(i, key)
					u.RawQuery = l.query
					response, _ := c.do(i, http.MethodGet, u, nil)
					if v, r := response.Header.Get("X-Amz-Meta-Version"), response.Header.Get("Content-Range"); v != l.version || r != l.contentRange {
						t.Errorf("rook-%d: ?%s is version %s, %q, want %+v (%s)", i, l.query, v, r, l, response.Status)
					}
				}
			}
		}
	}
	upload(1, 400)
	before := []look{{"", "1", ""}, {"versionId=v1", "1", ""}, {"partNumber=2", "1", "bytes 400-999/1000"}, {"versionId=v1&partNumber=1", "1", "bytes 0-399/1000"}}
	see(before...)
	c.s3.Forget()
	upload(2, 700)
	see(before...)
	c.requests(key, 0, 0)
	for i, scope := range []string{`"key": "m"`, `"prefix": "m"`, `"soft": false`} {
		c.s3.Forget()
		c.purged(i, scope)
		see(look{"", "2", ""}, look{"partNumber=2", "2", "bytes 700-999/1000"}, before[1], before[3])
		if heads, gets := c.s3.Count(http.MethodHead, bucket, key), c.s3.Count(http.MethodGet, bucket, key); heads+gets != 4 {
			t.Errorf("%s: %d HEADs and %d GETs, want one for each of the version, the old one and a part of each", scope, heads, gets)
		}
	}
}

// A tag is one in whichever of the headers S3 lists it, though clients are not told of them.
func TestATagIsFoundInEachHeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, quick)
	tagged := map[string]http.Header{
		"meta": {"X-Amz-Meta-Cache-Tag": {"a,t"}}, "surrogate": {"Surrogate-Key": {"a t"}}, "tag": {"Cache-Tag": {"a", "t"}}, "none": {"X-Amz-Meta-Tag": {"t"}},
	}
	write := func(n int) {
		for key, header := range tagged {
			header.Set("X-Amz-Meta-Version", fmt.Sprint(n))
			c.s3.Put(pattern.Object{Bucket: bucket, Key: key, Version: fmt.Sprint(n), Size: smallBytes}, s3test.Meta{Header: header})
		}
	}
	write(1)
	for key := range tagged {
		c.everywhere(key, 1)
	}
	write(2)
	c.purged(1, `"tags": ["t"]`)
	for key := range tagged {
		want := 2
		if key == "none" {
			want = 1
		}
		c.everywhere(key, want)
	}
}
