package gateway_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"rookery/gateway"
	"rookery/object"
)

// Beyond the bound a request is refused before anything is asked for it; probes
// are answered, and when one has ended the next is served.
func TestRequestsAreBounded(t *testing.T) {
	const most = 4
	ready := true
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.MaxRequests = most
		o.Ready = func() bool { return ready }
	})
	o := f.node.hold(key("o"), "v", 1000)
	release, asked := make(chan struct{}), make(chan struct{})
	f.node.before = func(n int, ask *object.Ask) {
		if n <= most {
			asked <- struct{}{}
			<-release
		}
	}
	var served sync.WaitGroup
	for range most {
		served.Go(func() {
			got := f.do("GET", "/public/o")
			if err := o.pattern.Check(got.body, 0); got.status != 200 || len(got.body) != 1000 || err != nil {
				t.Errorf("%d, %d bytes, %v", got.status, len(got.body), err)
			}
		})
		<-asked
	}
	for _, method := range []string{"GET", "HEAD"} {
		got := f.do(method, "/public/o")
		if got.status != 503 || got.header.Get("Retry-After") != "1" || method == "GET" && !strings.Contains(string(got.body), "<Code>SlowDown</Code>") {
			t.Errorf("%s: %d, %v: %s", method, got.status, got.header, got.body)
		}
	}
	if n := len(f.node.asked()); n != most {
		t.Errorf("the node was asked %d times, want %d", n, most)
	}
	if got := f.do("GET", "/health"); got.status != 200 {
		t.Errorf("/health: %d", got.status)
	}
	if got := f.do("GET", "/ready"); got.status != 200 {
		t.Errorf("/ready: %d", got.status)
	}
	ready = false
	if got := f.do("GET", "/ready"); got.status != 503 || string(got.body) != "unavailable" {
		t.Errorf("/ready of a node that is not: %d %s", got.status, got.body)
	}
	close(release)
	served.Wait()
	if got := f.do("GET", "/public/o"); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
	if n := f.set.GetOrCreateCounter(`rookery_limits_hit_total{limit="client_requests"}`).Get(); n != 2 {
		t.Errorf("%d refusals counted, want 2", n)
	}
}

// A body is copied in small pieces once large ones are too many, and arrives the
// same.
func TestBuffersBeyondTheBoundAreSmall(t *testing.T) {
	const large, small = 128 << 10, 16 << 10
	f := newFront(t, func(o *gateway.Options) { o.BufferBytes = large })
	o := f.node.hold(key("o"), "v", 300_000)
	var mu sync.Mutex
	var sizes []int
	held := make(chan struct{})
	reading := make(chan struct{}, 1)
	f.node.closed = make(chan struct{}, 3) // a buffer is given back before its body is closed
	f.node.body = func(_ context.Context, rest io.Reader) io.Reader {
		first := true
		return readerFunc(func(p []byte) (int, error) {
			if first {
				first = false
				mu.Lock()
				sizes = append(sizes, len(p))
				n := len(sizes)
				mu.Unlock()
				if n == 1 {
					reading <- struct{}{}
					<-held
				}
			}
			return rest.Read(p)
		})
	}
	get := func() {
		got := f.do("GET", "/public/o")
		if err := o.pattern.Check(got.body, 0); len(got.body) != 300_000 || err != nil {
			t.Errorf("%d bytes, %v", len(got.body), err)
		}
	}
	var one sync.WaitGroup
	one.Go(get)
	<-reading
	get()
	<-f.node.closed
	close(held)
	one.Wait()
	<-f.node.closed
	get()
	mu.Lock()
	defer mu.Unlock()
	if len(sizes) != 3 || sizes[0] != large || sizes[1] != small || sizes[2] != large {
		t.Errorf("pieces of %v", sizes)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
