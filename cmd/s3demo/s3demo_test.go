package s3demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"

	"rookery/internal/pattern"
	"rookery/object"
	"rookery/origin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *Server {
	t.Helper()
	s, err := Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// connect returns a client that signs with secret, or, if that is "", does not.
func connect(t *testing.T, s *Server, secret string) *origin.Client {
	t.Helper()
	o := origin.Options{Bucket: Bucket, Endpoint: s.URL, PathStyle: true, Anonymous: true}
	if secret != "" {
		o.Anonymous, o.AccessKey, o.SecretKey = false, AccessKey, secret
	}
	c, err := origin.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// sdk is a stranger's client.
func sdk(t *testing.T, s *Server) *s3.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return s3.New(s3.Options{
		BaseEndpoint: &s.URL, UsePathStyle: true, Region: "us-east-1", HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""), Retryer: aws.NopRetryer{},
	})
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestEverySample reads each sample whole (the large ones' last 3 MiB), in parts
// and by HEAD, signed.
func TestEverySample(t *testing.T) {
	c := connect(t, start(t), SecretKey)
	for _, o := range Samples() {
		key := object.Key{Name: o.Key}
		info, err := c.Head(within(t), key, "")
		if err != nil {
			t.Fatalf("%q: %v", o.Key, err)
		}
		if info.Size != o.Size || !info.Strong() || !info.LastModified.Equal(modified) || info.Get("X-Amz-Meta-Sample") == "" {
			t.Errorf("%q: %+v", o.Key, info)
		}
		parts := [][2]int64{{0, min(o.Size, 1)}, {max(0, o.Size-3<<20), o.Size}, {o.Size / 3, o.Size/3 + min(o.Size, 1000)/2}}
		if o.Size <= 1<<20 {
			parts = append(parts, [2]int64{0, 0})
		}
		for _, p := range parts {
			if p[0] == p[1] && p[1] != 0 || o.Size == 0 && p[1] != 0 {
				continue
			}
			got, err := c.Get(within(t), object.Fetch{Key: key, From: p[0], To: p[1], IfMatch: info.ETag})
			if err != nil {
				t.Fatalf("%q %v: %v", o.Key, p, err)
			}
			if got.ETag != info.ETag || got.Size != o.Size {
				t.Errorf("%q %v: %+v", o.Key, p, got)
			}
			if _, err := o.CheckReader(got.Body, got.Offset, got.Offset+got.Length); err != nil {
				t.Errorf("%q %v: %v", o.Key, p, err)
			}
			got.Body.Close()
		}
	}
}

func TestConditions(t *testing.T) {
	c := connect(t, start(t), "")
	key := object.Key{Name: "five.bin"}
	info, err := c.Head(within(t), key, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Head(within(t), key, info.ETag); !errors.Is(err, object.ErrNotModified) {
		t.Error(err)
	}
	if _, err := c.Get(within(t), object.Fetch{Key: key, IfNoneMatch: info.ETag}); !errors.Is(err, object.ErrNotModified) {
		t.Error(err)
	}
	if _, err := c.Get(within(t), object.Fetch{Key: key, To: 10, IfMatch: `"another"`}); !errors.Is(err, object.ErrGone) {
		t.Error(err)
	}
	var refused *object.OriginError
	if _, err := c.Get(within(t), object.Fetch{Key: object.Key{Name: "none"}, IfMatch: `"x"`}); !errors.As(err, &refused) || refused.Code != "NoSuchKey" {
		t.Error(err)
	}
}

func TestRawRanges(t *testing.T) {
	s := start(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for spec, want := range map[string]int{"bytes=-5000": 206, "bytes=1000-": 416, "bytes=999-5000": 206, "bytes=-0": 416} {
		r, _ := http.NewRequest(http.MethodGet, s.URL+"/"+Bucket+"/thousand%20bytes.txt", nil)
		r.Header.Set("Range", spec)
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Error(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s", spec, res.Status)
		}
	}
}

func TestSignatures(t *testing.T) {
	s := start(t)
	wrong := connect(t, s, "wrong")
	var refused *object.OriginError
	if _, err := wrong.Get(within(t), object.Fetch{Key: object.Key{Name: "five.bin"}}); !errors.As(err, &refused) || refused.Status != 403 || refused.Code != "SignatureDoesNotMatch" {
		t.Error(err)
	}
	if _, err := wrong.Head(within(t), object.Key{Name: "five.bin"}, ""); !errors.As(err, &refused) || refused.Status != 403 {
		t.Error(err)
	}
	r, _ := http.NewRequest(http.MethodPut, s.URL+"/"+Bucket+"/mine", strings.NewReader("x"))
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusForbidden {
		t.Fatal(res, err)
	}
	res.Body.Close()
}

// TestAStrangersObjects puts, reads, lists and deletes, also over a sample.
func TestAStrangersObjects(t *testing.T) {
	s := start(t)
	c, stranger := connect(t, s, ""), sdk(t, s)
	bucket := Bucket
	for _, name := range []string{"mine//own +%2F ü.txt", "five.bin"} {
		o := pattern.Object{Bucket: "stranger", Key: name, Size: 10_000}
		in := &s3.PutObjectInput{
			Bucket: &bucket, Key: &name, Body: bytes.NewReader(o.Bytes(0, o.Size)),
			ContentType: aws.String("text/x-mine"), Metadata: map[string]string{"colour": "red"},
		}
		if _, err := stranger.PutObject(within(t), in); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		got, err := c.Get(within(t), object.Fetch{Key: object.Key{Name: name}})
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if _, err := o.CheckReader(got.Body, 0, o.Size); err != nil {
			t.Error(err)
		}
		got.Body.Close()
		if got.Info.Get("Content-Type") != "text/x-mine" || got.Info.Get("X-Amz-Meta-Colour") != "red" || got.Info.Get("X-Amz-Date") != "" {
			t.Errorf("%q: %q", name, got.Info.Header)
		}
		if _, err := stranger.DeleteObject(within(t), &s3.DeleteObjectInput{Bucket: &bucket, Key: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := c.Head(within(t), object.Key{Name: "five.bin"}, ""); err != nil || info.Size != 5<<20+3 {
		t.Error("the sample did not come back:", info, err)
	}
}

func TestList(t *testing.T) {
	s := start(t)
	stranger := sdk(t, s)
	bucket := Bucket
	var want []string
	for _, o := range Samples() {
		want = append(want, o.Key)
	}
	slices.Sort(want)
	var got []string
	pages := s3.NewListObjectsV2Paginator(stranger, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(4)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(within(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("in pages of 4: %q\nwant %q", got, want)
	}
	cases := []struct {
		prefix            string
		contents, folders []string
	}{
		{"", nil, []string{"/", "big/", "double/", "trailing-slash/", "up/", "ünïcödé/"}},
		{"big/", []string{"big/256MiB.bin", "big/64MiB.bin", "big/70MiB.bin"}, nil},
		{"double/", nil, []string{"double//"}},
		{"/", []string{"/leading-slash.bin"}, nil},
		{"trailing-slash/", []string{"trailing-slash/"}, nil},
	}
	for _, c := range cases {
		page, err := stranger.ListObjectsV2(within(t), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &c.prefix, Delimiter: aws.String("/")})
		if err != nil {
			t.Fatal(err)
		}
		var contents, folders []string
		for _, o := range page.Contents {
			contents = append(contents, *o.Key)
		}
		for _, f := range page.CommonPrefixes {
			folders = append(folders, *f.Prefix)
		}
		if c.contents != nil && !slices.Equal(contents, c.contents) || !slices.Equal(folders, c.folders) {
			t.Errorf("%q: %q and %q", c.prefix, contents, folders)
		}
	}
}

func TestPortInUse(t *testing.T) {
	s := start(t)
	address := strings.TrimPrefix(s.URL, "http://")
	_, err := Start(address)
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}
