package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rookery/gateway"
	"rookery/object"
)

func requestWith(ctx context.Context, t testing.TB, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// oddTargets: a request line, its Host, the status, and the key's name or the
// error's code. Clients would clean them, so they go as text on a socket.
var oddTargets = []struct{ line, host, status, name string }{
	{"GET /public//a", "h", "200", "/a"},
	{"GET /public/../x", "h", "200", "../x"},
	{"GET /public/./x", "h", "200", "./x"},
	{"GET /public/%2E%2E/x", "h", "200", "../x"},
	{"GET /public/a/../b", "h", "200", "a/../b"},
	{"GET /public/a//b", "h", "200", "a//b"},
	{"GET /public/a+b", "h", "200", "a+b"},
	{"GET /public/a%20b", "h", "200", "a b"},
	{"GET /public/a%2Fb", "h", "200", "a/b"},
	{"GET /public%2Fa%2Fb", "h", "200", "a/b"},
	{"GET /public/a%252Fb", "h", "200", "a%2Fb"},
	{"GET /public/%E2%82%AC", "h", "200", "\u20ac"},
	{"GET /public/a/", "h", "200", "a/"},
	{"GET /public/nul%00", "h", "200", "nul\x00"},
	{"GET /public/" + longName, "h", "200", longName},
	{"GET /public/" + longName + "k", "h", "400", "KeyTooLongError"},
	{"GET //public/a", "h", "200", "/public/a"},
	{"GET http://h/public/a%2Fb", "ignored", "200", "a/b"},
	{"GET http://public.s3.test/a%2Fb", "ignored", "200", "a/b"},
	{"GET /a%2Fb", "public.S3.test:99", "200", "a/b"},
	{"GET //a", "public.s3.test", "200", "/a"},
	{"GET /x", "nobody.s3.test", "404", "NoSuchBucket"},
	{"GET /health", "public.s3.test", "404", "NoSuchKey"}, // a key there, the probe elsewhere
	{"GET /public/%ff", "h", "400", "InvalidURI"},
	{"GET /public/%zz", "h", "400", ""}, // net/http's own refusal
	{"GET /public?versions", "h", "501", "NotImplemented"},
	{"GET /public/a?list-type=2", "h", "404", "NoSuchKey"},
	{"GET /public/a?acl", "h", "501", "NotImplemented"},
	{"GET /public/a?versionId=", "h", "400", "InvalidArgument"},
	{"GET /public/a?response-expires=0", "h", "400", "InvalidRequest"},
	{"PUT /public/a", "h", "405", "MethodNotAllowed"},
	{"DELETE /public/a", "h", "405", "MethodNotAllowed"},
	{"OPTIONS *", "h", "405", "MethodNotAllowed"},
	{"CONNECT h:443", "h:443", "405", "MethodNotAllowed"},
	{"POST /health", "h", "405", "MethodNotAllowed"},
}

var longName = strings.Repeat("k", object.MaxNameBytes)

func TestOddTargets(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Domain = "s3.test"
		o.Policy.Routes = append(o.Policy.Routes, gateway.Route{Bucket: "rest", PathPrefix: "/"})
	})
	for _, name := range []string{"/a", "../x", "./x", "a/../b", "a//b", "a+b", "a b", "a/b", "a%2Fb", "\u20ac", "a/", longName, "nul\x00"} {
		f.node.hold(key(name), "v", 7)
	}
	rest := object.Key{Bucket: "rest", Name: "/public/a"}
	f.node.hold(rest, "v", 7)
	for _, c := range oddTargets {
		f.node.forget()
		got := f.raw(c.line + " HTTP/1.1\r\nHost: " + c.host + "\r\nConnection: close\r\n\r\n")
		header, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(header, "HTTP/1.1 "+c.status+" ") {
			t.Errorf("%.60q at %s: %.100s, want %s", c.line, c.host, header, c.status)
			continue
		}
		if c.status == "405" && !strings.Contains(header, "\r\nAllow: GET, HEAD") {
			t.Errorf("%.60q: no Allow", c.line)
		}
		asks := f.node.asked()
		switch {
		case c.status == "200":
			if len(asks) != 1 || asks[0].Key.Name != c.name || len(body) != 7 {
				t.Errorf("%.60q: %d bytes, asked for %+v, want key %.60q", c.line, len(body), asks, c.name)
			}
		case !strings.Contains(body, "<Code>"+c.name+"</Code>") && c.name != "":
			t.Errorf("%.60q: %s, want %s", c.line, body, c.name)
		case len(asks) != 0 && c.name != "NoSuchKey":
			t.Errorf("%.60q: refused, yet something was looked up", c.line)
		}
	}
}

