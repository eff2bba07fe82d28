package gateway

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

func TestParseTarget(t *testing.T) {
	cases := []struct {
		raw, host         string
		path, query, from string // from is the host that counts
	}{
		{"/a/b", "h", "/a/b", "", "h"},
		{"/", "h", "/", "", "h"},
		{"//a", "h", "//a", "", "h"},
		{"/a//b/../c/./d/", "h", "/a//b/../c/./d/", "", "h"},
		{"/a%2Fb", "h", "/a/b", "", "h"},
		{"/a%2fb", "h", "/a/b", "", "h"},
		{"/a%252Fb", "h", "/a%2Fb", "", "h"},
		{"/a+b%2Bc%20d", "h", "/a+b+c d", "", "h"},
		{"/%E2%82%AC/\u20ac", "h", "/\u20ac/\u20ac", "", "h"},
		{"/nul%00", "h", "/nul\x00", "", "h"},
		{"/a?b=c?d", "h", "/a", "b=c?d", "h"},
		{"/a%3Fb", "h", "/a?b", "", "h"},
		{"/a#b", "h", "/a#b", "", "h"},
		{"http://other:81/a%20b?q", "h", "/a b", "q", "other:81"},
		{"HTTPS://other", "h", "/", "", "other"},
		{"http://other?q=1", "h", "/", "q=1", "other"},
		{"http://other//a", "h", "//a", "", "other"},
	}
	for _, c := range cases {
		got, err := parseTarget(c.raw, c.host)
		if want := (target{host: c.from, path: c.path, query: c.query}); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", c.raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "*", "a/b", "host:443", "/%", "/%2", "/%zz", "/%2z", "/%z2", "/%ff", "/\xff", "/%C0%AF", "http:///a", "http://u:p@h/a", "ftp://h/a"} {
		if got, err := parseTarget(raw, "h"); err != invalidURI {
			t.Errorf("%q: %+v, %v, want InvalidURI", raw, got, err)
		}
	}
}

func TestRoutes(t *testing.T) {
	routes, err := newRoutes([]Route{
		{Bucket: "public", PathPrefix: "/public"},
		{Bucket: "deep", PathPrefix: "/public/deep/"},
		{Bucket: "named", PathPrefix: "/other"},
		{Bucket: "bare"},
	}, "S3.Example.test", metrics.NewSet())
	if err != nil {
		t.Fatal(err)
	}
	paths := []struct{ path, bucket, name string }{
		{"/public/a", "public", "a"},
		{"/public", "public", ""},
		{"/public/", "public", ""},
		{"/public//a", "public", "/a"},
		{"/public/a/", "public", "a/"},
		{"/publicfoo/a", "", "publicfoo/a"},
		{"/publi", "", "publi"},
		{"/public/dee", "public", "dee"},
		{"/public/deep", "deep", ""},
		{"/public/deep/x", "deep", "x"},
		{"/public/deeper/x", "public", "deeper/x"},
		{"/public//deep/x", "public", "/deep/x"},
		{"/public/../named/x", "public", "../named/x"},
		{"/other/a/b", "named", "a/b"},
		{"/named/a/b", "named", "a/b"}, // S3's path style
		{"/deep/x", "deep", "x"},
		{"/bare/x", "bare", "x"},
		{"//public/x", "", "/public/x"},
		{"/", "", ""},
	}
	for _, c := range paths {
		b, name := routes.byPath(c.path)
		if got := nameOf(b); got != c.bucket || name != c.name && b != nil {
			t.Errorf("%q: bucket %q key %q, want %q %q", c.path, got, name, c.bucket, c.name)
		}
	}
	hosts := []struct {
		host, bucket string
		virtual      bool
	}{
		{"public.s3.example.test", "public", true},
		{"PUBLIC.s3.EXAMPLE.test:8080", "public", true},
		{"public.s3.example.test.", "public", true},
		{"nobody.s3.example.test", "", true},
		{"s3.example.test", "", false},
		{".s3.example.test", "", false},
		{"publics3.example.test", "", false},
		{"[::1]:8080", "", false},
		{"", "", false},
	}
	for _, c := range hosts {
		b, virtual := routes.virtual(c.host)
		if nameOf(b) != c.bucket || virtual != c.virtual {
			t.Errorf("host %q: %q %t, want %q %t", c.host, nameOf(b), virtual, c.bucket, c.virtual)
		}
	}
}

