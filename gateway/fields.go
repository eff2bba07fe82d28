package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rookery/object"
)

// defaultContentType is S3's for an object that was stored without one.
const defaultContentType = "binary/octet-stream"

// fieldText makes header values that share one allocation.
type fieldText struct {
	strings.Builder
	start int
}

// take returns what was written since the last take.
func (t *fieldText) take() string {
	s := t.String()[t.start:]
	t.start = t.Len()
	return s
}

func (t *fieldText) number(n int64) {
	var digits [20]byte
	t.Write(strconv.AppendInt(digits[:0], n, 10))
}

// objectFields is the header block of a 200, 206 or 304: every field the origin
// gave that the status allows, and the gateway's own. A HEAD gets what a GET
// would.
func (a *Answer) objectFields(found *object.Answer, v verdict) []object.Field {
	info := &found.Info
	fields := make([]object.Field, 0, len(info.Header)+12)
	typed := false
	for _, f := range info.Header {
		typed = typed || f.Name == "Content-Type"
		if passes(f.Name, v.status) && (a.checksums || !isChecksum(f.Name)) {
			fields = append(fields, object.Field{Name: wireName(f.Name), Value: f.Value})
		}
	}
	if v.hasBody() {
		for _, o := range a.overrides {
			typed = typed || o.Name == "Content-Type"
			fields = append(slices.DeleteFunc(fields, func(f object.Field) bool { return f.Name == o.Name }), o)
		}
	}
	var t fieldText
	t.Grow(256)
	if v.hasBody() {
		if !typed {
			fields = append(fields, object.Field{Name: "Content-Type", Value: defaultContentType})
		}
		t.number(v.to - v.from)
		fields = append(fields, object.Field{Name: "Content-Length", Value: t.take()}, object.Field{Name: "Accept-Ranges", Value: "bytes"})
	}
	if v.status == http.StatusPartialContent {
		t.contentRange(v.from, v.to, info.Size)
		fields = append(fields, object.Field{Name: "Content-Range", Value: t.take()})
	}
	if info.ETag != "" {
		fields = append(fields, object.Field{Name: "ETag", Value: info.ETag})
	}
	if !info.LastModified.IsZero() {
		var date [len(http.TimeFormat)]byte
		t.Write(info.LastModified.UTC().AppendFormat(date[:0], http.TimeFormat))
		fields = append(fields, object.Field{Name: "Last-Modified", Value: t.take()})
	}
	// Age says that S3 was not asked for this answer, or that another cache gave it
	// (RFC 9111 §5.1).
	if found.Outcome == object.Hit || found.Outcome == object.Stale || info.Get("Age") != "" {
		t.number(max(0, int64(a.answered.Sub(info.Validated).Seconds())))
		fields = append(fields, object.Field{Name: "Age", Value: t.take()})
	}
	t.cacheStatus(found, v.status)
	fields = append(fields, object.Field{Name: "Cache-Status", Value: t.take()}, object.Field{Name: "X-Cache", Value: found.Outcome.String()})
	return a.appendIDs(fields)
}

// passes reports whether an origin's field goes into an answer of that status.
func passes(name string, status int) bool {
	if !isObjects(name) {
		return false
	}
	switch status {
	case http.StatusPartialContent:
		// A checksum covers the whole object; a client would check it against
		// the part.
		return !isChecksum(name)
	case http.StatusNotModified: // RFC 9110 §15.4.5
		switch name {
		case "Cache-Control", "Content-Location", "Expires", "Vary", "X-Amz-Version-Id":
			return true
		}
		return false
	}
	return true
}

// isObjects reports whether a field speaks of the object, so that it may go from S3 to
// clients: what S3 documents for GetObject (S3 API reference) and what HTTP has for a
// representation and for caches. All others are dropped, whoever sent them, for they
// would speak of the gateway, of its connection or to the browser.
func isObjects(name string) bool {
	switch name {
	case "Cache-Control", "Cdn-Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Location",
		"Content-Type", "Expires", "Vary",
		"X-Amz-Archive-Status", "X-Amz-Delete-Marker", "X-Amz-Expiration", "X-Amz-Missing-Meta", "X-Amz-Mp-Parts-Count",
		"X-Amz-Replication-Status", "X-Amz-Restore", "X-Amz-Storage-Class", "X-Amz-Tagging-Count", "X-Amz-Version-Id",
		"X-Amz-Website-Redirect-Location":
		return true
	}
	for _, family := range [...]string{"X-Amz-Meta-", "X-Amz-Checksum-", "X-Amz-Object-Lock-", "X-Amz-Server-Side-Encryption"} {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return false
}

// isChecksum: S3 tells checksums to those alone who ask for them (S3 API reference,
// "GetObject", x-amz-checksum-mode).
func isChecksum(name string) bool { return strings.HasPrefix(name, "X-Amz-Checksum-") }

// wireName is a field's name as S3 writes it. SDKs take the case of x-amz-meta-* as it
// comes for that of the metadata's key.
func wireName(name string) string {
	if strings.HasPrefix(name, "X-Amz-") {
		return strings.ToLower(name)
	}
	return name
}

func (t *fieldText) contentRange(from, to, size int64) {
	t.WriteString("bytes ")
	t.number(from)
	t.WriteByte('-')
	t.number(to - 1)
	t.WriteByte('/')
	t.number(size)
}

// errorFields is the header block of a problem. Where the node was asked it tells how
// the cache came to it; a request that is refused before learns nothing.
func (a *Answer) errorFields(p *problem, err error) []object.Field {
	fields := append(make([]object.Field, 0, 8),
		object.Field{Name: "Content-Type", Value: "application/xml"},
		object.Field{Name: "Content-Length", Value: strconv.Itoa(len(a.text))})
	if p.retryAfter > 0 {
		fields = append(fields, object.Field{Name: "Retry-After", Value: strconv.Itoa(p.retryAfter)})
	}
	var t fieldText
	switch {
	case a.found != nil:
		t.cacheStatus(a.found, p.status)
		fields = append(fields, object.Field{Name: "Cache-Status", Value: t.take()}, object.Field{Name: "X-Cache", Value: a.found.Outcome.String()})
	case !a.answered.IsZero():
		outcome := t.errorStatus(err, p.status)
		fields = append(fields, object.Field{Name: "Cache-Status", Value: t.take()}, object.Field{Name: "X-Cache", Value: outcome.String()})
	}
	return a.appendIDs(append(fields, p.fields...))
}

func (a *Answer) plainFields() []object.Field {
	return a.appendIDs([]object.Field{
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "Content-Length", Value: strconv.Itoa(len(a.text))},
		{Name: "Cache-Control", Value: "no-store"},
	})
}

func (a *Answer) appendIDs(fields []object.Field) []object.Field {
	fields = append(fields, a.cors...)
	return append(fields, object.Field{Name: "X-Request-ID", Value: a.requestID}, object.Field{Name: "x-amz-request-id", Value: a.requestID})
}
