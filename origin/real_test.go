package origin

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"rookery/internal/pattern"
	"rookery/object"
)

// A real origin is a program of others that speaks S3, run as a process of its
// own from the directory that ROOKERY_REAL_ORIGINS names.
type realOrigin struct {
	program string
	// start returns the command that serves address from dir, in path style and,
	// below realDomain, in virtual-host style.
	start func(t *testing.T, program, address, dir string) *exec.Cmd
	// refuses are names that the origin cannot be given: it keeps objects as files.
	refuses []string
}

const (
	realDomain = "s3.test"
	realKey    = "ROOKERYTESTKEY"
	realSecret = "rookery-test-secret"
	realRegion = "eu-central-1"
	realBucket = "real-bucket"
	// realPatience is what filling a bucket may take on a busy machine.
	realPatience = 2 * time.Minute
)

var realOrigins = []realOrigin{
	{program: "versitygw", start: startVersity, refuses: []string{
		"/", ".", "..", "../up", "trailing/", "tab\tnl\nnul\x00",
	}},
	{program: "minio", start: startMinio, refuses: []string{
		"/", ".", "..", "../up", "a/./b", "a/../b", "dir//file", "tab\tnl\nnul\x00", "\xff\xfe",
	}},
}

func startVersity(t *testing.T, program, address, dir string) *exec.Cmd {
	for _, d := range []string{"data", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return exec.Command(program, "--port", address, "--access", realKey, "--secret", realSecret, "--region", realRegion,
		"--virtual-domain", realDomain, "--quiet", "posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
}

func startMinio(_ *testing.T, program, address, dir string) *exec.Cmd {
	cmd := exec.Command(program, "server", "--quiet", "--address", address, "--console-address", "127.0.0.1:0", dir)
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+realKey, "MINIO_ROOT_PASSWORD="+realSecret,
		"MINIO_DOMAIN="+realDomain, "MINIO_SITE_REGION="+realRegion, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	return cmd
}

// run starts the origin and returns its address once it listens.
func (r realOrigin) run(t *testing.T, programs string) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	var said bytes.Buffer
	cmd := r.start(t, filepath.Join(programs, r.program), address, t.TempDir())
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // "signal: killed"
		if t.Failed() {
			t.Logf("%s said:\n%s", r.program, said.String())
		}
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s", r.program, address)
		}
		<-time.After(50 * time.Millisecond) // another process: nothing else tells us
	}
}

// writer fills the origin, by the SDK alone.
type writer struct{ *s3.Client }

func newWriter(t *testing.T, address string) writer {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	endpoint := "http://" + address
	return writer{s3.New(s3.Options{
		BaseEndpoint: &endpoint, UsePathStyle: true, Region: realRegion, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, ""),
	})}
}

func (w writer) put(ctx context.Context, o pattern.Object) error {
	bucket := realBucket
	_, err := w.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &o.Key, Body: bytes.NewReader(o.Bytes(0, o.Size)),
		ContentType: aws.String("text/x-rookery"), ContentEncoding: aws.String("x-pattern"),
		CacheControl: aws.String("max-age=77"), Metadata: map[string]string{"colour": "blue"},
	})
	return err
}

func TestRealOrigins(t *testing.T) {
	programs := os.Getenv("ROOKERY_REAL_ORIGINS")
	if programs == "" {
		t.Skip("ROOKERY_REAL_ORIGINS names no directory with versitygw and minio")
	}
	for _, r := range realOrigins {
		t.Run(r.program, func(t *testing.T) {
			address := r.run(t, programs)
			w := newWriter(t, address)
			bucket := realBucket
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := w.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
				t.Fatal(err)
			}
			t.Run("lists", func(t *testing.T) {
				realLists(t, address, connect(t, "http://"+address, func(o *Options) {
					o.Bucket, o.Region, o.AccessKey, o.SecretKey = listBucket, realRegion, realKey, realSecret
				}))
			})
			_, port, _ := net.SplitHostPort(address)
			styles := map[string]func(*Options){
				"path style": func(*Options) {},
				"virtual host": func(o *Options) {
					o.Endpoint, o.PathStyle = "http://"+net.JoinHostPort(realDomain, port), false
					o.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
						return (&net.Dialer{}).DialContext(ctx, network, address)
					}
				},
			}
			for name, style := range styles {
				t.Run(name, func(t *testing.T) {
					open := func(secret string) *Client {
						return connect(t, "http://"+address, func(o *Options) {
							o.Bucket, o.Region, o.AccessKey, o.SecretKey = realBucket, realRegion, realKey, secret
							style(o)
						})
					}
					c := open(realSecret)
					t.Run("reads", func(t *testing.T) { realReads(t, w, c) })
					t.Run("refusals", func(t *testing.T) { realRefusals(t, c, open("wrong-secret-wrong-secret")) })
					t.Run("names", func(t *testing.T) { realNames(t, w, c, r.refuses) })
				})
			}
		})
	}
}

