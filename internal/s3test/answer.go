package s3test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// nameOf reads the bucket and key of a path as it was on the wire, decoded once
// and never cleaned. A host like bucket.localhost or bucket.localhost:9000 names
// the bucket (virtual-host style).
func nameOf(host, path string) name {
	path = strings.TrimPrefix(path, "/")
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	host, _, _ = strings.Cut(host, ":")
	if bucket, ok := strings.CutSuffix(host, ".localhost"); ok {
		return name{bucket, path}
	}
	bucket, key, _ := strings.Cut(path, "/")
	return name{bucket, key}
}

// plan is an answer that has been decided upon: a status, and the object's bytes
// [from, to) where there is a body.
type plan struct {
	status   int
	code     string
	version  *version
	from, to int64
	// before and after stand around the bytes: what a multipart body has.
	before, after string
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := s.begin(r)
	defer s.end(q)
	n := name{q.Bucket, q.Key}
	gates, step := s.gatesOf(n), s.next(n, r.Method)
	if !s.pass(r.Context(), gates, BeforeHeaders) || step.Drop {
		panic(http.ErrAbortHandler)
	}
	if step.Silent {
		s.stall(r.Context())
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Amz-Request-Id", "S3TEST")
	w.Header().Set("X-Amz-Id-2", "s3test")
	w.Header().Set("Server", "s3test")
	if q.Query != "" && step.Status == 0 {
		s.document(w, r, q, step)
		return
	}
	p := s.plan(q, step)
	if p.version == nil || p.status >= 300 {
		s.refuse(w, q, p, step)
		return
	}
	p.to += step.Extra
	header(w.Header(), q, p, step)
	if r.Method == http.MethodHead {
		s.start(q, p.status, 0, 0)
		w.WriteHeader(p.status)
		return
	}
	s.start(q, p.status, p.from, p.to)
	w.WriteHeader(p.status)
	s.body(w, r, q, p, gates, step)
}

// plan decides on an answer: conditions before ranges (RFC 9110 §13.2.2).
func (s *Server) plan(q *Request, step Step) plan {
	if step.Status != 0 {
		return plan{status: step.Status, code: step.Code}
	}
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return plan{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed"}
	}
	v := s.find(name{q.Bucket, q.Key}, q.VersionID)
	switch {
	case v == nil && !s.hasBucket(q.Bucket):
		return plan{status: http.StatusNotFound, code: "NoSuchBucket"}
	case v == nil && q.VersionID != "":
		return plan{status: http.StatusNotFound, code: "NoSuchVersion"}
	case v == nil:
		return plan{status: http.StatusNotFound, code: "NoSuchKey"}
	}
	if status := precondition(q.Header, v.meta, step); status != 0 {
		return plan{status: status, code: "PreconditionFailed", version: v}
	}
	if q.Part != "" {
		return partPlan(q, v)
	}
	size, asked := v.object.Size, q.Header.Get("Range")
	if asked == "" || step.IgnoreRange {
		return plan{status: http.StatusOK, version: v, to: size}
	}
	from, to, ok := interval(asked, size)
	if !ok {
		return plan{status: http.StatusRequestedRangeNotSatisfiable, code: "InvalidRange", version: v}
	}
	p := plan{status: http.StatusPartialContent, version: v, from: from + step.Shift, to: to + step.Shift}
	if step.Multipart {
		p.before = "--" + boundary + "\r\nContent-Type: binary/octet-stream\r\nContent-Range: " + p.contentRange(0) + "\r\n\r\n"
		p.after = "\r\n--" + boundary + "--\r\n"
	}
	return p
}

// partPlan gives one part, as S3 does: always a 206, also to a HEAD and for the one
// part of what was uploaded as one, and never together with a Range.
func partPlan(q *Request, v *version) plan {
	n, err := strconv.Atoi(q.Part)
	if err != nil || q.Header.Get("Range") != "" {
		return plan{status: http.StatusBadRequest, code: "InvalidRequest"}
	}
	sizes := v.meta.Parts
	if sizes == nil {
		sizes = []int64{v.object.Size}
	}
	if n < 1 || n > len(sizes) {
		return plan{status: http.StatusRequestedRangeNotSatisfiable, code: "InvalidPartNumber"}
	}
	var from int64
	for _, size := range sizes[:n-1] {
		from += size
	}
	return plan{status: http.StatusPartialContent, version: v, from: from, to: from + sizes[n-1]}
}

// boundary separates the parts of a multipart body.
const boundary = "s3test"

func (p plan) contentRange(extra int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", p.from, p.to-extra-1, p.version.object.Size)
}

// precondition returns 412 or 304 where a condition forbids the answer, else 0.
func precondition(h http.Header, m Meta, step Step) int {
	since := func(field string) bool { // modified since?
		t, err := http.ParseTime(h.Get(field))
		return err != nil || m.LastModified.Truncate(time.Second).After(t)
	}
	if match := h.Get("If-Match"); match != "" && !step.IgnoreIfMatch {
		if match != "*" && (match != m.ETag || strings.HasPrefix(match, "W/")) {
			return http.StatusPreconditionFailed
		}
	} else if h.Get("If-Unmodified-Since") != "" && since("If-Unmodified-Since") {
		return http.StatusPreconditionFailed
	}
	if none := h.Get("If-None-Match"); none != "" && !step.IgnoreIfNoneMatch {
		if none == "*" || strings.TrimPrefix(none, "W/") == strings.TrimPrefix(m.ETag, "W/") {
			return http.StatusNotModified
		}
	} else if h.Get("If-Modified-Since") != "" && !since("If-Modified-Since") {
		return http.StatusNotModified
	}
	return 0
}

// interval reads a single byte range. It is written apart from object.ParseRange
// on purpose: the two check each other.
func interval(header string, size int64) (from, to int64, ok bool) {
	spec := strings.TrimPrefix(header, "bytes=")
	a, b, found := strings.Cut(spec, "-")
	first, errFirst := strconv.ParseInt(a, 10, 64)
	last, errLast := strconv.ParseInt(b, 10, 64)
	switch {
	case !found || spec == header:
		return 0, 0, false
	case a == "" && errLast == nil:
		return max(0, size-last), size, last > 0 && size > 0
	case b == "" && errFirst == nil:
		return first, size, first < size
	case errFirst == nil && errLast == nil:
		return first, min(last+1, size), first <= last && first < size
	}
	return 0, 0, false
}

func header(h http.Header, q *Request, p plan, step Step) {
	m := p.version.meta
	whole := p.status == http.StatusOK
	h.Set("Content-Type", "binary/octet-stream")
	for field, values := range m.Header {
		if strings.HasPrefix(field, "X-Amz-Checksum-") && (!whole || q.Header.Get("X-Amz-Checksum-Mode") != "ENABLED") {
			continue
		}
		h[field] = values
	}
	if q.Part != "" && m.Parts != nil {
		h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(m.Parts)))
	}
	h.Set("Accept-Ranges", "bytes")
	validators(h, m)
	switch {
	case p.before != "":
		h.Set("Content-Type", "multipart/byteranges; boundary="+boundary)
	case !whole:
		h.Set("Content-Range", p.contentRange(step.Extra))
	}
	if !step.NoLength {
		h.Set("Content-Length", strconv.FormatInt(int64(len(p.before))+p.to-p.from+int64(len(p.after)), 10))
	}
	override(h, step)
}

