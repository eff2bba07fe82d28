package gateway_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"rookery/object"
)

func TestGetGivesBackEveryHeader(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("a/b.txt"), "v1", 5000)
	h.answer.Info.Header = []object.Field{
		{Name: "Content-Type", Value: "text/html"},
		{Name: "Content-Encoding", Value: "gzip"},
		{Name: "Cache-Control", Value: "max-age=60"},
		{Name: "Content-Disposition", Value: `attachment; filename="x"`},
		{Name: "X-Amz-Meta-Colour", Value: "blue"},
		{Name: "X-Amz-Version-Id", Value: "7"},
		{Name: "X-Amz-Checksum-Crc32c", Value: "AAAAAA=="},
		{Name: "Vary", Value: "Origin"},
		{Name: "Vary", Value: "Accept"},
		{Name: "X-Amz-Request-Id", Value: "the origin's"},
		{Name: "Age", Value: "7777"},
	}
	got := f.do("GET", "/public/a/b.txt", "X-Request-ID", "me-1.2_3", "x-amz-checksum-mode", "ENABLED")
	want := http.Header{
		"Content-Type": {"text/html"}, "Content-Encoding": {"gzip"}, "Cache-Control": {"max-age=60"},
		"Content-Disposition": {`attachment; filename="x"`}, "X-Amz-Meta-Colour": {"blue"}, "X-Amz-Version-Id": {"7"},
		"X-Amz-Checksum-Crc32c": {"AAAAAA=="}, "Vary": {"Origin", "Accept"},
		"Etag": {`"v1"`}, "Last-Modified": {"Sun, 01 Mar 2026 10:00:00 GMT"}, "Accept-Ranges": {"bytes"},
		"Content-Length": {"5000"}, "Age": {"90"}, "Cache-Status": {"rookery; hit; ttl=3600; detail=hot"}, "X-Cache": {"HIT"},
		"X-Request-Id": {"me-1.2_3"}, "X-Amz-Request-Id": {"me-1.2_3"},
	}
	got.header.Del("Date")
	if got.status != 200 || !maps.EqualFunc(got.header, want, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
		t.Errorf("status %d, header\n%v\nwant\n%v", got.status, got.header, want)
	}
	if err := h.pattern.Check(got.body, 0); err != nil || len(got.body) != 5000 {
		t.Errorf("%d bytes: %v", len(got.body), err)
	}
	if asks := f.node.asked(); len(asks) != 1 || asks[0].HeadOnly || asks[0].RequestID != "me-1.2_3" {
		t.Errorf("a plain GET is one Open: %+v", asks)
	}
}

func TestRanges(t *testing.T) {
	f := newFront(t, nil)
	const size = 10_000
	h := f.node.hold(key("o"), "v1", size)
	h.answer.Info.Header = append(h.answer.Info.Header, object.Field{Name: "X-Amz-Checksum-Sha256", Value: "whole"})
	f.node.hold(key("empty"), "v0", 0)
	cases := []struct {
		target, header string
		status         int
		from, to       int64
		contentRange   string
	}{
		{"/public/o", "", 200, 0, size, ""},
		{"/public/o", "bytes=0-0", 206, 0, 1, "bytes 0-0/10000"},
		{"/public/o", "bytes=0-", 206, 0, size, "bytes 0-9999/10000"},
		{"/public/o", "bytes=4095-4096", 206, 4095, 4097, "bytes 4095-4096/10000"},
		{"/public/o", "bytes=9999-20000", 206, 9999, size, "bytes 9999-9999/10000"},
		{"/public/o", "bytes=-1", 206, size - 1, size, "bytes 9999-9999/10000"},
		{"/public/o", "bytes=-99999", 206, 0, size, "bytes 0-9999/10000"},
		{"/public/o", "bytes=10000-", 416, 0, 0, "bytes */10000"},
		{"/public/o", "bytes=-0", 416, 0, 0, "bytes */10000"},
		{"/public/o", "bytes=5-4", 416, 0, 0, ""}, // malformed: nothing is looked up
		{"/public/o", "bytes=a-b", 416, 0, 0, ""},
		{"/public/o", "bytes=0-1,5-6", 200, 0, size, ""},
		{"/public/o", "lines=0-1", 200, 0, size, ""},
		{"/public/empty", "", 200, 0, 0, ""},
		{"/public/empty", "bytes=0-", 416, 0, 0, "bytes */0"},
		{"/public/empty", "bytes=-5", 416, 0, 0, "bytes */0"},
	}
	for _, c := range cases {
		header := []string{"x-amz-checksum-mode", "enabled"}
		if c.header != "" {
			header = append(header, "Range", c.header)
		}
		got := f.do("GET", c.target, header...)
		if got.status != c.status || got.header.Get("Content-Range") != c.contentRange {
			t.Errorf("%s %q: %d %q, want %d %q", c.target, c.header, got.status, got.header.Get("Content-Range"), c.status, c.contentRange)
			continue
		}
		head := f.do("HEAD", c.target, header...)
		if head.status != got.status || len(head.body) != 0 {
			t.Errorf("HEAD %s %q: %d with %d bytes, GET %d", c.target, c.header, head.status, len(head.body), got.status)
		}
		sameHeaders(t, got.header, head.header)
		if c.status == 416 {
			if !strings.Contains(string(got.body), "<Code>InvalidRange</Code>") {
				t.Errorf("%q: %s", c.header, got.body)
			}
			continue
		}
		if err := h.pattern.Check(got.body, c.from); int64(len(got.body)) != c.to-c.from || err != nil && c.to > 0 {
			t.Errorf("%s %q: %d bytes, %v", c.target, c.header, len(got.body), err)
		}
		if whole := got.header.Get("X-Amz-Checksum-Sha256") != ""; whole != (c.status == 200 && c.target == "/public/o") {
			t.Errorf("%q: checksum of the whole given: %t", c.header, whole)
		}
	}
}

