package s3test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A query asks for a document: "list" (ListObjects and ListObjectsV2), "attributes" or
// "tagging"; "" is what asks for an object.
func queryOf(method string, n name, parameters url.Values) string {
	switch {
	case method != http.MethodGet || n.bucket == "":
		return ""
	case n.key == "":
		return "list"
	case parameters.Has("attributes"):
		return "attributes"
	case parameters.Has("tagging"):
		return "tagging"
	}
	return ""
}

// Queries returns the requests for documents of a bucket, in the order of arrival.
func (s *Server) Queries(bucket string) []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool { return r.Query == "" || r.Bucket != bucket })
}

// document answers a query, or with Text where the step has one.
func (s *Server) document(w http.ResponseWriter, r *http.Request, q *Request, step Step) {
	text := step.Text
	if text == "" {
		var p plan
		if text, p = s.tell(r, q); text == "" {
			s.refuse(w, q, p, step)
			return
		}
	}
	w.Header().Set("Content-Type", "application/xml")
	if !step.NoLength {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	}
	override(w.Header(), step)
	s.start(q, http.StatusOK, 0, 0)
	w.WriteHeader(http.StatusOK)
	if step.End != nil {
		text = text[:min(int64(len(text)), step.End.After)]
	}
	_, _ = w.Write([]byte(text)) // a client that has left misses nothing
	if step.End != nil {
		_ = http.NewResponseController(w).Flush()
		s.endEarly(w, r, step.End.How)
	}
}

// tell returns the right document, or a plan of refusal.
func (s *Server) tell(r *http.Request, q *Request) (string, plan) {
	switch v := s.find(name{q.Bucket, q.Key}, q.VersionID); {
	case !s.hasBucket(q.Bucket):
		return "", plan{status: http.StatusNotFound, code: "NoSuchBucket"}
	case q.Query == "list":
		return s.list(q.Bucket, r.URL.Query()), plan{}
	case v == nil:
		return "", plan{status: http.StatusNotFound, code: "NoSuchKey"}
	case q.Query == "tagging":
		return v.meta.tagging(), plan{}
	default:
		return attributes(v, strings.Join(r.Header.Values("X-Amz-Object-Attributes"), ",")), plan{}
	}
}

const namespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

func (m Meta) tagging() string {
	var b strings.Builder
	b.WriteString(xml.Header + "<Tagging" + namespace + "><TagSet>")
	for _, tag := range m.Tags {
		b.WriteString("<Tag>" + element("Key", tag[0]) + element("Value", tag[1]) + "</Tag>")
	}
	return b.String() + "</TagSet></Tagging>"
}

func attributes(v *version, names string) string {
	text := xml.Header + "<GetObjectAttributesResponse" + namespace + ">"
	if strings.Contains(names, "ETag") {
		text += element("ETag", strings.Trim(v.meta.ETag, `"`))
	}
	if strings.Contains(names, "ObjectSize") {
		text += element("ObjectSize", strconv.FormatInt(v.object.Size, 10))
	}
	return text + "</GetObjectAttributesResponse>"
}

// page is what a list gives at once.
type page struct {
	contents  []*version
	prefixes  []string
	last      string // of both
	truncated bool
}

// pageOf: the names in the order of their bytes, those with the delimiter behind the
// prefix rolled up, each of them beyond after.
func (s *Server) pageOf(bucket, prefix, delimiter, after string, most int) (p page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for n := range s.objects {
		if n.bucket == bucket && strings.HasPrefix(n.key, prefix) {
			keys = append(keys, n.key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		entry, rolled := key, false
		if at := strings.Index(key[len(prefix):], delimiter); delimiter != "" && at >= 0 {
			entry, rolled = key[:len(prefix)+at+len(delimiter)], true
		}
		switch {
		case entry <= after, rolled && entry == p.last:
			continue
		case len(p.contents)+len(p.prefixes) == most:
			p.truncated = most > 0
			return p
		case rolled:
			p.prefixes = append(p.prefixes, entry)
		default:
			versions := s.objects[name{bucket, key}]
			p.contents = append(p.contents, versions[len(versions)-1])
		}
		p.last = entry
	}
	return p
}

// list is a ListBucketResult, its fields in S3's order.
func (s *Server) list(bucket string, q url.Values) string {
	version2, encode := q.Get("list-type") == "2", func(text string) string { return text }
	if q.Get("encoding-type") == "url" {
		encode = func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "%2F", "/") }
	}
	most := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = min(most, n)
	}
	after := q.Get("marker")
	if version2 {
		after = q.Get("start-after")
		if token, err := base64.URLEncoding.DecodeString(q.Get("continuation-token")); err == nil && len(token) > 0 {
			after = string(token)
		}
	}
	p := s.pageOf(bucket, q.Get("prefix"), q.Get("delimiter"), after, most)
	var b strings.Builder
	b.WriteString(xml.Header + "<ListBucketResult" + namespace + ">" + element("Name", bucket) + element("Prefix", encode(q.Get("prefix"))))
	if version2 {
		b.WriteString(optional("StartAfter", encode(q.Get("start-after"))) + optional("ContinuationToken", q.Get("continuation-token")))
		if p.truncated {
			b.WriteString(element("NextContinuationToken", base64.URLEncoding.EncodeToString([]byte(p.last))))
		}
		b.WriteString(element("KeyCount", strconv.Itoa(len(p.contents)+len(p.prefixes))))
	} else {
		b.WriteString(element("Marker", encode(q.Get("marker"))))
		if p.truncated && q.Get("delimiter") != "" {
			b.WriteString(element("NextMarker", encode(p.last)))
		}
	}
	b.WriteString(element("MaxKeys", strconv.Itoa(most)) + optional("Delimiter", encode(q.Get("delimiter"))) + optional("EncodingType", q.Get("encoding-type")))
	b.WriteString(element("IsTruncated", strconv.FormatBool(p.truncated)))
	for _, v := range p.contents {
		b.WriteString(v.content(encode, !version2 || q.Get("fetch-owner") == "true"))
	}
	for _, prefix := range p.prefixes {
		b.WriteString("<CommonPrefixes>" + element("Prefix", encode(prefix)) + "</CommonPrefixes>")
	}
	return b.String() + "</ListBucketResult>"
}

func (v *version) content(encode func(string) string, owned bool) string {
	text := "<Contents>" + element("Key", encode(v.object.Key)) +
		element("LastModified", v.meta.LastModified.UTC().Format("2006-01-02T15:04:05.000Z")) +
		element("ETag", v.meta.ETag) + element("Size", strconv.FormatInt(v.object.Size, 10))
	if owned {
		text += "<Owner>" + element("ID", "s3test-owner") + "</Owner>"
	}
	return text + element("StorageClass", "STANDARD") + "</Contents>"
}

func optional(name, text string) string {
	if text == "" {
		return ""
	}
	return element(name, text)
}

// element escapes as S3 does: control characters become references, though XML 1.0
// knows none to most of them.
func element(name, text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < ' ':
			fmt.Fprintf(&b, "&#x%X;", r)
		case strings.ContainsRune(`<>&"'`, r):
			_ = xml.EscapeText(&b, []byte(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return "<" + name + ">" + b.String() + "</" + name + ">"
}