func nameOf(b *route) string {
	if b == nil {
		return ""
	}
	return b.bucket
}

func TestRootPrefixTakesTheRest(t *testing.T) {
	routes, err := newRoutes([]Route{{Bucket: "all", PathPrefix: "/"}, {Bucket: "some", PathPrefix: "/a/b"}}, "", metrics.NewSet())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, bucket, name string }{
		{"/x/y", "all", "x/y"}, {"//x", "all", "/x"}, {"/a/b/c", "some", "c"}, {"/a/bc", "all", "a/bc"}, {"/all/x", "all", "x"}, {"/", "all", ""},
	} {
		if b, name := routes.byPath(c.path); nameOf(b) != c.bucket || name != c.name {
			t.Errorf("%q: %q %q, want %q %q", c.path, nameOf(b), name, c.bucket, c.name)
		}
	}
}

func TestRoutesThatSelectTwoBuckets(t *testing.T) {
	cases := []struct {
		name   string
		routes []Route
		domain string
		want   string // part of the error; "" is none
	}{
		{"one prefix twice", []Route{{Bucket: "a", PathPrefix: "/p"}, {Bucket: "b", PathPrefix: "/p/"}}, "", `bucket "b": the path "/p/" already selects bucket "a"`},
		{"a prefix that is another's name", []Route{{Bucket: "a", PathPrefix: "/b"}, {Bucket: "b", PathPrefix: "/x"}}, "", `already selects bucket "a"`},
		{"the same name twice", []Route{{Bucket: "a", PathPrefix: "/x"}, {Bucket: "a", PathPrefix: "/y"}}, "", `already selects bucket "a"`},
		{"names that make one host", []Route{{Bucket: "a", PathPrefix: "/x"}, {Bucket: "A", PathPrefix: "/y"}}, "d.test", `the host "a.d.test" already selects`},
		{"the same without a domain", []Route{{Bucket: "a", PathPrefix: "/x"}, {Bucket: "A", PathPrefix: "/y"}}, "", ""},
		{"a prefix without its slash", []Route{{Bucket: "a", PathPrefix: "x"}}, "", "does not begin with a slash"},
		{"a name with a slash", []Route{{Bucket: "a/b", PathPrefix: "/x"}}, "", "no slash"},
		{"no name", []Route{{Bucket: "", PathPrefix: "/x"}}, "", "not empty"},
		{"prefix and name the same", []Route{{Bucket: "a", PathPrefix: "/a"}}, "", ""},
	}
	for _, c := range cases {
		_, err := New(Options{Policy: Policy{Routes: c.routes, Domain: c.domain}})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzPath compares with net/url's own decoder, and checks that a name survives
// any way of writing it: S3 decodes once, so two targets are one key exactly if
// they decode to the same bytes.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/public/a", "/public//a/", "/public/%2e%2e/x", "/public/a%252Fb", "/public/%zz", "/public/+%20", "http://h/public/x", "*", "/publicfoo", "/public/%ff", "/public?versionId=%"} {
		f.Add(seed, uint64(3))
	}
	routes, err := newRoutes([]Route{{Bucket: "public", PathPrefix: "/public"}, {Bucket: "all", PathPrefix: "/"}}, "", metrics.NewSet())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string, which uint64) {
		_, _ = parseQuery(raw)
		got, err := parseTarget(raw, "h")
		if err != nil {
			checkRefused(t, raw)
			return
		}
		if !strings.HasPrefix(got.path, "/") || !utf8.ValidString(got.path) {
			t.Fatalf("%q: path %q", raw, got.path)
		}
		if strings.HasPrefix(raw, "/") {
			rawPath, _, _ := strings.Cut(raw, "?")
			if want, err := url.PathUnescape(rawPath); err != nil || want != got.path {
				t.Fatalf("%q: %q, net/url: %q, %v", raw, got.path, want, err)
			}
		}
		again, err := parseTarget(encode(got.path, which), "h")
		if err != nil || again.path != got.path {
			t.Fatalf("%q written as %q: %q, %v", got.path, encode(got.path, which), again.path, err)
		}
		b, name := routes.byPath(got.path)
		whole := "/" + name
		if b.bucket == "public" {
			whole = "/public" + whole
		}
		if whole != got.path && whole != got.path+"/" {
			t.Fatalf("%q: bucket %q and key %q do not make the path again", got.path, b.bucket, name)
		}
	})
}

