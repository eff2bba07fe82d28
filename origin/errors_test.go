package origin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

func TestRefusals(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	header := func(field, value string) http.Header { return http.Header{field: {value}} }
	cases := []struct {
		name string
		step s3test.Step
		want object.OriginError // as a GET gives it; a HEAD has no code
	}{
		{"404", s3test.Step{Status: 404, Code: "NoSuchKey"}, object.OriginError{Status: 404, Code: "NoSuchKey"}},
		{"403", s3test.Step{Status: 403, Code: "AccessDenied"}, object.OriginError{Status: 403, Code: "AccessDenied"}},
		{"500", s3test.Step{Status: 500, Code: "InternalError"}, object.OriginError{Status: 500, Code: "InternalError"}},
		{"503 in seconds", s3test.Step{Status: 503, Code: "SlowDown", Header: header("Retry-After", "7")}, object.OriginError{Status: 503, Code: "SlowDown", RetryAfter: 7}},
		{"503 with a date", s3test.Step{Status: 503, Code: "SlowDown", Header: header("Retry-After", "Thu, 01 Jan 2026 00:00:09 GMT")}, object.OriginError{Status: 503, Code: "SlowDown", RetryAfter: 9}},
		{"503 for years", s3test.Step{Status: 503, Code: "SlowDown", Header: header("Retry-After", "99999999")}, object.OriginError{Status: 503, Code: "SlowDown", RetryAfter: 3600}},
		{"redirect", s3test.Step{Status: 301, Code: "PermanentRedirect", Header: header("Location", "/b/other")}, object.OriginError{Status: 301, Code: "PermanentRedirect"}},
		{"temporary redirect", s3test.Step{Status: 307, Code: "TemporaryRedirect", Header: header("Location", "/b/other")}, object.OriginError{Status: 307, Code: "TemporaryRedirect"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := script(t, 1000, s3test.Meta{}, func(o *Options) { o.Now = func() time.Time { return now } })
			s.Script("b", "dir/k", c.step, c.step)
			_, getErr := s.Get(within(t), object.Fetch{Key: s.key})
			_, headErr := s.Head(within(t), s.key, "")
			get, head := asOriginError(getErr), asOriginError(headErr)
			if get == nil || head == nil {
				t.Fatal(getErr, headErr)
			}
			c.want.Message = "scripted: " + c.want.Code
			if *get != c.want {
				t.Errorf("GET: %+v", get)
			}
			c.want.Code, c.want.Message = "", http.StatusText(c.want.Status)
			if *head != c.want {
				t.Errorf("HEAD: %+v", head)
			}
			if n := s.Count("", "", ""); n != 2 {
				t.Errorf("%d requests: somebody tries again, or follows", n)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	s := script(t, 1000, s3test.Meta{}, func(o *Options) { o.Timeout = 200 * time.Millisecond })
	refused := connect(t, "http://"+closed.Addr().String(), nil)
	_, refusedErr := refused.Get(within(t), object.Fetch{Key: s.key})
	s.Script("b", "dir/k", s3test.Step{Drop: true})
	_, droppedErr := s.Get(within(t), object.Fetch{Key: s.key})
	gate := s.Hold("b", "dir/k", s3test.BeforeHeaders)
	_, silentErr := s.Head(within(t), s.key, "")
	gate.Open()
	cases := []struct {
		name   string
		err    error
		status int
	}{{"refused", refusedErr, 502}, {"dropped", droppedErr, 502}, {"silent", silentErr, 504}}
	for _, c := range cases {
		got := asOriginError(c.err)
		if got == nil || got.Status != c.status || !got.Temporary() {
			t.Errorf("%s: %v", c.name, c.err)
			continue
		}
		if errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded) {
			t.Errorf("%s looks like the caller's own context: %v", c.name, c.err)
		}
		if strings.Contains(got.Message, "127.0.0.1") {
			t.Errorf("%s tells a client where the origin is: %s", c.name, got.Message)
		}
	}
}

func TestCallerCancels(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	gate := s.Hold("b", "dir/k", s3test.BeforeHeaders)
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		<-gate.Reached()
		cancel()
	}()
	if _, err := s.Get(ctx, object.Fetch{Key: s.key}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEmptyNameIsNotAsked(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	_, getErr := s.Get(within(t), object.Fetch{})
	_, headErr := s.Head(within(t), object.Key{}, "")
	for _, err := range []error{getErr, headErr} {
		if refused := asOriginError(err); refused == nil || refused.Status != http.StatusNotFound {
			t.Error(err)
		}
	}
	if n := s.Count("", "", ""); n != 0 {
		t.Errorf("%d requests", n)
	}
}
