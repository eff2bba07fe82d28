package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rookery/auth"
	"rookery/gateway"
)

const corsVary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

// newCORSFront has a bucket with rules, one that nobody may read, and one without rules.
func newCORSFront(t *testing.T) *front {
	rules := []gateway.CORSRule{
		{
			AllowedOrigins: []string{"https://app.example.com", "https://*.example.org", "http://*"}, AllowedMethods: []string{"GET"},
			AllowedHeaders: []string{"Authorization", "X-Amz-*"}, ExposeHeaders: []string{"ETag", "x-amz-meta-colour"}, MaxAge: time.Hour,
		},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"HEAD"}},
	}
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes = []gateway.Route{
			{Bucket: "public", CORS: rules}, {Bucket: "closed", CORS: rules, Guard: auth.NewGuard(false, nil, nil)}, {Bucket: "plain"},
		}
	})
	f.node.hold(key("o"), "v1", 10)
	return f
}

func TestCORSOfAnswers(t *testing.T) {
	f := newCORSFront(t)
	for _, c := range []struct {
		method, target, origin string
		status                 int
		vary, allow            string // Vary, Access-Control-Allow-Origin
		credentials            bool
		expose, maxAge         string
	}{
		{"GET", "/public/o", "https://app.example.com", 200, corsVary, "https://app.example.com", true, "ETag, x-amz-meta-colour", "3600"},
		{"GET", "/public/o", "https://a.b.example.org", 200, corsVary, "https://a.b.example.org", true, "ETag, x-amz-meta-colour", "3600"},
		{"GET", "/public/o", "http://anybody", 200, corsVary, "http://anybody", false, "ETag, x-amz-meta-colour", "3600"},
		{"HEAD", "/public/o", "http://anybody", 200, corsVary, "*", false, "", ""},
		{"GET", "/public/o", "https://example.org", 200, corsVary, "", false, "", ""},
		{"GET", "/public/o", "https://app.example.com.evil.net", 200, corsVary, "", false, "", ""},
		{"GET", "/public/o", "HTTPS://app.example.com", 200, corsVary, "", false, "", ""},
		{"GET", "/public/o", "null", 200, corsVary, "", false, "", ""},
		{"GET", "/public/o", "", 200, corsVary, "", false, "", ""},
		{"GET", "/public/none", "https://app.example.com", 404, corsVary, "https://app.example.com", true, "ETag, x-amz-meta-colour", "3600"},
		{"GET", "/closed/o", "https://app.example.com", 403, corsVary, "https://app.example.com", true, "ETag, x-amz-meta-colour", "3600"},
		{"GET", "/plain/o", "https://app.example.com", 404, "", "", false, "", ""},
	} {
		var header []string
		if c.origin != "" {
			header = []string{"Origin", c.origin}
		}
		got := f.do(c.method, c.target, header...)
		h := got.header
		credentials := map[bool]string{true: "true"}[c.credentials]
		if got.status != c.status || h.Get("Vary") != c.vary || h.Get("Access-Control-Allow-Origin") != c.allow ||
			h.Get("Access-Control-Allow-Credentials") != credentials || h.Get("Access-Control-Expose-Headers") != c.expose ||
			h.Get("Access-Control-Max-Age") != c.maxAge || h.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("%+v: %d %v", c, got.status, h)
		}
	}
}

// A preflight is answered without asking who it is, and without asking the node.
func TestCORSPreflight(t *testing.T) {
	f := newCORSFront(t)
	for _, c := range []struct {
		target, origin, method, headers string
		status                          int
		code                            string
		allow, methods, allowHeaders    string
	}{
		{"/public/o", "https://app.example.com", "GET", "", 200, "", "https://app.example.com", "GET", ""},
		{"/public/o", "https://app.example.com", "GET", "authorization,X-AMZ-Date", 200, "", "https://app.example.com", "GET", "authorization, x-amz-date"},
		{"/closed/o", "https://app.example.com", "GET", "authorization", 200, "", "https://app.example.com", "GET", "authorization"},
		{"/closed/none?list-type=2", "https://app.example.com", "GET", "", 200, "", "https://app.example.com", "GET", ""},
		{"/public", "https://app.example.com", "HEAD", "", 200, "", "*", "HEAD", ""},
		{"/public/o", "https://app.example.com", "GET", "cookie", 403, "AccessForbidden", "", "", ""},
		{"/public/o", "https://app.example.com", "HEAD", "authorization", 403, "AccessForbidden", "", "", ""},
		{"/public/o", "https://evil.example", "GET", "", 403, "AccessForbidden", "", "", ""},
		{"/public/o", "https://app.example.com", "PUT", "", 403, "AccessForbidden", "", "", ""},
		{"/public/o", "https://app.example.com", "get", "", 403, "AccessForbidden", "", "", ""},
		{"/public/o", "https://app.example.com", "", "", 400, "BadRequest", "", "", ""},
		{"/plain/o", "https://app.example.com", "GET", "", 403, "AccessForbidden", "", "", ""},
		{"/none/o", "https://app.example.com", "GET", "", 404, "NoSuchBucket", "", "", ""},
		{"/public/o", "", "GET", "", 405, "MethodNotAllowed", "", "", ""},
	} {
		var header []string
		for name, value := range map[string]string{"Origin": c.origin, "Access-Control-Request-Method": c.method, "Access-Control-Request-Headers": c.headers} {
			if value != "" {
				header = append(header, name, value)
			}
		}
		got := f.do(http.MethodOptions, c.target, header...)
		h := got.header
		if got.status != c.status || c.code != "" && !strings.Contains(string(got.body), "<Code>"+c.code+"</Code>") || c.code == "" && len(got.body) != 0 {
			t.Errorf("%+v: %d %s", c, got.status, got.body)
		}
		if h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Access-Control-Allow-Methods") != c.methods || h.Get("Access-Control-Allow-Headers") != c.allowHeaders {
			t.Errorf("%+v: %v", c, h)
		}
		if c.status == 200 && (h.Get("Vary") != corsVary || h.Get("X-Cache") != "" || h.Get("Content-Length") != "0") {
			t.Errorf("%+v: %v", c, h)
		}
	}
	if asks := f.node.asked(); len(asks) != 0 {
		t.Errorf("the node was asked: %+v", asks)
	}
}
