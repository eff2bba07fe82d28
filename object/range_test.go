package object

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseRange(t *testing.T) {
	cases := []struct {
		header string
		want   Range
		err    error
	}{
		{"", Range{}, nil},
		{"bytes=0-0", Range{FromTo, 0, 0}, nil},
		{"bytes=5-9", Range{FromTo, 5, 9}, nil},
		{"BYTES=5-9", Range{FromTo, 5, 9}, nil},
		{"bytes = 5-9 ", Range{FromTo, 5, 9}, nil},
		{"bytes=5-", Range{FromTo, 5, math.MaxInt64}, nil},
		{"bytes=-5", Range{Suffix, 0, 5}, nil},
		{"bytes=-0", Range{Suffix, 0, 0}, nil},
		{"bytes=007-8", Range{FromTo, 7, 8}, nil},
		{"bytes=9223372036854775807-", Range{FromTo, math.MaxInt64, math.MaxInt64}, nil},
		{"bytes=99999999999999999999-", Range{FromTo, math.MaxInt64, math.MaxInt64}, nil},
		{"bytes=-99999999999999999999", Range{Suffix, 0, math.MaxInt64}, nil},
		{"bytes=0-99999999999999999999", Range{FromTo, 0, math.MaxInt64}, nil},
		{"lines=1-2", Range{}, nil},
		{"bytes=0-1,3-4", Range{}, nil},
		{"bytes=,", Range{}, nil},
		{"bytes", Range{}, ErrMalformedRange},
		{"bytes=", Range{}, ErrMalformedRange},
		{"bytes=-", Range{}, ErrMalformedRange},
		{"bytes=5", Range{}, ErrMalformedRange},
		{"bytes=5-4", Range{}, ErrMalformedRange},
		{"bytes=+5-6", Range{}, ErrMalformedRange},
		{"bytes=5--6", Range{}, ErrMalformedRange},
		{"bytes=--6", Range{}, ErrMalformedRange},
		{"bytes=a-b", Range{}, ErrMalformedRange},
		{"bytes=0x1-2", Range{}, ErrMalformedRange},
		{"bytes=1 -2", Range{}, ErrMalformedRange},
		{"bytes=\u0661-", Range{}, ErrMalformedRange}, // a digit, but not an ASCII one
	}
	for _, c := range cases {
		got, err := ParseRange(c.header)
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%q: %+v, %v, want %+v, %v", c.header, got, err, c.want, c.err)
		}
	}
}

func TestResolve(t *testing.T) {
	cases := []struct {
		r              Range
		size, from, to int64 // to of -1: unsatisfiable
	}{
		{Range{}, 0, 0, 0},
		{Range{}, 10, 0, 10},
		{Range{FromTo, 0, 0}, 10, 0, 1},
		{Range{FromTo, 9, 9}, 10, 9, 10},
		{Range{FromTo, 3, 100}, 10, 3, 10},
		{Range{FromTo, 0, math.MaxInt64}, 10, 0, 10},
		{Range{FromTo, 0, math.MaxInt64}, math.MaxInt64, 0, math.MaxInt64},
		{Range{FromTo, 10, math.MaxInt64}, 10, 0, -1},
		{Range{FromTo, math.MaxInt64, math.MaxInt64}, math.MaxInt64, 0, -1},
		{Range{FromTo, 0, 0}, 0, 0, -1},
		{Range{Suffix, 0, 1}, 10, 9, 10},
		{Range{Suffix, 0, 10}, 10, 0, 10},
		{Range{Suffix, 0, math.MaxInt64}, 10, 0, 10},
		{Range{Suffix, 0, 0}, 10, 0, -1},
		{Range{Suffix, 0, 5}, 0, 0, -1},
	}
	for _, c := range cases {
		from, to, err := c.r.Resolve(c.size)
		if c.to < 0 {
			if !errors.Is(err, ErrUnsatisfiableRange) {
				t.Errorf("%+v of %d: %d to %d, %v, want unsatisfiable", c.r, c.size, from, to, err)
			}
			continue
		}
		if err != nil || from != c.from || to != c.to {
			t.Errorf("%+v of %d: %d to %d, %v, want %d to %d", c.r, c.size, from, to, err, c.from, c.to)
		}
	}
	if _, _, err := (Range{Kind: 9}).Resolve(10); !errors.Is(err, ErrMalformedRange) {
		t.Errorf("a kind from the wire that does not exist: %v", err)
	}
}

// FuzzRange checks that whatever parses also resolves to bytes inside the body,
// and that net/http's own server agrees on single ranges that both accept.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"", "bytes=0-0", "bytes=5-", "bytes=-5", "bytes=9-1", "bytes=0-1,2-3", "bytes=-0", "lines=1", "bytes=99999999999999999999-"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		size = max(size, -size, 0) % (1 << 20)
		r, err := ParseRange(header)
		if err != nil {
			return
		}
		from, to, err := r.Resolve(size)
		if err != nil {
			if !errors.Is(err, ErrUnsatisfiableRange) || r.Kind == Whole {
				t.Fatalf("%q of %d: %v", header, size, err)
			}
			return
		}
		if from < 0 || from > to || to > size || from == to && size > 0 {
			t.Fatalf("%q of %d: %d to %d", header, size, from, to)
		}
		if r.Kind == Whole || strings.Contains(header, " ") || strings.Contains(header, "\t") || !strings.HasPrefix(header, "bytes=") {
			return
		}
		if want := netHTTPRange(header, size); want != "" && want != strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(to-1, 10) {
			t.Fatalf("%q of %d: %d to %d, net/http: %s", header, size, from, to, want)
		}
	})
}

// netHTTPRange is what http.ServeContent makes of a single range, "" if it
// refuses it.
func netHTTPRange(header string, size int64) string {
	w := recorder{header: http.Header{}}
	r := &http.Request{Method: http.MethodHead, Header: http.Header{"Range": {header}}}
	http.ServeContent(&w, r, "x.txt", time.Time{}, emptyBody(size))
	if w.status != http.StatusPartialContent {
		return ""
	}
	span, _, _ := strings.Cut(strings.TrimPrefix(w.header.Get("Content-Range"), "bytes "), "/")
	return span
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

func emptyBody(size int64) io.ReadSeeker { return io.NewSectionReader(noBytes{}, 0, size) }

type noBytes struct{}

func (noBytes) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }
