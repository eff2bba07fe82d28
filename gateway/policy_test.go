package gateway_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"rookery/auth"
	"rookery/gateway"
	"rookery/object"
)

// secretReader is the node of the policy that lets nobody in: it counts who comes.
type secretReader struct{ opened atomic.Int64 }

func (s *secretReader) Open(context.Context, *object.Ask) (*object.Answer, error) {
	s.opened.Add(1)
	return nil, object.ErrBroken
}

// A policy is one thing: whoever passes its guards reads with its reader. Of two that
// take turns, one is open and the other is not; nobody reads behind the second's back.
func TestAPolicyIsOneThing(t *testing.T) {
	node, secret := newFakeNode(), new(secretReader)
	node.hold(key("o"), "v", 10)
	route := gateway.Route{Bucket: "public", PathPrefix: "/public"}
	open := gateway.Policy{Routes: []gateway.Route{route}, Reader: node}
	route.Guard = auth.NewGuard(false, nil, nil)
	closed := gateway.Policy{Routes: []gateway.Route{route}, Reader: secret}
	core, err := gateway.New(gateway.Options{Policy: open})
	if err != nil {
		t.Fatal(err)
	}
	var statuses [600]atomic.Int64
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := core.Serve(t.Context(), &gateway.Request{Method: http.MethodGet, Target: "/public/o", Header: http.Header{}})
				statuses[a.Status].Add(1)
				if err := a.Send(t.Context(), io.Discard); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for turns := 0; turns < 2000 || statuses[200].Load() < 100 || statuses[403].Load() < 100; turns++ {
		next := closed
		if turns%2 == 1 {
			next = open
		}
		if err := core.SetPolicy(next); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	clients.Wait()
	if n := secret.opened.Load(); n != 0 {
		t.Errorf("%d requests passed one policy's guard and read with the other's reader", n)
	}
	for status := range statuses {
		if n := statuses[status].Load(); n != 0 && status != 200 && status != 403 {
			t.Errorf("%d answers of %d", n, status)
		}
	}
}

// A policy that cannot be leaves the former in use, and one that is only prepared too.
func TestAPolicyThatCannotBe(t *testing.T) {
	node := newFakeNode()
	node.hold(key("o"), "v", 10)
	good := gateway.Policy{Routes: []gateway.Route{{Bucket: "public", PathPrefix: "/public"}}}
	core, err := gateway.New(gateway.Options{Policy: good, Reader: node})
	if err != nil {
		t.Fatal(err)
	}
	bad := gateway.Policy{Routes: []gateway.Route{{Bucket: "a"}, {Bucket: "b", PathPrefix: "/a"}}}
	if err := core.SetPolicy(bad); err == nil {
		t.Error("two buckets share a path")
	}
	other, err := core.Prepare(gateway.Policy{Routes: []gateway.Route{{Bucket: "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	status := func() int {
		a := core.Serve(t.Context(), &gateway.Request{Method: http.MethodGet, Target: "/public/o", Header: http.Header{}})
		if err := a.Send(t.Context(), io.Discard); err != nil {
			t.Error(err)
		}
		return a.Status
	}
	if got := status(); got != 200 {
		t.Errorf("before: %d", got)
	}
	core.Use(other)
	if got := status(); got != 404 {
		t.Errorf("after: %d", got)
	}
}
