package auth

import (
	"context"
	"errors"
	"slices"
)

// Identity is who sent a request. Nobody changes it: many requests may share one.
type Identity struct {
	Scheme  string         // the scheme that said so: "jwt", "sigv4", "signed_url"; "" for nobody
	Subject string         // unique within its issuer
	Issuer  string         // "" where a scheme has one alone
	Claims  map[string]any // as encoding/json has them; nil without a token
}

var nobody = new(Identity)

// Anonymous reports whether nothing said who it is.
func (i *Identity) Anonymous() bool { return i.Scheme == "" }

// Scheme is a way to prove who one is. Safe for concurrent use.
type Scheme interface {
	// Identify returns who sent the request, and nil without an error if the request
	// brings nothing of this scheme. An error, best a *Denied, says that what it brings
	// does not hold.
	Identify(ctx context.Context, r *Request) (*Identity, error)
}

// Rule is a condition that a request must meet, whoever sent it. Safe for concurrent
// use.
type Rule interface {
	// Allow returns nil if the request meets it, and else an error, best a *Denied.
	Allow(ctx context.Context, r *Request, who *Identity) error
}

// Denied is why a request was refused: for the log and the metrics, never for the
// client.
type Denied struct {
	Reason string // one of a few short words: a label in metrics
	Err    error  // what was wrong; may be nil; holds no secret
}

func (d *Denied) Error() string {
	if d.Err == nil {
		return "denied: " + d.Reason
	}
	return "denied: " + d.Reason + ": " + d.Err.Error()
}

func (d *Denied) Unwrap() error { return d.Err }

// The reasons that a Guard itself has.
const (
	NoCredentials  = "no_credentials"
	TwoCredentials = "two_credentials"
	Undecided      = "undecided" // a scheme or rule failed and said no more
)

// Guard stands before one bucket. A nil Guard lets everybody read. Immutable and safe
// for concurrent use.
type Guard struct {
	open    bool
	schemes []Scheme
	rules   []Rule
	first   []Rule // asked before anybody is known
}

// NewGuard makes a guard. Unless it is open, it refuses who brings nothing that one
// of the schemes knows; a guard without schemes then refuses everybody.
func NewGuard(open bool, schemes []Scheme, rules []Rule) *Guard {
	return &Guard{open: open, schemes: schemes, rules: rules}
}

// Behind returns the guard with a rule before it that looks at nobody's identity, and
// is kept before any scheme is asked. A nil guard lets all others in.
func (g *Guard) Behind(rule Rule) *Guard {
	behind := Guard{open: true}
	if g != nil {
		behind = *g
	}
	behind.first = append(slices.Clone(behind.first), rule)
	return &behind
}

// Authorize returns who sent the request if it may do what it asks for, and else a
// *Denied. What is brought and does not hold is refused at an open bucket too, and so
// is more than one proof (S3 API reference, "Authenticating Requests").
func (g *Guard) Authorize(ctx context.Context, r *Request) (*Identity, error) {
	if g == nil {
		return nobody, nil
	}
	who := nobody
	for _, rule := range g.first {
		if err := rule.Allow(ctx, r, who); err != nil {
			return nil, denied(err)
		}
	}
	for _, s := range g.schemes {
		one, err := s.Identify(ctx, r)
		switch {
		case err != nil:
			return nil, denied(err)
		case one == nil:
		case !who.Anonymous():
			return nil, &Denied{Reason: TwoCredentials}
		default:
			who = one
		}
	}
	if who.Anonymous() && !g.open {
		return nil, &Denied{Reason: NoCredentials}
	}
	for _, rule := range g.rules {
		if err := rule.Allow(ctx, r, who); err != nil {
			return nil, denied(err)
		}
	}
	return who, nil
}

func denied(err error) *Denied {
	var d *Denied
	if errors.As(err, &d) {
		return d
	}
	return &Denied{Reason: Undecided, Err: err}
}
