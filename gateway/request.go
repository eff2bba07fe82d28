package gateway

import (
	"strings"

	"rookery/auth"
	"rookery/object"
)

// Header gives all values of a request header field, in the order in which they
// came; the name is in canonical form ("If-None-Match"). http.Header is one.
type Header interface {
	Values(name string) []string
}

// Request is a request as an engine read it. A body is not among it: S3 ignores
// the body of a GET, and so does the gateway.
type Request struct {
	Method string
	Target string // the raw request target, never cleaned nor decoded
	Host   string // the Host header or :authority, with its port if it had one
	Header Header
	Remote string // the client's address and port
	Secure bool   // it came by TLS
}

func (r *Request) first(name string) string {
	if v := r.Header.Values(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// list joins the lines of a field (RFC 9110 §5.3). A field that may come once
// alone becomes what no grammar takes for one.
func (r *Request) list(name string) string {
	v := r.Header.Values(name)
	if len(v) == 1 {
		return v[0]
	}
	return strings.Join(v, ", ")
}

// question is a request understood: one object, one range, its conditions.
type question struct {
	key         object.Key
	headOnly    bool
	rng         object.Range
	rangeHeader string // as it came, for the log
	conditions  conditions
	wish        *object.Wish   // nil where the bucket does not let clients ask
	overrides   []object.Field // of the answer's header
	checksums   bool           // those of the whole object are asked for
	requestID   string
	reader      Reader
}

func parseQuestion(r *Request, bucket *route, who *auth.Identity, name string, p *parameters) (q question, err error) {
	switch {
	case len(name) > object.MaxNameBytes:
		return question{}, keyTooLong
	case p.overrides != nil && who.Anonymous():
		return question{}, anonymousOverride
	}
	q = question{
		key:      object.Key{Bucket: bucket.bucket, Name: name, Version: p.version, Part: p.part},
		headOnly: r.Method == "HEAD", overrides: p.overrides, checksums: strings.EqualFold(r.first("X-Amz-Checksum-Mode"), "ENABLED"),
	}
	if bucket.ClientCacheControl {
		q.wish = wishOf(r)
	}
	q.rangeHeader = r.list("Range")
	if q.rng, err = object.ParseRange(q.rangeHeader); err != nil {
		return question{}, err
	}
	if q.key.Part != 0 && q.rangeHeader != "" {
		return question{}, rangeOfPart
	}
	q.conditions = conditions{
		ifMatch: r.list("If-Match"), ifNoneMatch: r.list("If-None-Match"),
		ifModifiedSince: r.list("If-Modified-Since"), ifUnmodifiedSince: r.list("If-Unmodified-Since"),
	}
	if q.rng.Kind != object.Whole {
		q.conditions.ifRange = r.list("If-Range")
	}
	return q, nil
}

func (q *question) ask(headOnly bool, rng object.Range) *object.Ask {
	return &object.Ask{Key: q.key, HeadOnly: headOnly, Range: rng, Wish: q.wish, RequestID: q.requestID}
}
