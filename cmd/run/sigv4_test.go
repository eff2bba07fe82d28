package run_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"rookery/internal/s3test"
)

const signingSecret = "a secret of the proxy's own"

// sdk is a client of AWS with credentials of the proxy, at node i.
func (c *testCluster) sdk(i int, access, secret string) *s3.Client {
	return s3.New(s3.Options{
		Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
		BaseEndpoint: aws.String("http://" + c.nodes[i].PublicAddr().String()), UsePathStyle: true, RetryMaxAttempts: 1, HTTPClient: c.client,
	})
}

// The SDK reads with credentials of the proxy from S3 that never sees them, and what
// it may not read it is refused as S3 refuses.
func TestTheSDKReadsWithKeysOfTheProxy(t *testing.T) {
	c := newCluster(t, 2, guarded(t, "{enabled: false}", "{enabled: true, sigv4: {keys: [{access_key: AKIDPROXY, secret_key: "+signingSecret+"}]}}"))
	for _, key := range []string{"o", "a b/ü+~*'()!@$&=,;:?#[]%25", "//x//", "a/../b/./c"} {
		o := c.put(key, 1000, s3test.Meta{})
		for i := range c.nodes {
			got, err := c.sdk(i, "AKIDPROXY", signingSecret).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Range: aws.String("bytes=10-99")})
			if err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			if _, err := o.CheckReader(got.Body, 10, 100); err != nil {
				t.Errorf("%q: %v", key, err)
			}
			got.Body.Close()
			if _, err := c.sdk(i, "AKIDPROXY", signingSecret).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}); err != nil {
				t.Errorf("HEAD %q: %v", key, err)
			}
		}
	}
	for _, wrong := range [][2]string{{"AKIDPROXY", "another secret of the like"}, {"AKIDNOBODY", signingSecret}} {
		_, err := c.sdk(0, wrong[0], wrong[1]).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("o")})
		var told smithy.APIError
		if !errors.As(err, &told) || told.ErrorCode() != "AccessDenied" {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	c.presigned(t)
	for _, r := range c.s3.Requests() {
		for name, values := range r.Header {
			if all := strings.Join(values, " "); strings.Contains(all, "AKIDPROXY") || strings.Contains(all, "Signature") {
				t.Errorf("S3 was sent %s: %s", name, all)
			}
		}
		if strings.Contains(r.Target, "X-Amz") {
			t.Errorf("S3 was asked for %s", r.Target)
		}
	}
}

// presigned reads by URLs that the SDK has signed.
func (c *testCluster) presigned(t *testing.T) {
	o := c.put("a b", 1000, s3test.Meta{})
	signer := s3.NewPresignClient(c.sdk(0, "AKIDPROXY", signingSecret))
	signed, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a b"), ResponseContentDisposition: aws.String(`attachment; filename="a b+c"`),
	}, s3.WithPresignExpires(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, _, _ := strings.Cut(signed.URL, "?")
	for target, status := range map[string]int{
		signed.URL: http.StatusOK,
		signed.URL + "&response-content-type=text/html":                            http.StatusForbidden,
		strings.Replace(signed.URL, "/a%20b", "/o", 1):                             http.StatusForbidden,
		strings.Replace(signed.URL, "X-Amz-Expires=3600", "X-Amz-Expires=3601", 1): http.StatusForbidden,
		unsigned: http.StatusForbidden,
	} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.send(t.Context(), 0, http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != status {
			t.Errorf("%s: %s", target, answer.Status)
		}
		if answer.StatusCode == http.StatusOK {
			if _, err := o.CheckReader(answer.Body, 0, o.Size); err != nil {
				t.Error(err)
			}
			if got := answer.Header.Get("Content-Disposition"); got != `attachment; filename="a b+c"` {
				t.Errorf("Content-Disposition: %s", got)
			}
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
