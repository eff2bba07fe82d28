package origin

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

func TestBodyEndsEarly(t *testing.T) {
	const size = 300_000
	for name, end := range map[string]s3test.End{
		"cut at once": {},
		"cut":         {After: 100_000},
		"reset":       {After: 10_000, How: s3test.Reset},
		"stalled":     {After: 10_000, How: s3test.Stall},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, size, s3test.Meta{}, func(o *Options) { o.Timeout = 300 * time.Millisecond })
			s.Script("b", "dir/k", s3test.Step{End: &end})
			got, err := s.Get(within(t), object.Fetch{Key: s.key})
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			body, err := io.ReadAll(got.Body)
			if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
			if int64(len(body)) > end.After || end.How != s3test.Reset && int64(len(body)) != end.After {
				t.Errorf("%d bytes, want %d", len(body), end.After)
			}
			if err := s.object.Check(body, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCallerCancelsABody(t *testing.T) {
	s := script(t, 300_000, s3test.Meta{}, nil)
	gate := s.Hold("b", "dir/k", 1000)
	ctx, cancel := context.WithCancel(within(t))
	got, err := s.Get(ctx, object.Fetch{Key: s.key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.ReadFull(got.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	<-gate.Reached()
	cancel()
	if _, err := got.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// TestSlowReaderIsNoSilentOrigin leaves a body alone for longer than the origin
// may be silent.
func TestSlowReaderIsNoSilentOrigin(t *testing.T) {
	const timeout = 200 * time.Millisecond
	s := script(t, 8<<20, s3test.Meta{}, func(o *Options) { o.Timeout = timeout })
	got, err := s.Get(within(t), object.Fetch{Key: s.key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	<-time.After(2 * timeout)
	if _, err := s.object.CheckReader(got.Body, 0, s.object.Size); err != nil {
		t.Error(err)
	}
}

// TestConnectionsAreKept reads bodies and error documents to their ends and
// counts the connections they took.
func TestConnectionsAreKept(t *testing.T) {
	s := script(t, 100_000, s3test.Meta{}, func(o *Options) { o.MaxConns = 1 })
	for range 3 {
		got, err := s.Get(within(t), object.Fetch{Key: s.key, To: 50_000})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.object.CheckReader(got.Body, 0, 50_000); err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if _, err := s.Get(within(t), object.Fetch{Key: object.Key{Name: "none"}}); err == nil {
			t.Fatal("found")
		}
	}
	ports := map[string]bool{}
	for _, r := range s.Requests() {
		ports[r.Remote] = true
	}
	if len(ports) != 1 {
		t.Errorf("%d connections for requests that follow each other", len(ports))
	}
}
