package origin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"rookery/object"
)

// names are S3 keys that somebody on the way likes to change, with the request
// target's path that means exactly them.
var names = map[string]string{
	"plain":            "plain",
	"a b":              "a%20b",
	"a+b":              "a%2Bb",
	"a%2Fb":            "a%252Fb",
	"100%":             "100%25",
	"dir//file":        "dir//file",
	"/leading":         "/leading",
	"//two":            "//two",
	"trailing/":        "trailing/",
	"/":                "/",
	"a/./b":            "a/./b",
	"a/../b":           "a/../b",
	"../up":            "../up",
	"..":               "..",
	".":                ".",
	"ü/日本":             "%C3%BC/%E6%97%A5%E6%9C%AC",
	"what?x=1#frag":    "what%3Fx%3D1%23frag",
	"tab\tnl\nnul\x00": "tab%09nl%0Anul%00",
	"\xff\xfe":         "%FF%FE",
	"~-_.!*'();:@&=$,": "~-_.%21%2A%27%28%29%3B%3A%40%26%3D%24%2C",
	"{Key+}":           "%7BKey%2B%7D",
	"b":                "b", // the bucket's own name
	"b/b/b":            "b/b/b",
}

// recorder keeps request targets as they were on the wire, and whether their
// signatures are right.
type recorder struct {
	mu      sync.Mutex
	targets []string
	hosts   []string
	signed  []bool
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.targets = append(r.targets, q.Method+" "+q.RequestURI)
	r.hosts = append(r.hosts, q.Host)
	r.signed = append(r.signed, signedBy(q, "AKID", "SECRET"))
	w.Header().Set("Content-Length", "0")
}

func (r *recorder) take() (targets, hosts []string, signed []bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	targets, hosts, signed = r.targets, r.hosts, r.signed
	r.targets, r.hosts, r.signed = nil, nil, nil
	return targets, hosts, signed
}

// signedBy checks an AWS signature version 4 over the request target as it came
// (docs.aws.amazon.com, "Signature Calculations for the Authorization Header").
func signedBy(q *http.Request, accessKey, secret string) bool {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(q.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	who, scope, _ := strings.Cut(fields["Credential"], "/")
	place := strings.Split(scope, "/")
	if who != accessKey || len(place) != 4 {
		return false
	}
	path, _, _ := strings.Cut(q.RequestURI, "?")
	text := q.Method + "\n" + path + "\n" + strings.ReplaceAll(q.URL.Query().Encode(), "+", "%20") + "\n"
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		value := strings.Join(q.Header.Values(name), ",")
		if name == "host" {
			value = q.Host
		}
		text += name + ":" + strings.TrimSpace(value) + "\n"
	}
	text += "\n" + fields["SignedHeaders"] + "\n" + q.Header.Get("X-Amz-Content-Sha256")
	hash := sha256.Sum256([]byte(text))
	text = "AWS4-HMAC-SHA256\n" + q.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(hash[:])
	key := []byte("AWS4" + secret)
	for _, step := range append(place, text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(step))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key) == fields["Signature"]
}

// TestNamesAreSentExactly looks at the wire: what S3 gets, and what is signed.
func TestNamesAreSentExactly(t *testing.T) {
	rec := &recorder{}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	here := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	styles := []struct {
		name, base, host string
		change           func(*Options)
	}{
		{"path style", "/b/", address, nil},
		{"path style below a path", "/deep/er/b/", address, func(o *Options) { o.Endpoint += "/deep/er" }},
		{"virtual host", "/", "bucket.s3.test:" + port, func(o *Options) {
			o.Endpoint, o.Bucket, o.PathStyle, o.dial = "http://s3.test:"+port, "bucket", false, here
		}},
		{"virtual host at AWS", "/", "bucket.s3.eu-central-1.amazonaws.com", func(o *Options) {
			o.Endpoint, o.Bucket, o.PathStyle, o.dial = "http://s3.eu-central-1.amazonaws.com", "bucket", false, here
		}},
	}
	for _, style := range styles {
		t.Run(style.name, func(t *testing.T) {
			c := connect(t, server.URL, style.change)
			for name, escaped := range names {
				for _, version := range []string{"", "a+b/c=="} {
					key := object.Key{Name: name, Version: version}
					if _, err := c.Head(within(t), key, ""); err != nil {
						t.Fatalf("%q: %v", name, err)
					}
					got, err := c.Get(within(t), object.Fetch{Key: key})
					if err != nil {
						t.Fatalf("%q: %v", name, err)
					}
					got.Body.Close()
					targets, hosts, signed := rec.take()
					path, query := style.base+escaped, ""
					if version != "" {
						query = "&versionId=" + url.QueryEscape(version)
					}
					want := []string{"HEAD " + path + strings.Replace(query, "&", "?", 1), "GET " + path + "?x-id=GetObject" + query}
					slices.Sort(targets)
					slices.Sort(want)
					for i := range targets {
						targets[i] = sortQuery(targets[i])
					}
					if !slices.Equal(targets, want) {
						t.Errorf("%q was asked for as %q, want %q", name, targets, want)
					}
					if slices.Contains(signed, false) {
						t.Errorf("%q: what is signed is not what is sent: %v", name, signed)
					}
					if hosts[0] != style.host || hosts[1] != style.host {
						t.Errorf("%q: hosts %q, want %q", name, hosts, style.host)
					}
				}
			}
		})
	}
}

// sortQuery puts versionId last; its place has no meaning.
func sortQuery(target string) string {
	path, query, _ := strings.Cut(target, "?")
	parts := strings.Split(query, "&")
	slices.SortFunc(parts, func(a, b string) int {
		return strings.Compare(b, a) // x-id, versionId
	})
	if query == "" {
		return target
	}
	return path + "?" + strings.Join(parts, "&")
}

func TestAnonymousSignsNothing(t *testing.T) {
	var authorization string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Length", "0")
		authorization = q.Header.Get("Authorization") + q.URL.Query().Get("X-Amz-Signature")
	}))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRETENV")
	c := connect(t, server.URL, func(o *Options) { o.AccessKey, o.SecretKey, o.Anonymous = "", "", true })
	if _, err := c.Head(within(t), object.Key{Name: "k"}, ""); err != nil || authorization != "" {
		t.Errorf("%v, signed %q", err, authorization)
	}
}

// TestDefaultChain takes the first link of it, the environment.
func TestDefaultChain(t *testing.T) {
	rec := &recorder{}
	server := httptest.NewServer(rec)
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	c := connect(t, server.URL, func(o *Options) { o.AccessKey, o.SecretKey, o.Region = "", "", "" })
	if _, err := c.Head(within(t), object.Key{Name: "k"}, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, signed := rec.take(); !slices.Equal(signed, []bool{true}) {
		t.Errorf("signed: %v", signed)
	}
}

func TestSessionTokenIsSent(t *testing.T) {
	var token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Length", "0")
		token = q.Header.Get("X-Amz-Security-Token")
	}))
	defer server.Close()
	c := connect(t, server.URL, func(o *Options) { o.SessionToken = "TOKEN" })
	if _, err := c.Head(within(t), object.Key{Name: "k"}, ""); err != nil || token != "TOKEN" {
		t.Errorf("%v, token %q", err, token)
	}
}
