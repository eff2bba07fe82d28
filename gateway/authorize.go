package gateway

import (
	"context"
	"errors"
	"net/netip"

	"rookery/audit"
	"rookery/auth"
)

// authorize asks the bucket's guard. Whatever it holds against the request, the
// client reads the same.
func (c *Core) authorize(ctx context.Context, r *Request, b *route, w *wanted, a *Answer) (*auth.Identity, error) {
	who, err := b.Guard.Authorize(ctx, r.authRequest(b, w.action, w.name))
	if err == nil && w.action == auth.List && b.NoAnonymousLists && who.Anonymous() {
		err = &auth.Denied{Reason: auth.NoCredentials}
	}
	var denied *auth.Denied
	if errors.As(err, &denied) {
		b.denied(denied.Reason)
		e := audit.Entry{Bucket: b.bucket, Action: w.action.String(), Key: w.name, Version: w.version, Reason: denied.Reason}
		if denied.Who != nil {
			e.Scheme, e.Issuer, e.Subject = denied.Who.Scheme, denied.Who.Issuer, denied.Who.Subject
		}
		c.recordDenied(a, r, e)
		return nil, accessDenied
	}
	if b.AuditReads && c.audit != nil && err == nil {
		a.audited = &audited{action: w.action, name: w.name, who: who}
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

// admit refuses, whatever the request is for, who comes from where nobody may, and who
// comes too often.
func (c *Core) admit(ctx context.Context, p *policy, r *Request, a *Answer) error {
	if p.addresses.Allow(ctx, &auth.Request{Remote: r.client}, nil) != nil {
		c.meter.unrouted.denied(auth.WrongAddress)
		c.recordDenied(a, r, audit.Entry{Path: a.resource, Reason: auth.WrongAddress})
		return accessDenied
	}
	a.toll.node, a.toll.from = p.limiter, r.client
	return c.tooMany("", p.limiter.Arrive(a.started, r.client))
}

// enter lets the bucket's guard judge a request, and then counts it as that of who it
// says that it is.
func (c *Core) enter(ctx context.Context, r *Request, b *route, w *wanted, a *Answer) (*auth.Identity, error) {
	who, err := c.authorize(ctx, r, b, w, a)
	if err != nil {
		return nil, err
	}
	return who, c.identified(a, who)
}

// addressOf reads the address of a connection's other end; the zero Addr if it has
// none.
func addressOf(remote string) netip.Addr {
	p, _ := netip.ParseAddrPort(remote)
	return plainAddress(p.Addr())
}