func realReads(t *testing.T, w writer, c *Client) {
	ctx := within(t)
	for _, size := range []int64{0, 1, 1000, 5<<20 + 3} {
		o := pattern.Object{Bucket: realBucket, Key: "dir/object", Version: "1", Size: size}
		if err := w.put(ctx, o); err != nil {
			t.Fatal(err)
		}
		key := object.Key{Name: o.Key}
		head, err := c.Head(ctx, key, "")
		if err != nil {
			t.Fatal(err)
		}
		whole, err := c.Get(ctx, object.Fetch{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.CheckReader(whole.Body, 0, size); err != nil {
			t.Error(err)
		}
		whole.Body.Close()
		for from, info := range map[string]*object.Info{"HEAD": head, "GET": whole.Info} {
			if info.Size != size || !info.Strong() || info.LastModified.IsZero() || info.Get("Content-Type") != "text/x-rookery" ||
				info.Get("Content-Encoding") != "x-pattern" || info.Get("Cache-Control") != "max-age=77" || info.Get("X-Amz-Meta-Colour") != "blue" {
				t.Errorf("%s of %d bytes: %+v", from, size, info)
			}
		}
		if head.Version != whole.Info.Version {
			t.Errorf("HEAD and GET of %d bytes differ: %s and %s", size, head.ETag, whole.Info.ETag)
		}
		if _, err := c.Head(ctx, key, head.ETag); !errors.Is(err, object.ErrNotModified) {
			t.Error(err)
		}
		if size > 0 {
			realPart(t, c, o, head.ETag)
		}
	}
}

// realPart reads a part of a pinned version, and has another be gone.
func realPart(t *testing.T, c *Client, o pattern.Object, etag string) {
	f := object.Fetch{Key: object.Key{Name: o.Key}, From: o.Size / 2, To: o.Size, IfMatch: etag}
	part, err := c.Get(within(t), f)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Body.Close()
	if _, err := o.CheckReader(part.Body, f.From, f.To); err != nil || part.Size != o.Size {
		t.Error(part.Size, err)
	}
	f.IfMatch = `"0123456789abcdef0123456789abcdef"`
	if _, err := c.Get(within(t), f); !errors.Is(err, object.ErrGone) {
		t.Error(err)
	}
}

func realRefusals(t *testing.T, c, wrong *Client) {
	_, none := c.Get(within(t), object.Fetch{Key: object.Key{Name: "none"}})
	_, noneHead := c.Head(within(t), object.Key{Name: "none"}, "")
	_, denied := wrong.Get(within(t), object.Fetch{Key: object.Key{Name: "dir/object"}})
	_, deniedHead := wrong.Head(within(t), object.Key{Name: "dir/object"}, "")
	cases := []struct {
		err    error
		status int
		code   string
	}{
		{none, 404, "NoSuchKey"},
		{noneHead, 404, ""},
		{denied, 403, "SignatureDoesNotMatch"},
		{deniedHead, 403, ""},
	}
	for _, want := range cases {
		got := asOriginError(want.err)
		if got == nil || got.Status != want.status || got.Code != want.code {
			t.Errorf("%v, want %d %s", want.err, want.status, want.code)
		}
	}
}

func realNames(t *testing.T, w writer, c *Client, refuses []string) {
	bucket := realBucket
	for name := range names {
		if slices.Contains(refuses, name) {
			continue
		}
		o := pattern.Object{Bucket: realBucket, Key: name, Size: 100}
		if err := w.put(within(t), o); err != nil {
			t.Errorf("%q cannot be put: %v", name, err)
			continue
		}
		got, err := c.Get(within(t), object.Fetch{Key: object.Key{Name: name}})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if _, err := o.CheckReader(got.Body, 0, o.Size); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		got.Body.Close()
		// Else "b" is in the way of "b/b/b".
		if _, err := w.DeleteObject(within(t), &s3.DeleteObjectInput{Bucket: &bucket, Key: &name}); err != nil {
			t.Errorf("%q cannot be deleted: %v", name, err)
		}
	}
}
