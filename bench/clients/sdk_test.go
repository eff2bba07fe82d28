package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"rookery/internal/pattern"
)

// TestSDK does through the Go SDK, in each way to reach a bucket, what the programs do.
func TestSDK(t *testing.T) {
	w := newWorld(t)
	ways := map[string]func(p place) func(*s3.Options){
		"path style":   func(place) func(*s3.Options) { return nil },
		"virtual host": virtualHost,
		"unsigned":     func(place) func(*s3.Options) { return unsigned },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			for i, node := range w.nodes {
				client := sdk(t, node, way(node))
				for _, o := range objects() {
					readWhole(t, client, o)
				}
				readInPieces(t, client, pattern.Object{Bucket: bucket, Key: "large/100m", Size: 100 * mib}, int64(3+i)*mib)
				readParts(t, client, pattern.Object{Bucket: bucket, Key: "sizes/8m-in-parts", Size: 8 * mib})
				refusals(t, client)
			}
		})
	}
	t.Run("headers", func(t *testing.T) { w.sameHeaders(t) })
}

// virtualHost asks a host that no name server knows.
func virtualHost(p place) func(*s3.Options) {
	return func(o *s3.Options) {
		o.UsePathStyle, o.BaseEndpoint = false, aws.String("http://"+domain)
		o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.address)
		}}}
	}
}

func unsigned(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} }

// readWhole has the SDK verify the checksum, as it does by default.
func readWhole(t *testing.T, client *s3.Client, o pattern.Object) {
	t.Helper()
	head, err := client.HeadObject(within(t), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &o.Key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Errorf("HEAD of %q: %v", o.Key, err)
		return
	}
	got, err := client.GetObject(within(t), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &o.Key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Errorf("GET of %q: %v", o.Key, err)
		return
	}
	defer got.Body.Close()
	if _, err := o.CheckReader(got.Body, 0, o.Size); err != nil {
		t.Error(err)
	}
	if aws.ToInt64(head.ContentLength) != o.Size || aws.ToString(head.ETag) != aws.ToString(got.ETag) || !maps.Equal(head.Metadata, got.Metadata) ||
		aws.ToString(head.ChecksumSHA256) != aws.ToString(got.ChecksumSHA256) || o.Size <= partBytes && head.ChecksumSHA256 == nil {
		t.Errorf("%q: HEAD says %+v, GET %+v", o.Key, head, got)
	}
}

// readInPieces asks for all of an object in ranges, eight at once, as downloaders do.
func readInPieces(t *testing.T, client *s3.Client, o pattern.Object, piece int64) {
	t.Helper()
	var readers sync.WaitGroup
	places := make(chan struct{}, 8)
	for from := int64(0); from < o.Size; from += piece {
		to := min(from+piece, o.Size)
		places <- struct{}{}
		readers.Go(func() {
			defer func() { <-places }()
			got, err := client.GetObject(within(t), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &o.Key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1))})
			if err != nil {
				t.Error(err)
				return
			}
			defer got.Body.Close()
			if want := fmt.Sprintf("bytes %d-%d/%d", from, to-1, o.Size); aws.ToString(got.ContentRange) != want {
				t.Errorf("Content-Range is %s, want %s", aws.ToString(got.ContentRange), want)
			}
			if _, err := o.CheckReader(got.Body, from, to); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
}

// readParts asks for an object in the parts that it was uploaded in.
func readParts(t *testing.T, client *s3.Client, o pattern.Object) {
	t.Helper()
	at, count := int64(0), int32(1)
	for number := int32(1); number <= count; number++ {
		part, err := client.GetObject(within(t), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &o.Key, PartNumber: &number})
		if err != nil {
			t.Error(err)
			return
		}
		count = aws.ToInt32(part.PartsCount)
		n, err := o.CheckReader(part.Body, at, at+aws.ToInt64(part.ContentLength))
		part.Body.Close()
		if err != nil {
			t.Error(err)
		}
		at += n
	}
	if at != o.Size || count != 2 {
		t.Errorf("%d parts have %d bytes of %d", count, at, o.Size)
	}
}

