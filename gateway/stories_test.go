package gateway_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rookery/object"
)

const someRange = "bytes=10-19"

func TestConditionsLookBeforeTheyFetch(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("o"), "v1", 100)
	h.answer.Info.Header = []object.Field{
		{Name: "Cache-Control", Value: "max-age=60"},
		{Name: "Expires", Value: "x"},
		{Name: "Vary", Value: "Origin"},
		{Name: "Content-Type", Value: "text/plain"},
		{Name: "X-Amz-Meta-A", Value: "b"},
	}
	cases := []struct {
		name   string
		header []string
		status int
		bytes  int
		heads  string // one letter an Open: h for HeadOnly, b for a body
	}{
		{"304", []string{"If-None-Match", `"v1"`}, 304, 0, "h"},
		{"304 by date", []string{"If-Modified-Since", "Sun, 01 Mar 2026 10:00:00 GMT"}, 304, 0, "h"},
		{"412", []string{"If-Match", `"v2"`}, 412, -1, "h"},
		{"200", []string{"If-None-Match", `"v2"`}, 200, 100, "hb"},
		{"two lines of one field", []string{"If-None-Match", `"v2"`, "If-None-Match", `"v1"`}, 304, 0, "h"},
		{"304 goes before 416", []string{"If-None-Match", `"v1"`, "Range", "bytes=500-"}, 304, 0, "h"},
		{"416 without a body's Open", []string{"If-Match", `"v1"`, "Range", "bytes=500-"}, 416, -1, "h"},
		{"206", []string{"If-Match", `"v1"`, "Range", someRange}, 206, 10, "hb"},
		{"If-Range holds", []string{"If-Range", `"v1"`, "Range", someRange}, 206, 10, "hb"},
		{"If-Range fails", []string{"If-Range", `"v2"`, "Range", someRange}, 200, 100, "hb"},
		{"If-Range fails, range past the end", []string{"If-Range", `"v2"`, "Range", "bytes=500-"}, 200, 100, "hb"},
		{"If-Range without a range", []string{"If-Range", `"v2"`}, 200, 100, "b"},
		{"two ranges are one whole body", []string{"Range", "bytes=0-1", "Range", "bytes=5-6"}, 200, 100, "b"},
	}
	for _, c := range cases {
		f.node.forget()
		got := f.do("GET", "/public/o", c.header...)
		if opens := opensOf(f.node.asked()); got.status != c.status || opens != c.heads || c.bytes >= 0 && len(got.body) != c.bytes {
			t.Errorf("%s: %d, %d bytes, opens %q; want %d, %d, %q", c.name, got.status, len(got.body), opens, c.status, c.bytes, c.heads)
		}
		head := f.do("HEAD", "/public/o", c.header...)
		if head.status != c.status || len(head.body) != 0 {
			t.Errorf("HEAD, %s: %d, %d bytes", c.name, head.status, len(head.body))
		}
		sameHeaders(t, got.header, head.header)
		if c.status != 304 {
			continue
		}
		for name, want := range map[string]string{"Etag": `"v1"`, "Last-Modified": "Sun, 01 Mar 2026 10:00:00 GMT", "Cache-Control": "max-age=60", "Expires": "x", "Vary": "Origin", "X-Cache": "HIT", "Content-Type": "", "X-Amz-Meta-A": "", "Content-Length": ""} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got.header.Get(name), want)
			}
		}
	}
}

func opensOf(asks []object.Ask) string {
	var b strings.Builder
	for _, ask := range asks {
		if ask.HeadOnly {
			b.WriteByte('h')
		} else {
			b.WriteByte('b')
		}
	}
	return b.String()
}

