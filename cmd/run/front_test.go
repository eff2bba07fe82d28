package run_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// Whatever queries clients put behind an object's path, it is one object to the cache:
// nobody can have S3 asked again by making up another.
func TestS3IsAskedOnceWhateverTheQuery(t *testing.T) {
	c := newCluster(t, 3, nil)
	o := c.put("one", 4096, s3test.Meta{})
	var clients sync.WaitGroup
	for n := range 16 {
		random := rand.New(rand.NewPCG(9, uint64(n)))
		clients.Go(func() {
			for k := range randomQueries / 16 {
				if err := c.readWith(k%3, o, queryOf(random, n, k)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	c.requests("one", 0, 1)
	c.fetchedOnce(o)
}

// queryOf is a query that no other has: noise of one to four parameters, those of
// signatures and trackers among them, encoded well and badly.
func queryOf(random *rand.Rand, client, k int) string {
	names := []string{"utm_source", "X-Amz-Signature", "X-Amz-Credential", "x-id", "_", "cb", "Versionid", "versionid", "part", "q%20", "\u00fc", "list", "prefix", "response", "a[]", ""}
	var b strings.Builder
	for range random.IntN(4) {
		fmt.Fprintf(&b, "%s=%x%s&", names[random.IntN(len(names))], random.Uint32(), []string{"", "%2f", "%zz", "+", "=", "%00"}[random.IntN(6)])
	}
	fmt.Fprintf(&b, "n%d-%d", client, k)
	return b.String()
}

func (c *testCluster) readWith(i int, o pattern.Object, query string) error {
	u := *c.target(i, o.Key)
	u.RawQuery = query
	response, err := c.send(c.t.Context(), i, http.MethodGet, &u, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("?%s: %s", query, response.Status)
	}
	if _, err := o.CheckReader(response.Body, 0, o.Size); err != nil {
		return fmt.Errorf("?%s: %w", query, err)
	}
	return nil
}

// hostile is what an origin, or who stands in for it, may want browsers and caches to
// believe.
var hostile = http.Header{
	"Set-Cookie": {"session=evil", "b=c"}, "Location": {"https://evil.example/"}, "Refresh": {"0; url=https://evil.example/"},
	"Strict-Transport-Security": {"max-age=0"}, "Content-Security-Policy": {"default-src *"}, "Clear-Site-Data": {`"*"`},
	"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"}, "Vary": {"Origin, access-control-request-headers"},
	"X-Cache": {"HIT from evil"}, "Cache-Status": {"evil; hit"}, "Age": {"5"}, "X-Request-Id": {"evil"}, "X-Amz-Request-Id": {"evil"},
	"Proxy-Authenticate": {"Basic"}, "Www-Authenticate": {"Basic"}, "Server": {"evil"}, "Via": {"evil"}, "Alt-Svc": {`h3="evil:443"`},
	"Upgrade": {"h2c"}, "Keep-Alive": {"timeout=1"}, "Trailer": {"X-Evil"}, "Link": {"</evil>; rel=preload"}, "Nel": {"{}"}, "Report-To": {"{}"},
	"X-Amz-Security-Token": {"evil"}, "X-Accel-Redirect": {"/etc/passwd"}, "X-Sendfile": {"/etc/passwd"}, "X-Evil": {"evil"},
	"Surrogate-Key": {"a-tag"}, "Connection": {"X-Amz-Meta-Hop"}, "X-Amz-Meta-Hop": {"evil"},
}

// What S3 answers beside what speaks of the object reaches no client, from wherever the
// answer comes. That Connection and Transfer-Encoding are the gateway's own, net/http sees to.
func TestOriginsCannotInjectHeaders(t *testing.T) {
	c := newCluster(t, 2, nil)
	c.s3.Everything(&s3test.Step{Header: hostile})
	o := c.put("o", 300_000, s3test.Meta{Header: http.Header{"X-Amz-Meta-Colour": {"blue"}}})
	own := []string{
		"Accept-Ranges", "Age", "Cache-Status", "Content-Length", "Content-Range", "Content-Type", "Date", "Etag", "Last-Modified",
		"X-Amz-Meta-Colour", "X-Amz-Request-Id", "X-Cache", "X-Request-Id",
	}
	owner, others := c.owner("o", 0)
	for turn, i := range []int{others[0], owner, others[0]} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, header := range []http.Header{nil, {"Range": {"bytes=5-9"}}, {"If-None-Match": {s3test.ETag(o)}}, {"If-Match": {`"x"`}}} {
				response, _ := c.do(i, method, c.target(i, "o"), header)
				c.onlyFields(fmt.Sprintf("turn %d, %s %v: %s", turn, method, header, response.Status), response.Header, own)
			}
		}
	}
	missing, _ := c.do(owner, http.MethodGet, c.target(owner, "none"), nil)
	c.onlyFields("an error", missing.Header, own)
	if n := c.s3.Count("", bucket, "o"); n != 1 {
		t.Errorf("S3 was asked %d times", n)
	}
}

// onlyFields checks that an answer has no fields but these, and no evil in their values.
func (c *testCluster) onlyFields(what string, h http.Header, fields []string) {
	c.t.Helper()
	for name, values := range h {
		if !slices.Contains(fields, name) || strings.Contains(strings.Join(values, " "), "evil") {
			c.t.Errorf("%s has %s: %q", what, name, values)
		}
	}
}

// What clients send of themselves stays here: S3 is asked with the node's own headers.
func TestClientsHeadersDoNotReachS3(t *testing.T) {
	c := newCluster(t, 2, nil)
	o := c.put("o", 1000, s3test.Meta{Header: http.Header{"Content-Encoding": {"gzip"}}})
	secret := http.Header{}
	for _, name := range []string{
		"Authorization", "Cookie", "X-Amz-Security-Token", "X-Amz-Meta-A", "X-Forwarded-For", "Forwarded", "Origin", "Referer", "From",
		"X-Amz-Expected-Bucket-Owner", "X-Amz-Request-Payer", "X-Amz-Server-Side-Encryption-Customer-Key", "User-Agent", "Accept", "Accept-Language", "X-Evil",
	} {
		secret.Set(name, "of-the-client")
	}
	secret.Set("Accept-Encoding", "br, of-the-client")
	response, text := c.do(0, http.MethodGet, c.target(0, "o"), secret)
	if response.Header.Get("Content-Encoding") != "gzip" || len(text) != 1000 {
		t.Errorf("%v, %d bytes: want them as they are stored", response.Header, len(text))
	}
	c.sameBytes(o, text, 0, o.Size)
	c.do(1, http.MethodHead, c.target(1, "none"), secret)
	for _, r := range c.s3.Requests() {
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), "of-the-client") || name == "Accept-Encoding" && values[0] != "identity" {
				t.Errorf("%s has %s: %q", r, name, values)
			}
		}
		if strings.Contains(r.Target, "of-the-client") {
			t.Errorf("%s", r)
		}
	}
}