func TestRequestBodyIsIgnored(t *testing.T) {
	f := newFront(t, nil)
	f.node.hold(key("o"), "v", 7)
	got := f.raw("GET /public/o HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /public/o HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if n := strings.Count(got, "HTTP/1.1 200 OK"); n != 2 {
		t.Errorf("%d answers to two requests on one connection: %s", n, got)
	}
}

func TestErrorsOnTheWire(t *testing.T) {
	f := newFront(t, nil)
	f.node.fail = func(*object.Ask) error { return object.ErrBusy }
	got := f.do("GET", "/public/a&b?token=secret", "X-Request-ID", "bad id")
	id := got.header.Get("X-Request-Id")
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message>" +
		"<Resource>/public/a&amp;b</Resource><RequestId>" + id + "</RequestId></Error>"
	if got.status != 503 || string(got.body) != want || len(id) != 16 {
		t.Errorf("%d, id %q:\n%s\nwant\n%s", got.status, id, got.body, want)
	}
	for name, value := range map[string]string{"Retry-After": "1", "Content-Type": "application/xml", "X-Amz-Request-Id": id, "X-Cache": "MISS", "Cache-Status": "rookery; detail=busy"} {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), value)
		}
	}
	if refused := f.do("DELETE", "/public/a"); refused.status != 405 || !strings.Contains(string(refused.body), "<Resource>/public/a</Resource>") {
		t.Errorf("DELETE: %d %s", refused.status, refused.body)
	}
	get := f.do("GET", "/public/a", "X-Request-ID", "x")
	head := f.do("HEAD", "/public/a", "X-Request-ID", "x")
	if head.status != 503 || len(head.body) != 0 {
		t.Errorf("HEAD: %d with %d bytes", head.status, len(head.body))
	}
	sameHeaders(t, get.header, head.header)
}

func TestProbes(t *testing.T) {
	ready, health := false, true
	f := newFront(t, func(o *gateway.Options) {
		o.Ready, o.Health = func() bool { return ready }, func() bool { return health }
		o.Policy.Routes = append(o.Policy.Routes, gateway.Route{Bucket: "rest", PathPrefix: "/"})
	})
	check := func(path string, status int, body string) {
		t.Helper()
		got := f.do("GET", path)
		if got.status != status || string(got.body) != body {
			t.Errorf("%s: %d %q, want %d %q", path, got.status, got.body, status, body)
		}
		if head := f.do("HEAD", path); head.status != status || len(head.body) != 0 {
			t.Errorf("HEAD %s: %d %q", path, head.status, head.body)
		}
	}
	check("/health", 200, "ok")
	check("/ready", 503, "unavailable")
	ready, health = true, false
	check("/health", 503, "unavailable")
	check("/ready", 200, "ok")
	if len(f.node.asked()) != 0 {
		t.Error("a probe looked something up")
	}
	if got := f.do("GET", "/health/x"); got.status != 404 {
		t.Errorf("/health/x is the root bucket's: %d", got.status)
	}
}