// checkRefused says why a target may be refused, or fails.
func checkRefused(t *testing.T, raw string) {
	path, _, _ := strings.Cut(raw, "?")
	if plain, err := url.PathUnescape(path); strings.HasPrefix(raw, "/") && err == nil && utf8.ValidString(plain) {
		t.Fatalf("%q refused", raw)
	}
}

// encode writes a path with escapes; the bits of which choose the bytes that
// need none and get one all the same.
func encode(path string, which uint64) string {
	const digits = "0123456789ABCDEF0123456789abcdef"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		chosen := which>>(uint(i)%64)&1 == 1 && i > 0
		if chosen || c == '%' || c == '?' {
			set := digits[16*(i%2):]
			b.Write([]byte{'%', set[c>>4], set[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func TestParseQuery(t *testing.T) {
	cases := []struct {
		query, version string
		want           error
	}{
		{"", "", nil},
		{"&&", "", nil},
		{"versionId=null", "null", nil},
		{"a=b&versionId=x%2By", "x+y", nil},
		{"versionid=x", "", nil}, // names are case-sensitive
		{"x-id=GetObject", "", nil},
		{"X-Amz-Signature=abc&X-Amz-Date=1", "", nil},
		{"unknown=%zz", "", nil},
		{"%zz=1", "", invalidURI},
		{"versionId=", "", invalidVersionID},
		{"versionId", "", invalidVersionID},
		{"versionId=%zz", "", invalidVersionID},
		{"versionId=a%0Ab", "", invalidVersionID},
		{"versionId=a%20b", "", invalidVersionID},
		{"versionId=%C3%A9", "", invalidVersionID},
		{"versionId=a&versionId=a", "", invalidVersionID},
		{"versionId=" + strings.Repeat("a", 1024), strings.Repeat("a", 1024), nil},
		{"versionId=" + strings.Repeat("a", 1025), "", invalidVersionID},
		{"acl", "", nil},
		{"%61cl=", "", nil},
		{"acl&policy", "", twoResources},
		{"tagging&versionId=x", "x", nil},
		{"partNumber=0", "", invalidPart},
		{"partNumber=10001", "", invalidPart},
		{"partNumber=+1", "", invalidPart},
		{"partNumber=1&partNumber=1", "", invalidPart},
		{"partNumber", "", invalidPart},
		{"uploadId=x", "", nil},
		{"list-type=2", "", nil},
		{"response-content-type=a%0Ab", "", invalidOverride},
		{"response-content-type=%zz", "", invalidOverride},
	}
	for _, c := range cases {
		p, err := parseQuery(c.query)
		if err != c.want || err == nil && p.version != c.version {
			t.Errorf("%.60q: %q, %v, want %q, %v", c.query, p.version, err, c.version, c.want)
		}
	}
	p, err := parseQuery("partNumber=17&a=b&response-expires=0&response-content-disposition=attachment%3B+filename%3D%22a%2Bb%22")
	want := []object.Field{{Name: "Expires", Value: "0"}, {Name: "Content-Disposition", Value: `attachment; filename="a+b"`}}
	if err != nil || p.part != 17 || !slices.Equal(p.overrides, want) {
		t.Errorf("%+v, %v", p, err)
	}
}
