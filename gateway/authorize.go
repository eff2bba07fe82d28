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
		Method: r.Method, Target: r.Target, Host: r.Host, Header: r.Header, Remote: r.client, Secure: r.Secure,
		Bucket: b.bucket, Action: action, Name: name,
	}
}

// admit refuses, whatever the request is for, who comes from where nobody may.
func (c *Core) admit(ctx context.Context, p *policy, r *Request) error {
	if p.addresses.Allow(ctx, &auth.Request{Remote: r.client}, nil) != nil {
		c.meter.unrouted.denied(auth.WrongAddress)
		return accessDenied
	}
	return nil
}

// addressOf reads the address of a connection's other end; the zero Addr if it has
// none.
func addressOf(remote string) netip.Addr {
	p, _ := netip.ParseAddrPort(remote)
	return plainAddress(p.Addr())
}
