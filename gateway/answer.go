package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"rookery/object"
)

// Answer is what an engine writes to the client: the status, the header block
// and, through Send, the body. The rest is what the log and the metrics will say.
type Answer struct {
	Status int
	// Header is the whole header block but for what belongs to the connection
	// (Date, Connection). Content-Length is among it wherever there is a body or,
	// for a HEAD, would be one; names may repeat.
	Header []object.Field

	core      *Core
	accessLog *slog.Logger // nil for none
	bucket    *bucketMeter
	started   time.Time
	// answered is when the node had answered, first bytes and all; zero if it was
	// not asked.
	answered time.Time

	body   io.ReadCloser // nil for HEAD, 304 and errors
	text   string        // the body of errors and probes
	length int64         // bytes that Send will write

	method, requestID, resource, rangeHeader, remote, agent string
	key                                                     object.Key

	shed        bool // too many are under way
	probe       bool // of a load balancer, on /health or /ready
	overrides   []object.Field
	cors        []object.Field // what pages of other origins may do with it
	checksums   bool           // the client has asked for them
	found       *object.Answer // what the node gave; nil if nothing
	cached      bool           // the fields below come from the node
	source      object.Source
	ownerSource object.Source
	outcome     object.Outcome
	failure     string // the S3 code of an error answer, or why a body broke off
}

// fill makes the answer for a verdict on what the node gave.
func (a *Answer) fill(found *object.Answer, v verdict) error {
	a.found = found
	a.cached, a.source, a.ownerSource, a.outcome = true, found.Source, found.OwnerSource, found.Outcome
	switch v.status {
	case http.StatusPreconditionFailed:
		return preconditionFails
	case http.StatusRequestedRangeNotSatisfiable:
		return unsatisfiable(found.Info.Size)
	}
	a.Status = v.status
	a.Header = a.objectFields(found, v)
	if found.Body != nil {
		a.body, a.length = found.Body, found.Length
	}
	return nil
}

// refuse makes the answer for an error, and logs what is the node's own fault or
// the origin's.
func (a *Answer) refuse(ctx context.Context, err error) {
	p := problemOf(ctx, err)
	a.failure = p.code
	if p.status >= 500 && p.status != http.StatusNotImplemented {
		a.core.log.LogAttrs(ctx, levelOf(p), "read failed", attrsOf(a, err)...)
	}
	a.Status = p.status
	if p.status == statusClientGone {
		return
	}
	a.text = p.document(a.resource, a.requestID)
	a.Header = a.errorFields(p, err)
	a.trimForHead()
}

// plain answers a probe, without reasons.
func (a *Answer) plain(ok bool) {
	a.Status, a.text = http.StatusOK, "ok"
	if !ok {
		a.Status, a.text = http.StatusServiceUnavailable, "unavailable"
	}
	a.Header = a.plainFields()
	a.trimForHead()
}

func (a *Answer) trimForHead() {
	if a.method == http.MethodHead {
		a.text = ""
	}
	a.length = int64(len(a.text))
}
