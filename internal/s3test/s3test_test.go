package s3test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rookery/internal/pattern"
	"rookery/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client never keeps a connection, decodes nothing and follows nothing.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends a request; header is "Name: value" lines.
func ask(t *testing.T, method, address string, header ...string) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return client.Do(r)
}

func get(t *testing.T, address string, header ...string) *http.Response {
	t.Helper()
	res, err := ask(t, http.MethodGet, address, header...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestListen(t *testing.T) {
	s, err := Listen("127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if !strings.HasPrefix(s.URL, "http://127.0.0.2:") {
		t.Errorf("URL %s", s.URL)
	}
	o := pattern.Object{Bucket: "b", Key: "k", Size: 10}
	s.Put(o, Meta{})
	if _, err := o.CheckReader(get(t, s.URL+"/b/k").Body, 0, o.Size); err != nil {
		t.Error(err)
	}
	if _, err := Listen(strings.TrimPrefix(s.URL, "http://")); err == nil {
		t.Error("two servers at one address")
	}
}

func TestAnswers(t *testing.T) {
	s := Start(t)
	o := pattern.Object{Bucket: "b", Key: "dir/a b+c%2Fd//ü", Size: 3*object.ChunkBytes + 5}
	s.Put(o, Meta{Header: http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}, "Content-Encoding": {"gzip"}}})
	s.Put(pattern.Object{Bucket: "b", Key: "empty"}, Meta{NoETag: true, NoLastModified: true})
	big := s.URL + "/b/dir/" + url.PathEscape("a b+c%2Fd//ü")
	cases := []struct {
		name, url string
		header    []string
		status    int
		from, to  int64
		want      http.Header
	}{
		{"whole", big, nil, 200, 0, o.Size, http.Header{"Etag": {ETag(o)}, "Content-Encoding": {"gzip"}, "X-Amz-Checksum-Crc32": nil}},
		{"checksum mode", big, []string{"X-Amz-Checksum-Mode: ENABLED"}, 200, 0, o.Size, http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}}},
		{"first byte", big, []string{"Range: bytes=0-0", "X-Amz-Checksum-Mode: ENABLED"}, 206, 0, 1, http.Header{"Content-Range": {"bytes 0-0/3145733"}, "X-Amz-Checksum-Crc32": nil}},
		{"open end", big, []string{"Range: bytes=3145730-"}, 206, 3145730, o.Size, nil},
		{"suffix", big, []string{"Range: bytes=-7"}, 206, o.Size - 7, o.Size, nil},
		{"beyond the end", big, []string{"Range: bytes=3145000-9999999"}, 206, 3145000, o.Size, nil},
		{"unsatisfiable", big, []string{"Range: bytes=3145733-"}, 416, 0, 0, http.Header{"Content-Range": {"bytes */3145733"}}},
		{"matches", big, []string{"If-Match: " + ETag(o)}, 200, 0, o.Size, nil},
		{"does not match", big, []string{`If-Match: "x"`}, 412, 0, 0, nil},
		{"not modified", big, []string{"If-None-Match: " + ETag(o)}, 304, 0, 0, http.Header{"Etag": {ETag(o)}}},
		{"not modified since", big, []string{"If-Modified-Since: " + LastModified.Format(http.TimeFormat)}, 304, 0, 0, nil},
		{"unmodified since", big, []string{"If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT"}, 412, 0, 0, nil},
		{"empty", s.URL + "/b/empty", nil, 200, 0, 0, http.Header{"Etag": nil, "Last-Modified": nil}},
		{"range of empty", s.URL + "/b/empty", []string{"Range: bytes=0-0"}, 416, 0, 0, nil},
		{"no such key", s.URL + "/b/nothing", nil, 404, 0, 0, nil},
		{"no such bucket", s.URL + "/nothing/nothing", nil, 404, 0, 0, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res := get(t, c.url, c.header...)
			if res.StatusCode != c.status {
				t.Fatalf("status %d, want %d", res.StatusCode, c.status)
			}
			for name, want := range c.want {
				if got := res.Header.Values(name); !slices.Equal(got, want) {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if c.status < 300 {
				if _, err := o.CheckReader(res.Body, c.from, c.to); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCounts(t *testing.T) {
	s := Start(t)
	o := pattern.Object{Bucket: "b", Key: "k", Size: 4 * object.ChunkBytes}
	s.Put(o, Meta{})
	for _, r := range []string{"bytes=0-1048575", "bytes=1048575-1048576", "bytes=3145728-"} {
		res := get(t, s.URL+"/b/k", "Range: "+r)
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
	}
	head, err := ask(t, http.MethodHead, s.URL+"/b/k")
	if err != nil || head.ContentLength != o.Size {
		t.Fatal(head, err)
	}
	if got := s.Fetches("b", "k"); !slices.Equal(got, []int{2, 1, 0, 1}) {
		t.Errorf("fetches of chunks: %v", got)
	}
	const want = 2*object.ChunkBytes + 2
	if promised, sent := s.Bytes("b", "k"); promised != want || sent != want {
		t.Errorf("%d promised, %d sent, want %d", promised, sent, want)
	}
	if gets, heads, all := s.Count("GET", "b", "k"), s.Count("HEAD", "", ""), s.Count("", "", ""); gets != 3 || heads != 1 || all != 4 {
		t.Errorf("%d gets, %d heads, %d in all", gets, heads, all)
	}
	s.Forget()
	if s.Count("", "", "") != 0 || s.Fetches("b", "k") != nil {
		t.Error("not forgotten")
	}
}

func TestVersions(t *testing.T) {
	s := Start(t)
	v1 := pattern.Object{Bucket: "b", Key: "k", Version: "1", Size: 1000}
	v2 := pattern.Object{Bucket: "b", Key: "k", Version: "2", Size: 2000}
	s.Put(v1, Meta{VersionID: "id1"})
	s.Put(v2, Meta{VersionID: "id2"})
	for query, want := range map[string]pattern.Object{"": v2, "?versionId=id2": v2, "?versionId=id1": v1} {
		res := get(t, s.URL+"/b/k"+query)
		if _, err := want.CheckReader(res.Body, 0, want.Size); err != nil {
			t.Errorf("%q: %v", query, err)
		}
	}
	if res := get(t, s.URL+"/b/k?versionId=id3"); res.StatusCode != http.StatusNotFound {
		t.Error(res.Status)
	}
	s.Delete("b", "k")
	if res := get(t, s.URL+"/b/k"); res.StatusCode != http.StatusNotFound {
		t.Error(res.Status)
	}
}

func TestSteps(t *testing.T) {
	const size = 300_000
	o := pattern.Object{Bucket: "b", Key: "k", Size: size}
	ranged := []string{"Range: bytes=1000-1999"}
	cases := []struct {
		name     string
		step     Step
		header   []string
		status   int
		from, to int64 // the bytes that come
		length   int64 // the Content-Length
		err      error // how the body ends
	}{
		{"right", Step{}, ranged, 206, 1000, 2000, 1000, nil},
		{"for HEAD alone", Step{Method: "HEAD", Status: 500}, ranged, 206, 1000, 2000, 1000, nil},
		{"ignores Range", Step{IgnoreRange: true}, ranged, 200, 0, size, size, nil},
		{"ignores If-Match", Step{IgnoreIfMatch: true}, []string{`If-Match: "old"`}, 200, 0, size, size, nil},
		{"without length", Step{NoLength: true}, nil, 200, 0, size, -1, nil},
		{"long", Step{Extra: 10}, ranged, 206, 1000, 2010, 1010, nil},
		{"short", Step{Extra: -10}, ranged, 206, 1000, 1990, 990, nil},
		{"cut", Step{End: &End{After: 70_000}}, nil, 200, 0, 70_000, size, io.ErrUnexpectedEOF},
		{"cut at once", Step{End: &End{}}, nil, 200, 0, 0, size, io.ErrUnexpectedEOF},
		{"reset", Step{End: &End{After: 10_000, How: Reset}}, nil, 200, 0, 10_000, size, syscall.ECONNRESET},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := Start(t)
			s.Put(o, Meta{})
			s.Script("b", "k", c.step)
			res := get(t, s.URL+"/b/k", c.header...)
			if res.StatusCode != c.status || res.ContentLength != c.length {
				t.Fatalf("status %d with length %d", res.StatusCode, res.ContentLength)
			}
			body, err := io.ReadAll(res.Body)
			if !errors.Is(err, c.err) {
				t.Fatalf("%d bytes and %v, want %v", len(body), err, c.err)
			}
			if !errors.Is(c.err, syscall.ECONNRESET) && int64(len(body)) != c.to-c.from {
				t.Fatalf("%d bytes, want %d", len(body), c.to-c.from)
			}
			if err := o.Check(body, c.from); err != nil {
				t.Fatal(err)
			}
			if _, sent := s.Bytes("b", "k"); sent != c.to-c.from {
				t.Errorf("%d bytes counted, want %d", sent, c.to-c.from)
			}
		})
	}
}

func TestErrorsByScript(t *testing.T) {
	s := Start(t)
	s.Put(pattern.Object{Bucket: "b", Key: "k", Size: 10}, Meta{})
	s.Script("b", "k", Step{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {"7"}}}, Step{Drop: true})
	res := get(t, s.URL+"/b/k")
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "7" || !strings.Contains(string(body), "<Code>SlowDown</Code>") {
		t.Errorf("%s %s", res.Status, body)
	}
	if res, err := ask(t, http.MethodGet, s.URL+"/b/k"); err == nil {
		t.Errorf("answered %s where the connection should drop", res.Status)
	}
	if res := get(t, s.URL+"/b/k"); res.StatusCode != http.StatusOK {
		t.Error("the script did not end", res.Status)
	}
	s.Everything(&Step{Status: 500})
	if res := get(t, s.URL+"/b/other"); res.StatusCode != http.StatusInternalServerError {
		t.Error(res.Status)
	}
	s.Everything(nil)
	if res := get(t, s.URL+"/b/k"); res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
}

func TestGates(t *testing.T) {
	s := Start(t)
	o := pattern.Object{Bucket: "b", Key: "k", Size: 200_000}
	s.Put(o, Meta{})
	headers := s.Hold("b", "k", BeforeHeaders)
	middle := s.Hold("b", "k", 100_001)
	answered := make(chan *http.Response, 1)
	go func() {
		res, _ := ask(t, http.MethodGet, s.URL+"/b/k")
		answered <- res
	}()
	<-headers.Reached()
	if got := s.Fetches("b", "k"); got != nil {
		t.Errorf("fetches before the headers: %v", got)
	}
	headers.Open()
	res := <-answered
	if res == nil {
		t.Fatal("no answer")
	}
	defer res.Body.Close()
	first := make([]byte, 100_001)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	<-middle.Reached()
	if _, sent := s.Bytes("b", "k"); sent != 100_001 {
		t.Errorf("%d bytes passed the closed gate", sent)
	}
	middle.Open()
	if _, err := o.CheckReader(res.Body, 100_001, o.Size); err != nil {
		t.Error(err)
	}
	ended := func(all []Request) bool { return len(all) == 1 && all[0].Done }
	if err := s.Await(t.Context(), ended); err != nil {
		t.Error(err)
	}
}

func TestLimitPacesABody(t *testing.T) {
	s := Start(t)
	o := pattern.Object{Bucket: "b", Key: "k", Size: 256 << 10}
	s.Put(o, Meta{})
	s.Limit(1 << 20)
	start := time.Now()
	res := get(t, s.URL+"/b/k")
	if _, err := o.CheckReader(res.Body, 0, o.Size); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 150*time.Millisecond {
		t.Errorf("256 KiB at 1 MiB/s took %v", took)
	}
}

func TestCloseEndsHeldAnswers(t *testing.T) {
	s := New()
	s.Put(pattern.Object{Bucket: "b", Key: "k", Size: 10}, Meta{})
	gate := s.Hold("b", "k", 5)
	res := get(t, s.URL+"/b/k")
	<-gate.Reached()
	s.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the held answer came to a good end")
	}
}
