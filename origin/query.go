package origin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"rookery/object"
)

// Query asks for an XML document: a page of names, or what is said of one object. It
// is read to its end, within object.MaxDocumentBytes.
//
// Errors are those of Head; an answer that is no such document, or is larger, is
// object.ErrBroken.
func (c *Client) Query(ctx context.Context, q object.Query) (*object.Document, error) {
	if !q.IsList() && q.Key.Name == "" {
		return nil, noName()
	}
	ctx, x := c.begin(ctx, kindOf(q.Operation))
	metadata, err := c.send(ctx, &q)
	if err != nil {
		return nil, x.unanswered(err)
	}
	res := response(metadata)
	defer res.Body.Close()
	document, err := c.judgeQuery(res, &q, x)
	if x.caller.Err() != nil {
		err = x.caller.Err()
	}
	x.judged(err)
	x.cancel(nil)
	return document, err
}

func kindOf(o object.Operation) kind {
	switch o {
	case object.GetObjectAttributes:
		return attributesKind
	case object.GetObjectTagging:
		return taggingKind
	}
	return listKind
}

// send has the SDK sign and send the query.
func (c *Client) send(ctx context.Context, q *object.Query) (middleware.Metadata, error) {
	switch q.Operation {
	case object.ListObjectsV2:
		out, err := c.sdk.ListObjectsV2(ctx, c.listV2(&q.List))
		if err != nil {
			return middleware.Metadata{}, err
		}
		return out.ResultMetadata, nil
	case object.ListObjects:
		out, err := c.sdk.ListObjects(ctx, c.listV1(&q.List))
		if err != nil {
			return middleware.Metadata{}, err
		}
		return out.ResultMetadata, nil
	case object.GetObjectAttributes:
		out, err := c.sdk.GetObjectAttributes(ctx, c.attributes(q))
		if err != nil {
			return middleware.Metadata{}, err
		}
		return out.ResultMetadata, nil
	}
	out, err := c.sdk.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &c.bucket, Key: &q.Key.Name, VersionId: optional(q.Key.Version)})
	if err != nil {
		return middleware.Metadata{}, err
	}
	return out.ResultMetadata, nil
}

func (c *Client) listV2(l *object.List) *s3.ListObjectsV2Input {
	in := &s3.ListObjectsV2Input{
		Bucket: &c.bucket, Prefix: optional(l.Prefix), Delimiter: optional(l.Delimiter), StartAfter: optional(l.After),
		ContinuationToken: optional(l.Token), MaxKeys: maxKeys(l), EncodingType: encoding(l), OptionalObjectAttributes: extras(l),
	}
	if l.FetchOwner {
		in.FetchOwner = aws.Bool(true)
	}
	return in
}

func (c *Client) listV1(l *object.List) *s3.ListObjectsInput {
	return &s3.ListObjectsInput{
		Bucket: &c.bucket, Prefix: optional(l.Prefix), Delimiter: optional(l.Delimiter), Marker: optional(l.After),
		MaxKeys: maxKeys(l), EncodingType: encoding(l), OptionalObjectAttributes: extras(l),
	}
}

func maxKeys(l *object.List) *int32 {
	if l.MaxKeys < 0 {
		return nil
	}
	return aws.Int32(int32(min(l.MaxKeys, object.MaxListKeys)))
}

func encoding(l *object.List) types.EncodingType {
	if l.URLEncoded {
		return types.EncodingTypeUrl
	}
	return ""
}

func extras(l *object.List) []types.OptionalObjectAttributes {
	if l.RestoreStatus {
		return []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus}
	}
	return nil
}

func (c *Client) attributes(q *object.Query) *s3.GetObjectAttributesInput {
	in := &s3.GetObjectAttributesInput{Bucket: &c.bucket, Key: &q.Key.Name, VersionId: optional(q.Key.Version)}
	for name := range strings.SplitSeq(q.Attributes.Names, ",") {
		in.ObjectAttributes = append(in.ObjectAttributes, types.ObjectAttributes(name))
	}
	if q.Attributes.MaxParts > 0 {
		in.MaxParts = aws.Int32(int32(q.Attributes.MaxParts))
	}
	if q.Attributes.PartsFrom > 0 {
		in.PartNumberMarker = aws.String(strconv.Itoa(q.Attributes.PartsFrom))
	}
	return in
}

// told are the fields beside a document that a client may see.
var told = []string{"Last-Modified", "X-Amz-Delete-Marker", "X-Amz-Version-Id"}

// judgeQuery reads the document and gives it the configured bucket's name.
func (c *Client) judgeQuery(res *http.Response, q *object.Query, x *exchange) (*object.Document, error) {
	if err := c.refusal(res); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d to a query", object.ErrBroken, res.StatusCode)
	}
	text, err := x.readAll(res.Body)
	if err != nil {
		return nil, err
	}
	d := &object.Document{Validated: x.start}
	if d.Text, err = rewrite(text, roots[q.Operation], c.name); err != nil {
		return nil, fmt.Errorf("%w: %w", object.ErrBroken, err)
	}
	for _, name := range told {
		if v := res.Header.Get(name); v != "" && !hasControl(v) {
			d.Header = append(d.Header, object.Field{Name: name, Value: v})
		}
	}
	return d, nil
}

// readAll reads a document. The origin may be silent between any two pieces for as
// long as before the first.
func (x *exchange) readAll(from io.Reader) ([]byte, error) {
	var text []byte
	piece := make([]byte, 32<<10)
	for {
		x.silence.arm()
		n, err := from.Read(piece)
		x.silence.disarm()
		x.client.count.bytes.Add(n)
		text = append(text, piece[:n]...)
		switch {
		case len(text) > object.MaxDocumentBytes:
			return nil, fmt.Errorf("%w: a document of more than %d bytes", object.ErrBroken, object.MaxDocumentBytes)
		case err == io.EOF:
			return text, nil
		case x.silenced():
			return nil, fmt.Errorf("a document after %d bytes: %w: %w", len(text), io.ErrUnexpectedEOF, errSilent)
		case err != nil:
			return nil, fmt.Errorf("a document after %d bytes: %w: %s", len(text), io.ErrUnexpectedEOF, err.Error())
		}
	}
}
