package gateway

import (
	"context"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"rookery/auth"
	"rookery/object"
)

const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// answerBucket answers what asks for no object: from what is configured, or with a
// document of S3's.
func (c *Core) answerBucket(ctx context.Context, r *Request, b *route, w *wanted, a *Answer) error {
	switch w.operation {
	case headBucket:
		a.Status = http.StatusOK
		a.Header = a.appendIDs([]object.Field{xmlType, {Name: "x-amz-bucket-region", Value: b.region()}})
		return nil
	case getLocation:
		a.own(b.location())
		return nil
	case unsupported:
		return notImplemented
	}
	q := w.query
	if len(q.Key.Name) > object.MaxNameBytes {
		return keyTooLong
	}
	var err error
	switch {
	case q.Operation == object.GetObjectAttributes:
		q.Attributes, err = attributesOf(r)
	case q.IsList():
		q.List.RestoreStatus, err = restoreStatus(r)
	}
	if err != nil {
		return err
	}
	var wish *object.Wish
	if b.ClientCacheControl {
		wish = wishOf(r)
	}
	a.key = q.Key
	found, err := w.reader.Query(ctx, q, wish)
	a.answered = c.now()
	if err != nil {
		return err
	}
	a.pass(found, b)
	return nil
}

// restoreStatus reads the one optional attribute that a list may ask for.
func restoreStatus(r *Request) (asked bool, err error) {
	for name := range commaList(r.list("X-Amz-Optional-Object-Attributes")) {
		if name != "RestoreStatus" {
			return false, invalidAttributes
		}
		asked = true
	}
	return asked, nil
}

var xmlType = object.Field{Name: "Content-Type", Value: "application/xml"}

// own answers with a document of the gateway's.
func (a *Answer) own(document string) {
	a.Status, a.text, a.length = http.StatusOK, document, int64(len(document))
	a.Header = a.appendIDs([]object.Field{xmlType, {Name: "Content-Length", Value: strconv.Itoa(len(document))}})
}

// pass answers with a document of S3's.
func (a *Answer) pass(found *object.Answer, b *route) {
	a.found = found
	a.cached, a.source, a.ownerSource, a.outcome = true, found.Source, found.OwnerSource, found.Outcome
	a.Status, a.body, a.length = http.StatusOK, found.Body, found.Length
	var t fieldText
	t.Grow(128)
	fields := append(make([]object.Field, 0, len(found.Info.Header)+8), found.Info.Header...)
	fields = append(fields, xmlType, object.Field{Name: "x-amz-bucket-region", Value: b.region()})
	t.number(found.Length)
	fields = append(fields, object.Field{Name: "Content-Length", Value: t.take()})
	if found.Outcome == object.Hit {
		t.number(max(0, int64(a.answered.Sub(found.Info.Validated).Seconds())))
		fields = append(fields, object.Field{Name: "Age", Value: t.take()})
	}
	t.cacheStatus(found, http.StatusOK)
	a.Header = a.appendIDs(append(fields,
		object.Field{Name: "Cache-Status", Value: t.take()}, object.Field{Name: "X-Cache", Value: found.Outcome.String()}))
}

// defaultRegion is the region that S3 leaves without a name.
const defaultRegion = "us-east-1"

func (r *route) region() string {
	if r.Region == "" {
		return defaultRegion
	}
	return r.Region
}

// location is the answer of GetBucketLocation: us-east-1 has no name there.
func (r *route) location() string {
	name := r.region()
	if name == defaultRegion {
		name = ""
	}
	return xml.Header + `<LocationConstraint xmlns="` + s3Namespace + `">` + escaped(name) + `</LocationConstraint>`
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder does not fail
	return b.String()
}

// created is when all buckets are said to have been made: nobody knows, and clients
// want a date.
const created = "1970-01-01T00:00:00.000Z"

// answerService answers ListBuckets: with the buckets that the client may know of, each
// by its own guard. Who may know of none is refused.
func (c *Core) answerService(ctx context.Context, p *policy, r *Request, query string, a *Answer) error {
	parameters, err := parseQuery(query)
	if r.Method != http.MethodGet {
		err = getOnly
	}
	var b strings.Builder
	b.WriteString(xml.Header + `<ListAllMyBucketsResult xmlns="` + s3Namespace + `"><Owner><ID>rookery</ID><DisplayName>rookery</DisplayName></Owner><Buckets>`)
	seen := false
	for _, bucket := range p.routes.all {
		if _, refused := bucket.Guard.Authorize(ctx, r.authRequest(bucket, auth.Buckets, "")); refused != nil {
			continue
		}
		seen = true
		if strings.HasPrefix(bucket.bucket, parameters.list.prefix) {
			b.WriteString("<Bucket><Name>" + escaped(bucket.bucket) + "</Name><CreationDate>" + created +
				"</CreationDate><BucketRegion>" + escaped(bucket.region()) + "</BucketRegion></Bucket>")
		}
	}
	switch {
	case !seen:
		return accessDenied
	case err != nil:
		return err
	case parameters.resource != "":
		return notImplemented
	}
	b.WriteString("</Buckets></ListAllMyBucketsResult>")
	a.own(b.String())
	return nil
}
