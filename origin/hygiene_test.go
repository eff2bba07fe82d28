package origin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"rookery/internal/s3test"
	"rookery/object"
)

// No answer of S3 sends a node elsewhere: a redirect is an error, and the host that it
// names is never asked.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere, asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		asked.Store(0)
		s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Location", other.URL+"/b/o")
			w.WriteHeader(status)
		}))
		c := connect(t, s3.URL, nil)
		key := object.Key{Bucket: "route", Name: "o"}
		_, err := c.Head(within(t), key, "")
		if refused := asOriginError(err); refused == nil {
			t.Errorf("HEAD %d: %v", status, err)
		}
		_, err = c.Get(within(t), object.Fetch{Key: key})
		if refused := asOriginError(err); refused == nil {
			t.Errorf("GET %d: %v", status, err)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("%d: S3 was asked %d times, want 2", status, n)
		}
		s3.Close()
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("the host that a Location named was asked %d times", n)
	}
}

// An origin at a link-local address is a mistake or an attack, unless it is configured.
func TestLinkLocalOriginsAreRefused(t *testing.T) {
	o := Options{Name: "route", Bucket: "b", Endpoint: "http://169.254.169.254", AccessKey: "A", SecretKey: "S"}
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "network.allow_link_local") {
		t.Errorf("an address: %v", err)
	}
	o.AllowLinkLocal = true
	c, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	o.AllowLinkLocal = false

	// A name may mean one thing when it is looked at and another when it is used: the
	// dialer that every client gets judges the address itself.
	o.Endpoint = "http://s3.test"
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"169.254.169.254:80", "[fe80::1]:80", "[::ffff:169.254.169.254]:80", "0.0.0.0:80"} {
		if _, err := o.dial(within(t), "tcp", address); err == nil || !strings.Contains(err.Error(), "refuse to connect to ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// The default credential chain asks the machine's metadata service by connections of
// its own: what an origin may not reach, that may.
func TestTheCredentialChainIsNotGuarded(t *testing.T) {
	var asked atomic.Int32
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			_, _ = w.Write([]byte("t"))
		case "/latest/meta-data/iam/security-credentials/":
			_, _ = w.Write([]byte("role"))
		default:
			_, _ = w.Write([]byte(`{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"SECRET","Token":"T","Expiration":"2099-01-01T00:00:00Z"}`))
		}
	}))
	defer metadata.Close()
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "false",
	} {
		t.Setenv(name, value)
	}
	closed := errors.New("origins are not to be reached")
	c := connect(t, "http://s3.test", func(o *Options) {
		o.AccessKey, o.SecretKey = "", ""
		o.dial = func(context.Context, string, string) (net.Conn, error) { return nil, closed }
	})
	if _, err := c.Head(within(t), object.Key{Bucket: "route", Name: "o"}, ""); asOriginError(err) == nil {
		t.Errorf("%v", err)
	}
	if asked.Load() == 0 {
		t.Error("the metadata service was not asked for credentials")
	}
}

// requestFields is everything that a node tells S3. Nothing of it comes from a client.
var requestFields = []string{
	"Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Authorization", "If-Match", "If-None-Match", "Range",
	"User-Agent", "X-Amz-Checksum-Mode", "X-Amz-Content-Sha256", "X-Amz-Date",
}

func TestWhatS3IsTold(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	etag := s3test.ETag(s.object)
	if _, err := s.Head(within(t), s.key, ""); err != nil {
		t.Fatal(err)
	}
	for _, f := range []object.Fetch{{Key: s.key}, {Key: s.key, From: 1, To: 9, IfMatch: etag}, {Key: s.key, IfNoneMatch: `"other"`}} {
		got, err := s.Get(within(t), f)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
	}
	told := map[string]bool{}
	for _, r := range s.Requests() {
		for name := range r.Header {
			told[name] = true
		}
	}
	for _, name := range requestFields {
		if !told[name] {
			t.Errorf("%s is not told", name)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("%s is told", name)
	}
}
