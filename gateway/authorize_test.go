package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"rookery/auth"
	"rookery/gateway"
)

// named is a scheme that believes a header.
type named struct{}

func (named) Identify(_ context.Context, r *auth.Request) (*auth.Identity, error) {
	switch values := r.Header.Values("X-Name"); {
	case len(values) == 0:
		return nil, nil
	case values[0] == "mallory":
		return nil, errors.New("a key of the attacker's")
	default:
		return &auth.Identity{Scheme: "named", Subject: values[0]}, nil
	}
}

// readers lets each read what is under their name.
type readers struct{}

func (readers) Allow(_ context.Context, r *auth.Request, who *auth.Identity) error {
	if !strings.HasPrefix(r.Name, who.Subject+"/") {
		return &auth.Denied{Reason: "claims"}
	}
	return nil
}

// A request that may not be answered is not looked up, and its answer tells nothing.
func TestNothingIsLookedUpForWhoMayNotRead(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes[0].Guard = auth.NewGuard(false, []auth.Scheme{named{}}, []auth.Rule{readers{}})
	})
	f.node.hold(key("ann/o"), "v", 10)
	f.node.hold(key("bob/o"), "v", 10)
	var first *reply
	for _, c := range []struct {
		target string
		header []string
	}{
		{"/public/ann/o", nil},
		{"/public/ann/absent", nil},
		{"/public/ann/o?versionId=%20", nil}, // a fault that is told to readers alone
		{"/public/ann/o", []string{"X-Name", "mallory"}},
		{"/public/bob/o", []string{"X-Name", "ann"}},
		{"/public/ann/o", []string{"X-Name", "ann/", "Range", "bytes=zzz"}},
		{"/public/ann/o", []string{"X-Name", "bob", "If-None-Match", "*"}},
	} {
		got := f.do(http.MethodGet, c.target, append(c.header, "X-Request-Id", "r")...)
		if got.status != 403 || got.header.Get("Cache-Status") != "" || got.header.Get("X-Cache") != "" || got.header.Get("Age") != "" {
			t.Errorf("%s %q: %d %v", c.target, c.header, got.status, got.header)
		}
		body := strings.ReplaceAll(string(got.body), strings.TrimSuffix(c.target, "?versionId=%20"), "/public/ann/o")
		if first == nil {
			first = &got
		} else if body != string(first.body) {
			t.Errorf("%s %q: %s, want %s", c.target, c.header, body, first.body)
		}
	}
	if len(f.node.asks) != 0 {
		t.Errorf("the node was asked %d times", len(f.node.asks))
	}
	if got := f.do(http.MethodHead, "/public/ann/o"); got.status != 403 || len(got.body) != 0 {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
	if got := f.do(http.MethodGet, "/public/ann/o", "X-Name", "ann"); got.status != 200 || len(f.node.asks) != 1 {
		t.Errorf("who may read: %d after %d questions", got.status, len(f.node.asks))
	}
}
