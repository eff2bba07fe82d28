package gateway

import (
	"net/http"

	"rookery/audit"
	"rookery/auth"
)

// audited is what the audit log is to have of a read that the bucket's guard let pass;
// nil for one that it is not to have.
type audited struct {
	action auth.Action
	name   string
	who    *auth.Identity
}

// recordDenied puts a refused read into the audit log. An entry that finds no room is
// counted there; the read is refused in any case.
func (c *Core) recordDenied(a *Answer, r *Request, e audit.Entry) {
	if c.audit == nil {
		return
	}
	e.Event, e.Status = audit.Denied, http.StatusForbidden
	e.RequestID, e.Remote, e.Method = a.requestID, a.remote, r.Method
	_ = c.audit.Record(e)
}

// recordRead puts a read into the audit log once it is over.
func (c *Core) recordRead(a *Answer, sent int64) {
	if a.audited == nil {
		return
	}
	e := audit.Entry{
		Event: audit.Read, RequestID: a.requestID, Remote: a.remote, Method: a.method,
		Bucket: a.bucket.bucket, Action: a.audited.action.String(), Key: a.audited.name, Version: a.key.Version,
		Status: a.Status, Bytes: sent,
	}
	e.Scheme, e.Issuer, e.Subject = a.audited.who.Scheme, a.audited.who.Issuer, a.audited.who.Subject
	_ = c.audit.Record(e)
}
