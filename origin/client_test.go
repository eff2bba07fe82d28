package origin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

func TestHeadAndWholeGetGiveTheSameInfo(t *testing.T) {
	sent := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	s := script(t, 100_001, s3test.Meta{VersionID: "v1", Header: http.Header{
		"Content-Type":         {"text/plain; charset=utf-8"},
		"Content-Encoding":     {"gzip"}, // the bytes are none: whoever decodes them fails
		"Content-Disposition":  {`attachment; filename="ü.txt"`},
		"Cache-Control":        {"max-age=60", "no-transform"},
		"X-Amz-Meta-Colour":    {"blue"},
		"X-Amz-Checksum-Crc32": {"AAAAAA=="}, // wrong: whoever checks it fails
		"X-Amz-Checksum-Type":  {"FULL_OBJECT"},
		"Expires":              {"garbage"},
		"X-Amz-Missing-Meta":   {"many"}, // no number: the SDK's own reader fails
		"Age":                  {"5"}, "Via": {"1.1 proxy"}, "Set-Cookie": {"a=b"}, "Alt-Svc": {"h3"},
		"Strict-Transport-Security": {"max-age=1"}, "Keep-Alive": {"timeout=5"}, "X-Hop": {"1"}, "Connection": {"x-hop"},
	}}, func(o *Options) { o.Now = func() time.Time { return sent } })
	want := []object.Field{
		{Name: "Age", Value: "5"},
		{Name: "Cache-Control", Value: "max-age=60"},
		{Name: "Cache-Control", Value: "no-transform"},
		{Name: "Content-Disposition", Value: `attachment; filename="ü.txt"`},
		{Name: "Content-Encoding", Value: "gzip"},
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "Expires", Value: "garbage"},
		{Name: "X-Amz-Checksum-Crc32", Value: "AAAAAA=="},
		{Name: "X-Amz-Checksum-Type", Value: "FULL_OBJECT"},
		{Name: "X-Amz-Meta-Colour", Value: "blue"},
		{Name: "X-Amz-Missing-Meta", Value: "many"},
		{Name: "X-Amz-Version-Id", Value: "v1"},
	}
	head, err := s.Head(within(t), s.key, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(within(t), object.Fetch{Key: s.key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := s.object.CheckReader(got.Body, 0, s.object.Size); err != nil {
		t.Error(err)
	}
	for from, info := range map[string]*object.Info{"HEAD": head, "GET": got.Info} {
		if !slices.Equal(info.Header, want) {
			t.Errorf("%s: header %q\nwant %q", from, info.Header, want)
		}
		etag := s3test.ETag(s.object)
		if info.Size != s.object.Size || info.ETag != etag || info.Version != object.VersionOf(etag, s.object.Size) ||
			!info.LastModified.Equal(s3test.LastModified) || !info.Validated.Equal(sent.Add(-5*time.Second)) || info.Note != (object.Note{}) {
			t.Errorf("%s: %+v", from, info)
		}
	}
	if got.ETag != head.ETag || got.Offset != 0 || got.Length != s.object.Size || got.Size != s.object.Size {
		t.Errorf("%+v", got)
	}
	for _, r := range s.Requests() {
		if r.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" || strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Errorf("%v: sent %v", r, r.Header)
		}
	}
}

func TestGetPart(t *testing.T) {
	const size = 3 << 20
	s := script(t, size, s3test.Meta{Header: http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}}}, nil)
	etag := s3test.ETag(s.object)
	for _, part := range [][2]int64{{0, 1}, {0, size}, {size - 1, size}, {1 << 20, 2<<20 + 17}} {
		s.Forget()
		got, err := s.Get(within(t), object.Fetch{Key: s.key, From: part[0], To: part[1], IfMatch: etag})
		if err != nil {
			t.Fatal(part, err)
		}
		if _, err := s.object.CheckReader(got.Body, part[0], part[1]); err != nil {
			t.Error(part, err)
		}
		got.Body.Close()
		if got.Info != nil || got.ETag != etag || got.Offset != part[0] || got.Length != part[1]-part[0] || got.Size != size {
			t.Errorf("%v: %+v", part, got)
		}
		request := s.Requests()[0]
		if request.Header.Get("If-Match") != etag || request.Header.Get("X-Amz-Checksum-Mode") != "" || request.From != part[0] || request.To != part[1] {
			t.Errorf("%v: %v %v", part, request, request.Header)
		}
	}
}

func TestEmptyAndWeakObjects(t *testing.T) {
	for name, meta := range map[string]s3test.Meta{"no ETag": {NoETag: true}, "weak": {ETag: `W/"x"`}} {
		s := script(t, 0, meta, nil)
		head, err := s.Head(within(t), s.key, "")
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := s.Get(within(t), object.Fetch{Key: s.key})
		if err != nil {
			t.Fatal(name, err)
		}
		if n, err := got.Body.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s: read %d bytes, %v", name, n, err)
		}
		got.Body.Close()
		if head.Strong() || head.Version == got.Info.Version || got.Size != 0 || head.ETag != meta.ETag {
			t.Errorf("%s: %+v and %+v", name, head, got.Info)
		}
	}
}