// A HEAD has the header that a GET would have, but for what tells of one answer: Date,
// Age, the ids, and how it was come by (Cache-Status, X-Cache), since the first of two
// changes what the second finds. A body is never compressed, and an
// object that is stored so is left so, whatever Accept-Encoding says.
func TestHeadIsGetWithoutItsBody(t *testing.T) {
	c := newCluster(t, 3, func(cfg *config.Config, _ *run.Options) { cfg.Buckets[0].Freshness.StaleIfError = 24 * 3600e9 })
	stale := maps.Clone(rich.Header)
	stale.Set("Cache-Control", "max-age=0")
	stale.Del("Expires")
	small, large := c.put("small", 1000, rich), c.put("large", 300_000, rich)
	empty, expired := c.put("empty", 0, rich), c.put("expired", 1000, s3test.Meta{Header: stale})
	headFirst := c.put("head first", 5000, rich)
	for _, o := range []pattern.Object{headFirst, small, large, empty, expired} {
		owner, others := c.owner(o.Key, 0)
		if o == headFirst {
			c.compareHead(others[0], o.Key, "origin", true)
		}
		for _, i := range []int{others[0], owner, others[1], owner} {
			c.compareHead(i, o.Key, "any", false)
		}
	}
	c.s3.Everything(&s3test.Step{Drop: true})
	for i := range 3 {
		if h := c.compareHead(i, "expired", "stale", false); h.Get("X-Cache") != "STALE" {
			t.Errorf("X-Cache is %s", h.Get("X-Cache"))
		}
	}
	c.s3.Everything(nil)
	for i := range 3 {
		c.compareHead(i, "none", "absent", false)
	}
}

// compareHead asks for a key both ways, and returns the GET's header.
func (c *testCluster) compareHead(i int, key, what string, headFirst bool) http.Header {
	c.t.Helper()
	ask := func(method string) (*http.Response, string) {
		return c.do(i, method, c.target(i, key), http.Header{"Accept-Encoding": {"gzip, br"}})
	}
	var head *http.Response
	if headFirst {
		head, _ = ask(http.MethodHead)
	}
	get, _ := ask(http.MethodGet)
	if !headFirst {
		head, _ = ask(http.MethodHead)
	}
	if head.StatusCode != get.StatusCode {
		c.t.Errorf("%s, %s: HEAD %s, GET %s", key, what, head.Status, get.Status)
	}
	a, b := ofTheObject(head.Header), ofTheObject(get.Header)
	if get.StatusCode == http.StatusNotFound {
		delete(a, "Content-Length") // of the document, in which the request's id is
		delete(b, "Content-Length")
	}
	if !maps.EqualFunc(a, b, slices.Equal) {
		c.t.Errorf("%s, %s:\nHEAD %v\nGET  %v", key, what, a, b)
	}
	return get.Header
}

// ofTheObject is a header without what belongs to one answer alone.
func ofTheObject(h http.Header) http.Header {
	h = maps.Clone(h)
	for _, name := range []string{"Age", "Cache-Status", "Date", "X-Amz-Request-Id", "X-Cache", "X-Request-Id"} {
		delete(h, name)
	}
	return h
}

// Pages of the origins that a bucket's rules name may read it, through every node.
func TestCORSOfWholeNodes(t *testing.T) {
	c := newCluster(t, 2, func(cfg *config.Config, _ *run.Options) {
		cfg.Buckets[0].CORS = []config.CORSRule{{AllowedOrigins: []string{"https://app.example"}, AllowedMethods: []string{"GET"}, AllowedHeaders: []string{"*"}}}
	})
	c.s3.Everything(&s3test.Step{Header: http.Header{"Access-Control-Allow-Origin": {"*"}, "Vary": {"Origin", "Accept-Encoding"}}})
	c.put("o", 1000, s3test.Meta{})
	const vary = "Accept-Encoding|Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
	for turn := range 4 {
		for origin, allowed := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": "", "": ""} {
			header := http.Header{}
			if origin != "" {
				header.Set("Origin", origin)
			}
			response, _ := c.do(turn%2, http.MethodGet, c.target(turn%2, "o"), header)
			h := response.Header
			if got := strings.Join(h.Values("Access-Control-Allow-Origin"), "|"); got != allowed || strings.Join(h.Values("Vary"), "|") != vary {
				t.Errorf("%q: %v", origin, h)
			}
		}
	}
	preflight, text := c.do(1, http.MethodOptions, c.target(1, "another"), http.Header{
		"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization,range"},
	})
	if preflight.StatusCode != http.StatusOK || text != "" || preflight.Header.Get("Access-Control-Allow-Headers") != "authorization, range" {
		t.Errorf("%s %v", preflight.Status, preflight.Header)
	}
	c.requests("o", 0, 1)
	c.requests("another", 0, 0)
}
