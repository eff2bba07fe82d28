package gateway

import (
	"context"
	"errors"
	"net/netip"

	"rookery/auth"
)

// authorize asks the bucket's guard. Whatever it holds against the request, the
// client reads the same.
func (c *Core) authorize(ctx context.Context, r *Request, b *route, w *wanted) (*auth.Identity, error) {
	who, err := b.Guard.Authorize(ctx, r.authRequest(b, w.action, w.name))
	var denied *auth.Denied
	if errors.As(err, &denied) {
		b.denied(denied.Reason)
		return nil, accessDenied
	}
	return who, err
}

// authRequest is the request as a guard is asked about it.
func (r *Request) authRequest(b *route, action auth.Action, name string) *auth.Request {
	return &auth.Request{
		Method: r.Method, Target: r.Target, Host: r.Host, Header: r.Header, Remote: addressOf(r.Remote), Secure: r.Secure,
		Bucket: b.bucket, Action: action, Name: name,
	}
}

// addressOf reads the client's address; the zero Addr if it has none.
func addressOf(remote string) netip.Addr {
	if p, err := netip.ParseAddrPort(remote); err == nil {
		return p.Addr().Unmap()
	}
	return netip.Addr{}
}