// The version changes between the look and the bytes: what is sent is judged by
// the info that it comes with.
func TestVersionChangesBetweenLookAndBytes(t *testing.T) {
	cases := []struct {
		name    string
		header  []string
		changes map[int]string // before which Open, to which version
		status  int
		version string
		from    int64
		to      int64
		opens   string
	}{
		{"to one the client has", []string{"If-None-Match", `"v2"`}, map[int]string{2: "v2"}, 304, "v2", 0, 0, "hb"},
		{"to one it does not want", []string{"If-Match", `"v1"`}, map[int]string{2: "v2"}, 412, "", 0, 0, "hb"},
		{"to another that it may have", []string{"If-None-Match", `"v0"`}, map[int]string{2: "v2"}, 200, "v2", 0, 100, "hb"},
		{"If-Range no longer holds", []string{"If-Range", `"v1"`, "Range", someRange}, map[int]string{2: "v2"}, 200, "v2", 0, 100, "hbhb"},
		{"If-Range holds at last: the whole is right too", []string{"If-Range", `"v2"`, "Range", someRange}, map[int]string{2: "v2"}, 200, "v2", 0, 100, "hb"},
		{"and changes all the time", []string{"If-Range", `"v1"`, "Range", someRange}, map[int]string{2: "v2", 3: "v1", 4: "v2", 5: "v1", 6: "v2"}, 200, "v2", 0, 100, "hbhbhb"},
	}
	for _, c := range cases {
		f := newFront(t, nil)
		f.node.hold(key("o"), "v1", 100)
		f.node.before = func(n int, _ *object.Ask) {
			if version := c.changes[n]; version != "" {
				f.node.hold(key("o"), version, 100)
			}
		}
		got := f.do("GET", "/public/o", c.header...)
		if opens := opensOf(f.node.asked()); got.status != c.status || opens != c.opens {
			t.Errorf("%s: %d after %q, want %d after %q", c.name, got.status, opens, c.status, c.opens)
		}
		if c.version == "" {
			continue
		}
		if got.header.Get("Etag") != `"`+c.version+`"` || int64(len(got.body)) != c.to-c.from {
			t.Errorf("%s: %s and %d bytes", c.name, got.header.Get("Etag"), len(got.body))
		}
		f.node.before = nil
		if c.to > 0 {
			if err := f.node.hold(key("o"), c.version, 100).pattern.Check(got.body, c.from); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// An object that grew between the failed range and the look at its size is read,
// not refused with a size that would have satisfied it.
func TestRangeSatisfiableAfterAll(t *testing.T) {
	f := newFront(t, nil)
	f.node.hold(key("o"), "v1", 10)
	f.node.before = func(n int, _ *object.Ask) {
		if n == 2 {
			f.node.hold(key("o"), "v2", 100)
		}
	}
	got := f.do("GET", "/public/o", "Range", "bytes=50-59")
	if got.status != 206 || got.header.Get("Content-Range") != "bytes 50-59/100" || len(got.body) != 10 {
		t.Errorf("%d %q, %d bytes", got.status, got.header.Get("Content-Range"), len(got.body))
	}
	if opens := opensOf(f.node.asked()); opens != "bhb" {
		t.Errorf("opens %q, want bhb", opens)
	}
}

var errTorn = errors.New("torn")

func TestBrokenBodyNeverLooksComplete(t *testing.T) {
	const size = 3 << 20
	cut := func(after int64, end error) func(context.Context, io.Reader) io.Reader {
		return func(_ context.Context, rest io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(rest, after), failing{end})
		}
	}
	cases := []struct {
		name string
		body func(context.Context, io.Reader) io.Reader
		sent int64
	}{
		{"fails midway", cut(1<<20, errTorn), 1 << 20},
		{"fails before its first byte", cut(0, errTorn), 0},
		{"ends early", cut(1<<20+17, io.EOF), 1<<20 + 17},
		{"lacks its last byte", cut(size-1, io.EOF), size - 1},
		{"writes itself, and too little", func(_ context.Context, rest io.Reader) io.Reader {
			return &selfWriter{rest, 100_000, nil}
		}, 100_000},
		{"writes itself, and fails", func(_ context.Context, rest io.Reader) io.Reader {
			return &selfWriter{rest, 100_000, errTorn}
		}, 100_000},
	}
	for _, c := range cases {
		f := newFront(t, nil)
		h := f.node.hold(key("o"), "v1", size)
		f.node.body = c.body
		response := f.raw("GET /public/o HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		header, body, _ := strings.Cut(response, "\r\n\r\n")
		if header != "" && !strings.Contains(header, "Content-Length: 3145728") {
			t.Errorf("%s: no Content-Length tells that bytes are missing: %s", c.name, header)
		}
		if c.sent == 0 && response != "" {
			t.Errorf("%s: a promise was sent that was known to be broken: %s", c.name, header)
		}
		if int64(len(body)) > c.sent || len(body) >= size {
			t.Errorf("%s: %d bytes came, %d were to be had", c.name, len(body), c.sent)
		}
		if err := h.pattern.Check([]byte(body), 0); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := f.set.GetOrCreateCounter(`rookery_bodies_aborted_total{reason="source"}`).Get(); n != 1 {
			t.Errorf("%s: %d bodies counted as broken off, want 1", c.name, n)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// selfWriter is a body that writes itself: n bytes, then err.
type selfWriter struct {
	io.Reader
	n   int64
	err error
}

func (s *selfWriter) writesItself() {}

func (s *selfWriter) WriteTo(w io.Writer) (int64, error) {
	n, err := io.CopyN(w, s.Reader, s.n)
	if err == nil {
		err = s.err
	}
	return n, err
}

// fileBody is a body that leaves by sendfile, as a segment's record does.
type fileBody struct {
	io.Reader
	file  *os.File
	bytes int64
}

func (b *fileBody) writesItself() {}

func (b *fileBody) WriteTo(w io.Writer) (int64, error) {
	return w.(io.ReaderFrom).ReadFrom(io.LimitReader(b.file, b.bytes))
}

func TestBodyFromAFile(t *testing.T) {
	const size, from = 5<<20 + 77, 4097
	f := newFront(t, nil)
	h := f.node.hold(key("o"), "v1", size)
	path := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(path, h.pattern.Bytes(0, size), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	short := int64(0)
	f.node.body = func(_ context.Context, rest io.Reader) io.Reader {
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			t.Error(err)
		}
		return &fileBody{rest, file, size - from - short}
	}
	got := f.do("GET", "/public/o", "Range", "bytes=4097-")
	if err := h.pattern.Check(got.body, from); err != nil || got.err != nil || len(got.body) != size-from {
		t.Errorf("%d bytes of %d: %v, %v", len(got.body), size-from, err, got.err)
	}
	short = 1
	if got := f.do("GET", "/public/o", "Range", "bytes=4097-"); !errors.Is(got.err, io.ErrUnexpectedEOF) {
		t.Errorf("one byte missing: %v, want an unexpected EOF", got.err)
	}
}

// A body's first bytes leave before its last ones have come.
func TestFirstByteDoesNotWait(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("slow"), "v1", 10)
	h.answer.Outcome, h.answer.Source = object.Miss, object.SourceOrigin
	release := make(chan struct{})
	f.node.body = func(_ context.Context, rest io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(rest, 1), gate{release}, rest)
	}
	res, err := f.client.Get(f.server.URL + "/public/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	close(release)
	rest, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.pattern.Check(append(first, rest...), 0); err != nil || len(rest) != 9 {
		t.Errorf("%d more bytes: %v", len(rest), err)
	}
}

// gate ends, giving nothing, once it is opened.
type gate struct{ open chan struct{} }

func (g gate) Read([]byte) (int, error) { <-g.open; return 0, io.EOF }

func TestClientThatLeavesEndsTheRead(t *testing.T) {
	f := newFront(t, nil)
	f.node.hold(key("endless"), "v1", 1<<30)
	left := make(chan struct{})
	f.node.body = func(ctx context.Context, rest io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(rest, 4096), untilDone{ctx, left})
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := requestWith(ctx, t, f.server.URL+"/public/endless")
	res, err := f.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	cancel()
	res.Body.Close()
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the read goes on though its client has left")
	}
	f.server.Close() // waits for the handler
	if n := f.set.GetOrCreateCounter(`rookery_bodies_aborted_total{reason="client"}`).Get(); n != 1 {
		t.Errorf("%d bodies counted as left by their clients, want 1", n)
	}
}

// untilDone blocks until its context ends.
type untilDone struct {
	ctx  context.Context
	left chan struct{}
}

func (u untilDone) Read([]byte) (int, error) {
	<-u.ctx.Done()
	close(u.left)
	return 0, u.ctx.Err()
}

func TestBodyOfTheWrongBytesIsRefused(t *testing.T) {
	f := newFront(t, nil)
	h := f.node.hold(key("o"), "v1", 100)
	h.answer.Info.Size = 99 // a node that contradicts itself
	got := f.do("GET", "/public/o", "Range", someRange)
	if got.status != 206 {
		t.Errorf("a range that fits: %d", got.status)
	}
	got = f.do("GET", "/public/o")
	if got.status != 502 {
		t.Errorf("100 bytes of an object of 99: %d, want 502", got.status)
	}
}