func validators(h http.Header, m Meta) {
	if m.ETag != "" {
		h.Set("ETag", m.ETag)
	}
	if !m.LastModified.IsZero() {
		h.Set("Last-Modified", m.LastModified.UTC().Format(http.TimeFormat))
	}
	if m.VersionID != "" {
		h.Set("X-Amz-Version-Id", m.VersionID)
	}
}

func override(h http.Header, step Step) {
	for field, values := range step.Header {
		if len(values) == 0 {
			delete(h, field)
			continue
		}
		h[field] = values
	}
}

// refuse answers with an error document (without one where HTTP has none).
func (s *Server) refuse(w http.ResponseWriter, q *Request, p plan, step Step) {
	document := fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>scripted: %s</Message><RequestId>S3TEST</RequestId></Error>", p.code, p.code)
	if p.status == http.StatusNotModified && p.version != nil {
		validators(w.Header(), p.version.meta)
	}
	if p.status == http.StatusRequestedRangeNotSatisfiable && p.version != nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", p.version.object.Size))
	}
	w.Header().Set("Content-Type", "application/xml")
	override(w.Header(), step)
	s.start(q, p.status, 0, 0)
	w.WriteHeader(p.status)
	if q.Method != http.MethodHead && p.status != http.StatusNotModified {
		_, _ = io.WriteString(w, document) // a client that has left misses nothing
	}
}
