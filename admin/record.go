package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"rookery/audit"
)

// What the audit log has in place of a token that is not the right one.
const (
	tokenNone    = "none"
	tokenRefused = "refused"
)

// fingerprint names a token without telling it: enough to know one from the other.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte("rookery audit\x00" + token))
	return hex.EncodeToString(sum[:4])
}

// call is an answer to a call that goes into the audit log.
type call struct {
	http.ResponseWriter
	caller
	status int
}

// WriteHeader keeps the status.
func (c *call) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// record puts a call into the audit log, and into the node's where that has no room: a
// call of an operator's is never forgotten.
func (h *handler) record(c *call, r *http.Request) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	e := audit.Entry{
		Event: audit.Admin, RequestID: saneID(r.Header.Get("X-Request-Id")), Remote: r.RemoteAddr, Method: r.Method,
		Path: r.URL.Path, Token: c.token, Status: c.status,
	}
	if who := c.operator; who != nil {
		e.Scheme, e.Issuer, e.Subject = who.Scheme, who.Issuer, who.Subject
	}
	if err := h.Audit.Record(e); err != nil {
		h.Log.Warn("admin call that the audit log has not", "method", e.Method, "path", e.Path, "remote", e.Remote,
			"token", e.Token, "status", e.Status, "err", err)
	}
}

// saneID returns an id that may go into logs, and "" for any other.
func saneID(id string) string {
	if len(id) > 128 {
		return ""
	}
	for _, c := range id {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return id
}