// sameHeaders checks that a HEAD's header block is the GET's.
func sameHeaders(t *testing.T, get, head http.Header) {
	t.Helper()
	for _, name := range []string{"Date", "X-Request-Id", "X-Amz-Request-Id"} {
		get.Del(name)
		head.Del(name)
	}
	if !maps.EqualFunc(get, head, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
		t.Errorf("HEAD's headers differ from GET's:\n%v\n%v", head, get)
	}
}

// boto3 and others take the case of x-amz-meta-* on the wire for that of the metadata's
// key, and whoever has not asked for checksums must not be made to verify them.
func TestNamesAsS3WritesThem(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("o"), "v1", 5)
	h.answer.Info.Header = append(h.answer.Info.Header, object.Field{Name: "X-Amz-Meta-Colour", Value: "blue"},
		object.Field{Name: "X-Amz-Checksum-Type", Value: "FULL_OBJECT"}, object.Field{Name: "X-Amz-Checksum-Crc32", Value: "AAAAAA=="})
	for _, mode := range []string{"", "x-amz-checksum-mode: ENABLED\r\n", "x-amz-checksum-mode: no\r\n"} {
		got := f.raw("GET /public/o HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + mode + "\r\n")
		if !strings.Contains(got, "\r\nx-amz-meta-colour: blue\r\n") || !strings.Contains(got, "\r\nx-amz-request-id: ") {
			t.Errorf("names in another case: %q", got)
		}
		if has := strings.Contains(got, "\r\nx-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-type: FULL_OBJECT\r\n"); has != strings.Contains(mode, "ENABLED") {
			t.Errorf("%q: %q", mode, got)
		}
	}
}

func TestOddInfos(t *testing.T) {
	f := newFront(t, nil)
	bare := f.node.hold(key("bare"), "v", 3)
	bare.answer.Info = object.Info{Size: 3, Validated: validated}
	got := f.do("GET", "/public/bare")
	for _, name := range []string{"Etag", "Last-Modified"} {
		if _, there := got.header[name]; there {
			t.Errorf("%s out of nothing: %q", name, got.header[name])
		}
	}
	if ct := got.header.Get("Content-Type"); ct != "binary/octet-stream" {
		t.Errorf("Content-Type %q, want S3's default", ct)
	}
	if got.header.Get("Content-Length") != "3" || len(got.body) != 3 {
		t.Errorf("%d bytes, Content-Length %q", len(got.body), got.header.Get("Content-Length"))
	}
}

func TestVersionIDIsPartOfTheKey(t *testing.T) {
	f := newFront(t, nil)
	f.node.hold(key("o"), "now", 10)
	old := f.node.hold(object.Key{Bucket: "public", Name: "o", Version: "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"}, "old", 20)
	got := f.do("GET", "/public/o?x-id=GetObject&versionId=3%2FL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY&X-Amz-Signature=secret")
	if err := old.pattern.Check(got.body, 0); err != nil || len(got.body) != 20 {
		t.Errorf("%d bytes: %v", len(got.body), err)
	}
}