// refusals must be what the SDK knows, and come without retries.
func refusals(t *testing.T, client *s3.Client) {
	t.Helper()
	get := func(bucket, key string, change func(*s3.GetObjectInput)) error {
		in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
		if change != nil {
			change(in)
		}
		_, err := client.GetObject(within(t), in)
		return err
	}
	key := aws.String("sizes/one")
	_, headErr := client.HeadObject(within(t), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("none")})
	_, putErr := client.PutObject(within(t), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: key, Body: strings.NewReader("new")})
	_, deleteErr := client.DeleteObject(within(t), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: key})
	began := time.Now()
	for want, err := range map[string]error{
		"NoSuchKey":    get(bucket, "none", nil),
		"NoSuchBucket": get("no-such-bucket", "none", nil),
		"InvalidRange": get(bucket, *key, func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=1-") }),
		"PreconditionFailed": get(bucket, *key, func(in *s3.GetObjectInput) {
			in.IfMatch = aws.String(`"another"`)
		}),
		"NotFound": headErr, "MethodNotAllowed": putErr, "MethodNotAllowed (delete)": deleteErr,
	} {
		var api smithy.APIError
		if word, _, _ := strings.Cut(want, " "); !errors.As(err, &api) || api.ErrorCode() != word {
			t.Errorf("%v, want %s", err, want)
		}
		var tries interface{ Attempts() int }
		if errors.As(err, &tries) && tries.Attempts() > 1 {
			t.Errorf("%v: tried %d times", err, tries.Attempts())
		}
	}
	if took := time.Since(began); took > refusedWithin {
		t.Errorf("refusals took %s", took)
	}
}

// ofTheServer are the fields in which two servers' answers differ: they tell of the
// server and the connection, or, as the last ones, are Rookery's own.
var ofTheServer = []string{"Connection", "Date", "Server", "X-Amz-Id-2", "X-Amz-Request-Id", "Age", "Cache-Status", "X-Cache", "X-Request-Id"}

// sameHeaders compares every field of answers to requests signed in the URL.
func (w *world) sameHeaders(t *testing.T) {
	for _, o := range objects() {
		if o.Size > 8*mib {
			continue
		}
		for how, change := range map[string]func(*s3.GetObjectInput){
			"whole":      func(*s3.GetObjectInput) {},
			"range":      func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=1-1") },
			"checksum":   func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled },
			"none match": func(in *s3.GetObjectInput) { in.IfNoneMatch = aws.String("*") },
			"match":      func(in *s3.GetObjectInput) { in.IfMatch = aws.String(`"another"`) },
			"version":    func(in *s3.GetObjectInput) { in.VersionId = aws.String("null") },
		} {
			what := fmt.Sprintf("%q, %s", o.Key, how)
			in := &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &o.Key}
			change(in)
			wantStatus, want, wantBody := presigned(t, w.direct, in)
			for _, node := range w.nodes {
				status, got, body := presigned(t, node, in)
				if status != wantStatus || !maps.EqualFunc(got, want, slices.Equal) || body != wantBody {
					t.Errorf("%s through %s:\n%d %v %.100q\nat %s:\n%d %v %.100q", what, node.name, status, got, body, w.direct.name, wantStatus, want, wantBody)
				}
			}
		}
	}
}

var errorCode = regexp.MustCompile("<Code>[^<]*</Code>")

// presigned gets an object by a URL that a client has signed for somebody else.
func presigned(t *testing.T, p place, in *s3.GetObjectInput) (status int, header http.Header, body string) {
	t.Helper()
	signed, err := s3.NewPresignClient(sdk(t, p, nil)).PresignGetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(within(t), signed.Method, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = signed.SignedHeader
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	header = response.Header
	for _, name := range ofTheServer {
		delete(header, name)
	}
	if response.StatusCode >= 300 {
		// Versitygw gives a 304 no ETag and a 416 no Content-Range (RFC 9110 §15.4.5, §15.5.17).
		return response.StatusCode, nil, string(errorCode.Find(text))
	}
	return response.StatusCode, header, string(text)
}