func TestVersionID(t *testing.T) {
	s := script(t, 1000, s3test.Meta{VersionID: "first+/="}, nil)
	s.Put(pattern.Object{Bucket: "b", Key: "dir/k", Version: "2", Size: 2000}, s3test.Meta{VersionID: "second"})
	s.key.Version = "first+/="
	head, err := s.Head(within(t), s.key, "")
	if err != nil || head.Size != 1000 {
		t.Error(head, err)
	}
	got, err := s.Get(within(t), object.Fetch{Key: s.key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := s.object.CheckReader(got.Body, 0, 1000); err != nil {
		t.Error(err)
	}
}

func TestNotModified(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	etag := s3test.ETag(s.object)
	_, headErr := s.Head(within(t), s.key, etag)
	_, getErr := s.Get(within(t), object.Fetch{Key: s.key, IfNoneMatch: etag})
	for from, err := range map[string]error{"HEAD": headErr, "GET": getErr} {
		var same *object.NotModified
		if !errors.Is(err, object.ErrNotModified) || !errors.As(err, &same) || same.ETag != etag || !same.LastModified.Equal(s3test.LastModified) {
			t.Errorf("%s: %v", from, err)
		}
	}
	s.Script("b", "dir/k", s3test.Step{Status: 304, Header: http.Header{
		"Etag": {etag}, "Cache-Control": {"max-age=1", "private"}, "Age": {"9, 7"}, "X-Amz-Meta-A": {"no"},
	}})
	_, err := s.Get(within(t), object.Fetch{Key: s.key, IfNoneMatch: etag})
	var same *object.NotModified
	want := []object.Field{{Name: "Cache-Control", Value: "max-age=1"}, {Name: "Cache-Control", Value: "private"}, {Name: "Age", Value: "9"}}
	if !errors.As(err, &same) || !slices.Equal(same.Header, want) || !same.LastModified.IsZero() || time.Since(same.Validated) < 9*time.Second {
		t.Errorf("%v %+v", err, same)
	}
	if info, err := s.Head(within(t), s.key, `"other"`); err != nil || info.ETag != etag {
		t.Error(info, err)
	}
	// A 304 that nobody asked for is no answer.
	s.Script("b", "dir/k", s3test.Step{Status: 304}, s3test.Step{Status: 304})
	if _, err := s.Head(within(t), s.key, ""); err == nil || errors.Is(err, object.ErrNotModified) {
		t.Error(err)
	}
	if _, err := s.Get(within(t), object.Fetch{Key: s.key}); err == nil || errors.Is(err, object.ErrNotModified) {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	got, err := s.Get(within(t), object.Fetch{Key: s.key, To: 700})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(got.Body, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	s.Script("b", "dir/k", s3test.Step{Method: "GET", Status: 503}, s3test.Step{Method: "GET", IgnoreRange: true})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		_, err = s.Get(within(t), object.Fetch{Key: s.key, To: 700})
		failed(t, err)
	}
	_, err = s.Get(cancelled, object.Fetch{Key: s.key})
	failed(t, err)
	_, err = s.Head(within(t), s.key, s3test.ETag(s.object))
	failed(t, err)
	_, err = s.Head(within(t), object.Key{Name: "none"}, "")
	failed(t, err)
	var page bytes.Buffer
	s.set.WritePrometheus(&page)
	for _, line := range []string{
		`rookery_origin_requests_total{bucket="route",replica="primary",kind="get",outcome="ok"} 1`,
		`rookery_origin_requests_total{bucket="route",replica="primary",kind="get",outcome="error"} 2`,
		`rookery_origin_requests_total{bucket="route",replica="primary",kind="get",outcome="canceled"} 1`,
		`rookery_origin_requests_total{bucket="route",replica="primary",kind="head",outcome="not_modified"} 1`,
		`rookery_origin_requests_total{bucket="route",replica="primary",kind="head",outcome="client_error"} 1`,
		`rookery_origin_request_duration_seconds_count{bucket="route",replica="primary",kind="get"} 4`,
		`rookery_origin_bytes_total{bucket="route",replica="primary"} 300`,
	} {
		if !strings.Contains(page.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, page.String())
		}
	}
}

func failed(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("it worked")
	}
}

func TestOptions(t *testing.T) {
	good := Options{Bucket: "b", AccessKey: "a", SecretKey: "s", Endpoint: "http://127.0.0.1:9"}
	cases := []struct {
		name   string
		change func(*Options)
	}{
		{"no bucket", func(o *Options) { o.Bucket = "" }},
		{"half a key", func(o *Options) { o.SecretKey = "" }},
		{"anonymous with keys", func(o *Options) { o.Anonymous = true }},
		{"endpoint without scheme", func(o *Options) { o.Endpoint = "minio:9000" }},
		{"endpoint of another scheme", func(o *Options) { o.Endpoint = "ftp://minio" }},
	}
	for _, c := range cases {
		o := good
		c.change(&o)
		if _, err := New(t.Context(), o); err == nil {
			t.Errorf("%s was accepted", c.name)
		}
	}
	if _, err := New(t.Context(), good); err != nil {
		t.Error(err)
	}
}
