package origin

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/object"
)

// TestHeadersThatNoClientMaySee covers what a real server's net/http would not
// let through.
func TestHeadersThatNoClientMaySee(t *testing.T) {
	res := &http.Response{ContentLength: 7, Header: http.Header{
		"X-Kept":        {"one", "tab\there", "latin \xe9"},
		"X-Split":       {"a\r\nSet-Cookie: b", "fine"},
		"X-Nul":         {"a\x00b"},
		"X-Del":         {"a\x7fb"},
		"X-Listed":      {"1"},
		"Connection":    {"close, x-listed", "X-Also"},
		"X-Also":        {"1"},
		"Last-Modified": {"yesterday"},
	}}
	info := newInfo(res, time.Time{})
	want := []object.Field{
		{Name: "X-Kept", Value: "one"},
		{Name: "X-Kept", Value: "tab\there"},
		{Name: "X-Kept", Value: "latin \xe9"},
		{Name: "X-Split", Value: "fine"},
	}
	if !slices.Equal(info.Header, want) {
		t.Errorf("header %q, want %q", info.Header, want)
	}
	if info.Size != 7 || !info.LastModified.IsZero() || info.Strong() {
		t.Errorf("%+v", info)
	}
}

// TestExcess has an origin send more than anybody should read.
func TestExcess(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "headers") {
			w.Header().Set("X-Amz-Meta-Much", strings.Repeat("x", 4*object.MaxInfoBytes))
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html>"+strings.Repeat("no ", 1<<20)) // nobody reads it all
	}))
	defer server.Close()
	c := connect(t, server.URL, nil)
	_, headers := c.Get(within(t), object.Fetch{Key: object.Key{Name: "headers"}})
	_, document := c.Get(within(t), object.Fetch{Key: object.Key{Name: "document"}})
	for err, want := range map[error]object.OriginError{
		headers:  {Status: 502, Message: "The origin could not be reached."},
		document: {Status: 403, Message: "Forbidden"},
	} {
		got := asOriginError(err)
		if got == nil || *got != want {
			t.Errorf("%.200v, want %+v", err, want)
		}
	}
}

// What another cache's answer has aged already counts (RFC 9111 §4.2.3); an Age
// that is none is ignored (§5.1).
func TestAgeOfTheOriginsAnswer(t *testing.T) {
	sent := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for age, want := range map[string]time.Duration{"0": 0, "7": 7 * time.Second, "7, 9": 7 * time.Second, "-1": 0, "1.5": 0, "old": 0, "": 0} {
		info := newInfo(&http.Response{Header: http.Header{"Age": {age}}}, sent)
		if got := sent.Sub(info.Validated); got != want || (info.Get("Age") != "") != (want > 0) {
			t.Errorf("Age %q: %v, told as %q", age, got, info.Get("Age"))
		}
	}
}

// An object has no CORS: what S3 adds for it belongs to one answer, and no request of
// ours has an Origin.
func TestCORSOfTheOriginIsNotKept(t *testing.T) {
	h := http.Header{
		"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"ETag"},
		"Vary": {"Origin, Access-Control-Request-Headers, Access-Control-Request-Method", "origin,Accept-Encoding , X"}, "Etag": {`"e"`},
	}
	want := []object.Field{{Name: "Vary", Value: "Accept-Encoding, X"}}
	if info := newInfo(&http.Response{Header: h}, time.Time{}); !slices.Equal(info.Header, want) {
		t.Errorf("kept %q, want %q", info.Header, want)
	}
	var told *object.NotModified
	if err := notModified(h, time.Time{}); !errors.As(err, &told) || !slices.Equal(told.Header, want) {
		t.Errorf("a 304 tells %v, want %q", err, want)
	}
}