func TestCacheStatus(t *testing.T) {
	f := newFront(t, nil)
	cases := []struct {
		answer        object.Answer
		status, short string
		age           string
	}{
		{object.Answer{Outcome: object.Hit, Source: object.SourceHot, TTL: time.Minute}, "rookery; hit; ttl=60; detail=hot", "HIT", "90"},
		{object.Answer{Outcome: object.Hit, Source: object.SourceDisk, TTL: 1500 * time.Millisecond}, "rookery; hit; ttl=1; detail=disk", "HIT", "90"},
		{object.Answer{Outcome: object.Hit, Source: object.SourcePeer, OwnerSource: object.SourceHot}, "rookery; hit; ttl=0; detail=peer", "HIT", "90"},
		{object.Answer{Outcome: object.Hit}, "rookery; hit; ttl=0", "HIT", "90"},
		{object.Answer{Outcome: object.Stale, Source: object.SourceDisk, TTL: -5 * time.Second}, "rookery; hit; ttl=-5; detail=disk", "STALE", "90"},
		{object.Answer{Outcome: object.Miss, Source: object.SourceOrigin}, "rookery; fwd=miss", "MISS", ""},
		{object.Answer{Outcome: object.Miss, Source: object.SourceOrigin, Stored: true}, "rookery; fwd=miss; stored", "MISS", ""},
		{object.Answer{Outcome: object.Miss, Source: object.SourcePeer, Stored: true, Collapsed: true}, "rookery; fwd=miss; stored; collapsed", "MISS", ""},
		{object.Answer{Outcome: object.Revalidated, Source: object.SourceDisk, TTL: time.Hour}, "rookery; fwd=stale; fwd-status=304", "REVALIDATED", ""},
		{object.Answer{Outcome: object.Revalidated, Source: object.SourceDisk, ForwardStatus: 304, Collapsed: true}, "rookery; fwd=stale; fwd-status=304; collapsed", "REVALIDATED", ""},
		{object.Answer{Outcome: object.Revalidated, Source: object.SourceDisk, ForwardStatus: 200}, "rookery; fwd=stale; fwd-status=200", "REVALIDATED", ""},
		{object.Answer{Outcome: object.Revalidated, Source: object.SourceDisk, ForwardStatus: 304, Requested: true}, "rookery; fwd=request; fwd-status=304", "REVALIDATED", ""},
		{object.Answer{Outcome: object.Miss, Source: object.SourceOrigin, ForwardStatus: 200, Changed: true, Stored: true}, "rookery; fwd=stale; fwd-status=200; stored", "MISS", ""},
		{object.Answer{Outcome: object.Miss, Source: object.SourceOrigin, ForwardStatus: 200, Stored: true}, "rookery; fwd=miss; stored", "MISS", ""},
		{object.Answer{Outcome: object.Stale, Source: object.SourceDisk, TTL: -5 * time.Second, ForwardStatus: 503}, "rookery; fwd=stale; fwd-status=503; ttl=-5; detail=disk", "STALE", "90"},
		{object.Answer{Outcome: object.Stale, Source: object.SourceOrigin, TTL: -5 * time.Second, Stored: true}, "rookery; fwd=miss; stored", "STALE", "90"},
		{object.Answer{Outcome: object.Bypass, Source: object.SourceOrigin}, "rookery; fwd=bypass", "BYPASS", ""},
	}
	for _, c := range cases {
		h := f.node.hold(key("o"), "v", 1)
		c.answer.Info = h.answer.Info
		h.answer = c.answer
		got := f.do("GET", "/public/o").header
		if got.Get("Cache-Status") != c.status || got.Get("X-Cache") != c.short || got.Get("Age") != c.age {
			t.Errorf("%q %q age %q, want %q %q %q", got.Get("Cache-Status"), got.Get("X-Cache"), got.Get("Age"), c.status, c.short, c.age)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) { o.NewRequestID = func() string { return "made" } })
	f.node.hold(key("o"), "v", 1)
	for in, want := range map[string]string{
		"": "made", "a.B-9_": "a.B-9_", strings.Repeat("x", 128): strings.Repeat("x", 128), strings.Repeat("x", 129): "made",
		"a b": "made", "a\u20ac": "made", `a"b`: "made",
	} {
		got := f.do("GET", "/public/o", "X-Request-ID", in).header
		if got.Get("X-Request-Id") != want || got.Get("X-Amz-Request-Id") != want {
			t.Errorf("%q: %q and %q, want %q", in, got.Get("X-Request-Id"), got.Get("X-Amz-Request-Id"), want)
		}
	}
}

