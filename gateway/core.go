package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/audit"
	"rookery/auth"
	"rookery/object"
	"rookery/turns"
)

// Reader is what the gateway needs of its node. It is safe for concurrent use; its
// errors are those of the object package. The gateway closes the Body of
// every Answer that it gets.
type Reader interface {
	Open(ctx context.Context, ask *object.Ask) (*object.Answer, error)
	// Query gives a document of S3's in place of an object: what is not set of the
	// answer's Info an object alone has. wish may be nil.
	Query(ctx context.Context, q object.Query, wish *object.Wish) (*object.Answer, error)
}

// Options are the parts of a Core. Reader is needed; every other may be nil.
type Options struct {
	Reader Reader
	Policy Policy
	// Log gets what went wrong on the node's side; AccessLog a line per request.
	Log, AccessLog *slog.Logger
	Metrics        *metrics.Set
	// Audit gets every refused read, and all of those buckets that ask for it.
	Audit *audit.Log
	// BufferBytes bounds the memory in which bodies are copied in large pieces;
	// beyond it the pieces are small. 0: no bound.
	BufferBytes int64
	// Turns are waited for by large bodies; nil: none waits.
	Turns *turns.Turns
	// Ready and Health answer /ready and /health; nil is always true.
	Ready, Health func() bool
	Now           func() time.Time
	// NewRequestID makes the id of a request that brings no sane one.
	NewRequestID func() string
}

// Core answers requests. Safe for concurrent use; it starts no goroutines and
// has nothing to close.
type Core struct {
	reader         Reader
	policy         atomic.Pointer[policy]
	log, accessLog *slog.Logger // accessLog may be nil
	meter          *meter
	ready, health  func() bool
	now            func() time.Time
	newRequestID   func() string
	metrics        *metrics.Set
	buffers        *buffers
	turns          *turns.Turns
	audit          *audit.Log // nil for none
}

// New fails as SetPolicy does.
func New(o Options) (*Core, error) {
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewRequestID == nil {
		o.NewRequestID = randomID
	}
	always := func() bool { return true }
	if o.Ready == nil {
		o.Ready = always
	}
	if o.Health == nil {
		o.Health = always
	}
	c := &Core{
		reader: o.Reader, log: o.Log, accessLog: o.AccessLog,
		meter: newMeter(o.Metrics), ready: o.Ready, health: o.Health, now: o.Now, newRequestID: o.NewRequestID,
		metrics: o.Metrics, audit: o.Audit, turns: o.Turns, buffers: newBuffers(o.BufferBytes, o.Metrics),
	}
	if err := c.SetPolicy(o.Policy); err != nil {
		return nil, err
	}
	return c, nil
}

// randomID is unique, not secret.
func randomID() string {
	const digits = "0123456789ABCDEF"
	var id [16]byte
	for i, n := 0, rand.Uint64(); i < len(id); i, n = i+1, n>>4 {
		id[i] = digits[n&15]
	}
	return string(id[:])
}

// Serve answers one request. The engine calls Answer.Send on what it returns
// exactly once. ctx is the client's: it ends when the client has gone.
func (c *Core) Serve(ctx context.Context, r *Request) *Answer {
	under, p := c.meter.inFlight.Add(1), c.policy.Load()
	a := &Answer{core: c, accessLog: p.accessLog, slowAfter: p.slowAfter, shed: p.maxRequests > 0 && under > p.maxRequests, bucket: c.meter.unrouted, started: c.now(), method: r.Method, agent: r.first("User-Agent")}
	r.client, a.remote, r.Secure = p.sender(r)
	a.requestID = r.first("X-Request-Id")
	if !saneID(a.requestID) {
		a.requestID = c.newRequestID()
	}
	if err := c.answer(ctx, p, r, a); err != nil {
		a.refuse(ctx, err)
	}
	a.charge()
	return a
}

// answer routes, authorises, parses and has the node asked; nothing is looked up
// before the client may have it and all of the request has been understood.
func (c *Core) answer(ctx context.Context, p *policy, r *Request, a *Answer) error {
	t, err := parseTarget(r.Target, r.Host)
	if err == nil {
		a.resource = t.path
	}
	preflight := r.Method == "OPTIONS" && r.first("Origin") != ""
	if r.Method != "GET" && r.Method != "HEAD" && !preflight {
		return methodNotAllowed
	}
	if err != nil {
		return err
	}
	bucket, virtual := p.routes.virtual(t.host)
	name := t.path[1:]
	if !virtual {
		if probe := c.probe(t.path); probe != nil {
			a.probe = true
			a.plain(probe())
			return nil
		}
		bucket, name = p.routes.byPath(t.path)
	}
	if err := c.admit(ctx, p, r, a); err != nil {
		return err
	}
	switch {
	case bucket != nil:
		a.bucket = bucket.bucketMeter
	case virtual || t.path != "/":
		return noSuchBucket
	}
	if a.shed {
		c.meter.shed.Inc()
		return fmt.Errorf("%d requests are under way: %w", p.maxRequests, object.ErrBusy)
	}
	if err := c.admitToBucket(bucket, a); err != nil {
		return err
	}
	switch {
	case preflight:
		return a.preflight(r, bucket)
	case bucket == nil:
		return c.answerService(ctx, p, r, t.query, a)
	}
	a.cors = bucket.corsFields(r)
	w := understand(r.Method, bucket, name, t.query)
	w.reader = p.reader
	who, err := c.enter(ctx, r, bucket, &w, a)
	switch {
	case err != nil:
		return err
	case w.err != nil:
		return w.err
	case w.operation != readObject:
		return c.answerBucket(ctx, r, bucket, &w, a)
	}
	return c.answerObject(ctx, r, bucket, who, &w, a)
}

// answerObject asks the node for the object that a request which may have it wants.
func (c *Core) answerObject(ctx context.Context, r *Request, b *route, who *auth.Identity, w *wanted, a *Answer) error {
	q, err := parseQuestion(r, b, who, w.name, &w.parameters)
	if err != nil {
		return err
	}
	a.key, a.rangeHeader = q.key, q.rangeHeader
	q.requestID, q.reader = a.requestID, w.reader
	read := c.read
	if q.key.Part != 0 {
		read = c.readPart
	}
	found, v, err := read(ctx, &q)
	a.answered = c.now()
	if err != nil {
		return err
	}
	a.overrides, a.checksums = q.overrides, q.checksums
	return a.fill(found, v)
}

// probe returns what answers the exact paths /health and /ready, or nil. They
// win over a bucket's keys of those names, except in virtual-host style, where
// the host has already said that a bucket is meant.
func (c *Core) probe(path string) func() bool {
	switch path {
	case "/health":
		return c.health
	case "/ready":
		return c.ready
	}
	return nil
}

// saneID says whether a client's request id may go into logs and headers.
func saneID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
