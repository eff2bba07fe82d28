package origin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"rookery/object"
)

const (
	listBucket = "real-lists"
	listKeys   = 2500
)

// listName spreads the names over directories, and has each odd one of them some twenty
// times.
func listName(n int) string {
	odd := []string{"plain", "sp ace", "plus+", "per%20cent", "amp&<>\"'", "\u00fcn\u00ef", "\u65e5\u672c\u8a9e", "\U0001f426", "q?#;=", "*()!~", "e\u0301", "c\x01l"}
	return fmt.Sprintf("dir %d/%s/%04d", n%7, odd[n%len(odd)], n)
}

// overheard keeps the text of the last answer that the SDK got.
type overheard struct {
	http.RoundTripper
	text []byte
}

func (o *overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := o.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if o.text, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(o.text))
	return res, nil
}

// changing is what two answers to the same question may differ in.
var changing = regexp.MustCompile(`<(NextContinuationToken|ContinuationToken)>[^<]*</`)

func sameDocument(t *testing.T, what string, ours, straight []byte) {
	t.Helper()
	want := strings.ReplaceAll(string(straight), "<Name>"+listBucket+"</Name>", "<Name>route</Name>")
	if a, b := changing.ReplaceAllString(string(ours), "<$1></"), changing.ReplaceAllString(want, "<$1></"); a != b {
		t.Errorf("%s:\n%.2000s\nstraight from S3:\n%.2000s", what, a, b)
	}
}

// realLists pages through a bucket in several ways, and has the same pages as the SDK
// straight from the origin, byte by byte but for the bucket's name.
func realLists(t *testing.T, address string, c *Client) {
	ctx, cancel := context.WithTimeout(t.Context(), realPatience)
	defer cancel()
	ear := &overheard{RoundTripper: &http.Transport{}}
	t.Cleanup(ear.RoundTripper.(*http.Transport).CloseIdleConnections)
	straight := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + address), UsePathStyle: true, Region: realRegion, HTTPClient: &http.Client{Transport: ear},
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, ""),
	})
	bucket := listBucket
	if _, err := straight.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	fillLists(ctx, t, newWriter(t, address))
	for _, l := range []object.List{
		{MaxKeys: -1, URLEncoded: true},
		{MaxKeys: -1},
		{MaxKeys: 300, Delimiter: "/", URLEncoded: true},
		{MaxKeys: 2, Delimiter: "/", Prefix: "dir 3/"},
		{MaxKeys: 100, Prefix: "dir 3/plus+/", URLEncoded: true, FetchOwner: true},
		{MaxKeys: 100, Prefix: "dir 1/", After: "dir 1/per%20cent/1000"},
		{MaxKeys: 1, Delimiter: "e", URLEncoded: true},
		{MaxKeys: 0},
		{MaxKeys: -1, Prefix: "none"},
	} {
		t.Run(fmt.Sprintf("%+v", l), func(t *testing.T) {
			realPages(ctx, t, c, straight, ear, l)
		})
	}
	realSaid(ctx, t, c, straight, ear)
}

func fillLists(ctx context.Context, t *testing.T, w writer) {
	t.Helper()
	bucket := listBucket
	var writers sync.WaitGroup
	for first := range 8 {
		writers.Go(func() {
			for n := first; n < listKeys; n += 8 {
				key := listName(n)
				if _, err := w.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(key)}); err != nil {
					t.Errorf("%s: %v", key, err)
					return
				}
			}
		})
	}
	writers.Wait()
}