// lockedBuffer is where a log goes that is read while requests run.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestAccessLogAndMetrics(t *testing.T) {
	var log lockedBuffer
	f := newFront(t, func(o *gateway.Options) { o.AccessLog = slog.New(slog.NewJSONHandler(&log, nil)) })
	h := f.node.hold(key("o"), "v", 5000)
	h.answer.Source, h.answer.OwnerSource = object.SourcePeer, object.SourceDisk
	f.do("GET", "/public/o?versionId=none&token=secret", "X-Request-ID", "one")
	f.do("GET", "/public/o?token=secret", "X-Request-ID", "two", "Range", "bytes=0-99", "User-Agent", strings.Repeat("u", 500))
	f.do("GET", "/nowhere/o", "X-Request-ID", "three")
	f.server.Close() // every line has been written

	if strings.Contains(log.String(), "secret") {
		t.Error("the query is in the log")
	}
	var lines []map[string]any
	for scan := bufio.NewScanner(&log); scan.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"time", "level", "remote"} {
			if line[name] == "" {
				t.Errorf("no %s", name)
			}
			delete(line, name)
		}
		lines = append(lines, line)
	}
	agent := "Go-http-client/1.1"
	want := []map[string]any{
		{"msg": "request", "request_id": "one", "method": "GET", "bucket": "public", "key": "o", "version": "none", "status": 404.0, "bytes": 184.0, "range": "", "path": "/public/o", "duration_ms": 0.0, "ttfb_ms": 0.0, "user_agent": agent, "error": "NoSuchKey"},
		{"msg": "request", "request_id": "two", "method": "GET", "bucket": "public", "key": "o", "version": "", "status": 206.0, "bytes": 100.0, "range": "bytes=0-99", "source": "peer", "owner_source": "disk", "outcome": "HIT", "duration_ms": 0.0, "ttfb_ms": 0.0, "user_agent": strings.Repeat("u", 200)},
		{"msg": "request", "request_id": "three", "method": "GET", "bucket": "", "key": "", "version": "", "status": 404.0, "bytes": 193.0, "range": "", "path": "/nowhere/o", "duration_ms": 0.0, "ttfb_ms": 0.0, "user_agent": agent, "error": "NoSuchBucket"},
	}
	for i := range want {
		got, _ := json.Marshal(lines[i])
		should, _ := json.Marshal(want[i])
		if !bytes.Equal(got, should) {
			t.Errorf("line %d:\n%s\nwant\n%s", i, got, should)
		}
	}

	var page bytes.Buffer
	f.set.WritePrometheus(&page)
	for _, series := range []string{
		`rookery_requests_total{bucket="public",source="peer",outcome="hit",code="2xx"} 1`,
		`rookery_requests_total{bucket="public",source="none",outcome="none",code="4xx"} 1`,
		`rookery_requests_total{bucket="",source="none",outcome="none",code="4xx"} 1`,
		`rookery_sent_bytes_total{bucket="public",source="peer"} 100`,
		`rookery_request_duration_seconds_count{bucket="public",source="peer"} 1`,
		`rookery_requests_in_flight 0`,
		`rookery_bodies_aborted_total{reason="client"} 0`,
	} {
		if !strings.Contains(page.String(), series+"\n") {
			t.Errorf("no %s in\n%s", series, page.String())
		}
	}
}

func TestManyClients(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("big"), "v", 1<<20+321)
	var clients sync.WaitGroup
	for n := range 16 {
		clients.Go(func() {
			from := int64(n) * 1000
			r := requestWith(t.Context(), t, f.server.URL+"/public/big")
			r.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
			res, err := f.client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if _, err := h.pattern.CheckReader(res.Body, from, h.pattern.Size); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
		})
	}
	clients.Wait()
}
