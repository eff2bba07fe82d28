package admin

import (
	"context"
	"net/http"

	"rookery/auth"
)

// Operators says whose a token is, where operators have tokens of their own.
type Operators interface {
	// Admit returns who has the token, if that is an operator; the error is for the log.
	// It is safe for concurrent use.
	Admit(ctx context.Context, token string) (*auth.Identity, error)
}

// caller is who calls, as the audit log has it.
type caller struct {
	operator *auth.Identity // who was let in with a token of their own; nil for anybody else
	token    string         // fingerprint of the admin token where that was right, tokenNone, tokenRefused, or ""
}

// operators are those at this moment.
func (h *handler) operators() Operators {
	if h.Operators == nil {
		return nil
	}
	return h.Operators()
}

// audited has serve answer, and records the call, even if it panics.
func (h *handler) audited(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter) caller) {
	c := &call{ResponseWriter: w}
	defer h.record(c, r)
	c.caller = serve(c)
}