// realPages has every page of both versions, each end with a token or marker of its own.
func realPages(ctx context.Context, t *testing.T, c *Client, straight *s3.Client, ear *overheard, l object.List) {
	ours := object.Query{Operation: object.ListObjectsV2, Key: object.Key{Bucket: "route"}, List: l}
	in := &s3.ListObjectsV2Input{
		Bucket: aws.String(listBucket), Prefix: optional(l.Prefix), Delimiter: optional(l.Delimiter), StartAfter: optional(l.After),
		MaxKeys: maxKeys(&l), EncodingType: encoding(&l),
	}
	if l.FetchOwner {
		in.FetchOwner = aws.Bool(true)
	}
	for page := 1; page <= 30; page++ {
		out, err := straight.ListObjectsV2(ctx, in)
		if unreadable := err != nil && !l.URLEncoded && strings.Contains(err.Error(), "illegal character code"); unreadable {
			out = &s3.ListObjectsV2Output{} // the SDK cannot read the name with a control character; we pass it on
		} else if err != nil {
			t.Fatal(err)
		}
		d, err := c.Query(ctx, ours)
		if err != nil {
			t.Fatalf("page %d: %v", page, err)
		}
		sameDocument(t, fmt.Sprintf("page %d of V2", page), d.Text, ear.text)
		if out.IsTruncated == nil || !*out.IsTruncated || t.Failed() {
			break
		}
		in.ContinuationToken = out.NextContinuationToken
		ours.List.Token = tokenIn(t, d.Text)
	}
	ours = object.Query{Operation: object.ListObjects, Key: ours.Key, List: l}
	v1 := &s3.ListObjectsInput{
		Bucket: in.Bucket, Prefix: in.Prefix, Delimiter: in.Delimiter, Marker: in.StartAfter, MaxKeys: in.MaxKeys, EncodingType: in.EncodingType,
	}
	for page := 1; page <= 30; page++ {
		out, err := straight.ListObjects(ctx, v1)
		if unreadable := err != nil && !l.URLEncoded && strings.Contains(err.Error(), "illegal character code"); unreadable {
			out = &s3.ListObjectsOutput{}
		} else if err != nil {
			t.Fatal(err)
		}
		d, err := c.Query(ctx, ours)
		if err != nil {
			t.Fatalf("page %d: %v", page, err)
		}
		sameDocument(t, fmt.Sprintf("page %d of V1", page), d.Text, ear.text)
		if out.IsTruncated == nil || !*out.IsTruncated || len(out.Contents) == 0 || l.URLEncoded || t.Failed() {
			break
		}
		v1.Marker = out.Contents[len(out.Contents)-1].Key
		ours.List.After = *v1.Marker
	}
}

func tokenIn(t *testing.T, text []byte) string {
	t.Helper()
	_, after, _ := bytes.Cut(text, []byte("<NextContinuationToken>"))
	token, _, found := bytes.Cut(after, []byte("</"))
	plain, ok := unescape(string(token))
	if !found || !ok {
		t.Fatalf("no token in %.500s", text)
	}
	return plain
}

// realSaid has the same attributes and tags as the SDK straight from the origin.
func realSaid(ctx context.Context, t *testing.T, c *Client, straight *s3.Client, ear *overheard) {
	bucket, key := listBucket, listName(4)
	tags := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("colour"), Value: aws.String("blue + green")}}}
	if _, err := straight.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &bucket, Key: &key, Tagging: tags}); err != nil {
		t.Fatal(err)
	}
	if _, err := straight.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	q := object.Query{Operation: object.GetObjectTagging, Key: object.Key{Bucket: "route", Name: key}}
	d, err := c.Query(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	sameDocument(t, "tags", d.Text, ear.text)
	if _, err := straight.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: &bucket, Key: &key, ObjectAttributes: []types.ObjectAttributes{"ETag", "ObjectSize", "StorageClass"}}); err != nil {
		t.Fatal(err)
	}
	q.Operation, q.Attributes.Names = object.GetObjectAttributes, "ETag,ObjectSize,StorageClass"
	if d, err = c.Query(ctx, q); err != nil {
		t.Fatal(err)
	}
	sameDocument(t, "attributes", d.Text, ear.text)
	q.Key.Name = "none"
	if _, err := c.Query(ctx, q); asOriginError(err) == nil || asOriginError(err).Status != 404 {
		t.Errorf("the attributes of no object: %v", err)
	}
}
