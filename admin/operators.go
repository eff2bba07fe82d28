package admin

import (
	"context"
	"net/http"
	"time"

	"rookery/auth"
)

// Operators says whose a token is, where operators have tokens of their own.
type Operators interface {
	// Admit returns who has the token, if that is an operator; the error is for the log.
	// It is safe for concurrent use.
	Admit(ctx context.Context, token string) (*auth.Identity, error)
}

// Call is one call of the admin API.
type Call struct {
	At time.Time // when it came
	// Operator is who was let in with a token of their own; nil for anybody else. Nobody
	// changes it.
	Operator *auth.Identity
	// Token is the fingerprint of the admin token where that was right, NoToken or
	// TokenRefused for who was not let in, and else "".
	Token  string
	Remote string // address and port
	Method string
	Path   string // decoded; a query is not in it
	Status int    // of the answer
	Took   time.Duration
}

// What Call.Token is for who was not let in.
const (
	NoToken      = "none"
	TokenRefused = "refused"
)

// caller is who calls, as Call has it.
type caller struct {
	operator *auth.Identity
	token    string
}

// operators are those at this moment.
func (h *handler) operators() Operators {
	if h.Operators == nil {
		return nil
	}
	return h.Operators()
}

// audited has serve answer, and tells Audit of it, even if it panics.
func (h *handler) audited(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter) caller) {
	if h.Audit == nil {
		serve(w)
		return
	}
	answer := &answer{ResponseWriter: w}
	call := Call{At: h.Now(), Remote: r.RemoteAddr, Method: r.Method, Path: r.URL.Path}
	defer func() {
		call.Status, call.Took = answer.status, h.Now().Sub(call.At)
		h.Audit(call)
	}()
	who := serve(answer)
	call.Operator, call.Token = who.operator, who.token
}

// answer notes the status that is sent.
type answer struct {
	http.ResponseWriter
	status int // 0 until it is sent
}

// WriteHeader notes the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write notes the status that goes without saying.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
