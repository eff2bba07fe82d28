package gateway_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"rookery/auth"
	"rookery/gateway"
	"rookery/object"
)

// page answers every query with its operation and prefix.
func page(q object.Query, _ *object.Wish) (string, error) {
	return "<Page>" + q.List.Prefix + q.Key.Name + "</Page>", nil
}

// What each way of asking comes to: the query that the node gets, or the answer that it
// needs no node for.
func TestOperations(t *testing.T) {
	list := func(l object.List) *object.Query {
		return &object.Query{Operation: object.ListObjectsV2, Key: object.Key{Bucket: "public"}, List: l}
	}
	v1 := func(l object.List) *object.Query {
		q := list(l)
		q.Operation = object.ListObjects
		return q
	}
	of := func(o object.Operation, name, version, attributes string) *object.Query {
		return &object.Query{Operation: o, Key: object.Key{Bucket: "public", Name: name, Version: version}, Attributes: object.Attributes{Names: attributes}}
	}
	attributes := []string{"X-Amz-Object-Attributes", "ObjectSize, ETag", "X-Amz-Object-Attributes", "ETag"}
	cases := []struct {
		method, target string
		header         []string
		query          *object.Query
		status         int
		text           string // in the body, or the value of Allow
	}{
		{"GET", "/public", nil, v1(object.List{MaxKeys: -1}), 200, ""},
		{"GET", "/public/", nil, v1(object.List{MaxKeys: -1}), 200, ""},
		{"GET", "/shop", nil, v1(object.List{MaxKeys: -1}), 200, ""}, // path_prefix
		{"GET", "/shop/?list-type=2&prefix=a%2Fb+c&delimiter=%2F", nil, list(object.List{Prefix: "a/b c", Delimiter: "/", MaxKeys: -1}), 200, "a/b c"},
		{"GET", "/?list-type=2&max-keys=7", []string{"Host", "public.s3.test"}, list(object.List{MaxKeys: 7}), 200, ""},
		{"GET", "/", []string{"Host", "public.s3.test"}, v1(object.List{MaxKeys: -1}), 200, ""},
		{
			"GET", "/public?list-type=2&max-keys=0&start-after=m&continuation-token=t%2Bt%3D&fetch-owner=true&encoding-type=url&marker=no", nil,
			list(object.List{After: "m", Token: "t+t=", FetchOwner: true, URLEncoded: true}), 200, "",
		},
		{
			"GET", "/public?marker=m&max-keys=5000&start-after=no&continuation-token=no&fetch-owner=true&prefix=&x-id=ListObjects", nil,
			v1(object.List{After: "m", MaxKeys: 1000}), 200, "",
		},
		{"GET", "/public?list-type=2", []string{"X-Amz-Optional-Object-Attributes", "RestoreStatus"}, list(object.List{MaxKeys: -1, RestoreStatus: true}), 200, ""},
		{"GET", "/public/o?tagging", nil, of(object.GetObjectTagging, "o", "", ""), 200, "o"},
		{"GET", "/public/o?tagging=&versionId=v", nil, of(object.GetObjectTagging, "o", "v", ""), 200, "o"},
		{"GET", "/public/o?attributes", attributes, of(object.GetObjectAttributes, "o", "", "ETag,ObjectSize"), 200, "o"},

		{"GET", "/public?location", nil, nil, 200, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-7</LocationConstraint>`},
		{"GET", "/other?location", nil, nil, 200, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`},
		{"HEAD", "/public", nil, nil, 200, ""},
		{"HEAD", "/public/?list-type=2&prefix=a", nil, nil, 200, ""},
		{"GET", "/", nil, nil, 200, "<Bucket><Name>other</Name><CreationDate>1970-01-01T00:00:00.000Z</CreationDate><BucketRegion>us-east-1</BucketRegion></Bucket><Bucket><Name>public</Name>"},
		{"GET", "/?x-id=ListBuckets&prefix=pu", nil, nil, 200, "<Buckets><Bucket><Name>public</Name>"},

		{"HEAD", "/", nil, nil, 405, "GET"},
		{"HEAD", "/public?location", nil, nil, 405, "GET"},
		{"HEAD", "/public/o?tagging", nil, nil, 405, "GET"},
		{"HEAD", "/public/o?attributes", attributes, nil, 405, "GET"},
		{"PUT", "/public?tagging", nil, nil, 405, "GET, HEAD"},
		{"POST", "/public?delete", nil, nil, 405, "GET, HEAD"},
		{"DELETE", "/public/o", nil, nil, 405, "GET, HEAD"},
		{"GET", "/public?versions", nil, nil, 501, "NotImplemented"},
		{"GET", "/public?uploads", nil, nil, 501, "NotImplemented"},
		{"HEAD", "/public?acl", nil, nil, 501, ""},
		{"GET", "/public/o?acl", nil, nil, 501, "NotImplemented"},
		{"GET", "/public/o?location", nil, nil, 501, "NotImplemented"},
		{"GET", "/?acl", nil, nil, 501, "NotImplemented"},
		{"GET", "/nobody?list-type=2", nil, nil, 404, "NoSuchBucket"},
		{"GET", "/public?tagging&acl", nil, nil, 400, "Conflicting"},
		{"GET", "/public?list-type=1", nil, nil, 400, "Invalid List Type"},
		{"GET", "/public?list-type=2&list-type=2", nil, nil, 400, "given twice"},
		{"GET", "/public?prefix=a&prefix=", nil, nil, 400, "given twice"},
		{"GET", "/public?prefix=%zz", nil, nil, 400, "InvalidURI"},
		{"GET", "/public?prefix=%ff", nil, nil, 400, "InvalidURI"},
		{"GET", "/public?prefix=" + strings.Repeat("k", 1025), nil, nil, 400, "KeyTooLongError"},
		{"GET", "/public?list-type=2&continuation-token=", nil, nil, 400, "continuation token"},
		{"GET", "/public?max-keys=-1", nil, nil, 400, "max-keys"},
		{"GET", "/public?max-keys=NaN", nil, nil, 400, "max-keys"},
		{"GET", "/public?max-keys=%2B1", nil, nil, 400, "max-keys"},
		{"GET", "/public?max-keys=2147483648", nil, nil, 400, "max-keys"},
		{"GET", "/public?encoding-type=base64", nil, nil, 400, "Encoding"},
		{"GET", "/public/o?attributes", nil, nil, 400, "missing or empty"},
		{"GET", "/public/o?attributes", []string{"X-Amz-Object-Attributes", "Secrets"}, nil, 400, "attribute"},
		{"GET", "/public/o?attributes", append([]string{"X-Amz-Max-Parts", "-1"}, attributes...), nil, 400, "max-parts"},
		{"GET", "/public?list-type=2", []string{"X-Amz-Optional-Object-Attributes", "Secrets"}, nil, 400, "attribute"},
		{"GET", "/public/" + strings.Repeat("k", 1025) + "?tagging", nil, nil, 400, "KeyTooLongError"},
	}
	f := newFront(t, func(o *gateway.Options) {
		o.Policy = gateway.Policy{Domain: "s3.test", Routes: []gateway.Route{
			{Bucket: "public", PathPrefix: "/shop", Region: "eu-7"}, {Bucket: "other", Region: "us-east-1"},
		}}
	})
	f.node.query = page
	for _, c := range cases {
		f.node.queries = nil
		got := f.do(c.method, c.target, c.header...)
		if got.status != c.status || c.status != 405 && !strings.Contains(string(got.body), c.text) {
			t.Errorf("%s %.99s: %d %s, want %d %s", c.method, c.target, got.status, got.body, c.status, c.text)
		}
		if c.status == 405 && got.header.Get("Allow") != c.text {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.target, got.header.Get("Allow"), c.text)
		}
		switch {
		case c.query == nil && len(f.node.queries) > 0:
			t.Errorf("%s %s: the node was asked %+v", c.method, c.target, f.node.queries)
		case c.query != nil && (len(f.node.queries) != 1 || f.node.queries[0] != *c.query):
			t.Errorf("%s %s: the node was asked\n%+v, want\n%+v", c.method, c.target, f.node.queries, *c.query)
		}
	}
	if len(f.node.asks) != 0 {
		t.Errorf("the node was asked for objects: %v", f.node.asks)
	}
}

// Where a bucket has the root, GET / is its list and never ListBuckets.
func TestTheRootsBucketWins(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) { o.Policy.Routes[0].PathPrefix = "/" })
	f.node.query = page
	for _, target := range []string{"/", "/?list-type=2", "/?x-id=ListBuckets"} {
		if got := f.do(http.MethodGet, target); got.status != 200 || string(got.body) != "<Page></Page>" {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

// What stands around a document.
func TestFieldsOfADocument(t *testing.T) {
	f := newFront(t, func(o *gateway.Options) { o.Policy.Routes[0].Region = "eu-7" })
	f.node.query = page
	got := f.do(http.MethodGet, "/public?prefix=a", "X-Request-Id", "r")
	for name, want := range map[string]string{
		"Content-Type": "application/xml", "Content-Length": "14", "X-Amz-Bucket-Region": "eu-7", "X-Amz-Version-Id": "v1",
		"X-Cache": "BYPASS", "Cache-Status": "rookery; fwd=bypass", "X-Request-Id": "r", "Accept-Ranges": "", "Etag": "", "Age": "",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	head := f.do(http.MethodHead, "/public")
	if head.status != 200 || head.header.Get("X-Amz-Bucket-Region") != "eu-7" || head.header.Get("X-Cache") != "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	f.node.query = func(object.Query, *object.Wish) (string, error) { return "", object.ErrBroken }
	if got := f.do(http.MethodGet, "/public"); got.status != 502 || !strings.Contains(string(got.body), "<Code>InternalError</Code>") {
		t.Errorf("a broken document: %d %s", got.status, got.body)
	}
}

// within lets each see what is under their name, of whatever action, and know of a
// bucket whose name is theirs.
type within struct{ actions *[]string }

func (w within) Allow(_ context.Context, r *auth.Request, who *auth.Identity) error {
	*w.actions = append(*w.actions, r.Action.String()+" "+r.Bucket+":"+r.Name)
	switch {
	case r.Action == auth.Buckets && who.Subject == r.Bucket:
		return nil
	case r.Action != auth.Buckets && strings.HasPrefix(r.Name, who.Subject+"/"):
		return nil
	}
	return &auth.Denied{Reason: "claims"}
}

// A list is authorised on its prefix, and what a caller may not know of is 403 whatever
// is wrong with the request.
func TestEachOperationIsAuthorised(t *testing.T) {
	var actions []string
	guard := func() *auth.Guard {
		return auth.NewGuard(false, []auth.Scheme{named{}}, []auth.Rule{within{&actions}})
	}
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes = []gateway.Route{{Bucket: "ann", Guard: guard()}, {Bucket: "bob", Guard: guard()}}
	})
	f.node.query = page
	cases := []struct {
		method, target, who string
		status              int
		action              string
	}{
		{"GET", "/ann?list-type=2&prefix=ann/7/", "ann", 200, "list ann:ann/7/"},
		{"GET", "/ann?prefix=ann/", "ann", 200, "list ann:ann/"},
		{"GET", "/ann?prefix=ann", "ann", 403, "list ann:ann"},
		{"GET", "/ann", "ann", 403, "list ann:"},
		{"GET", "/ann?list-type=2&prefix=bob/", "ann", 403, "list ann:bob/"},
		{"GET", "/ann?prefix=ann/&prefix=", "ann", 400, "list ann:ann/"},
		{"GET", "/ann?prefix=&prefix=ann/", "ann", 403, "list ann:"},
		{"GET", "/ann?max-keys=x", "ann", 403, "list ann:"},
		{"GET", "/ann?prefix=ann/", "", 403, ""},
		{"GET", "/ann/ann/o?tagging", "ann", 200, "read ann:ann/o"},
		{"GET", "/ann/bob/o?tagging", "ann", 403, "read ann:bob/o"},
		{"GET", "/ann/bob/o?acl", "ann", 403, "read ann:bob/o"},
		{"HEAD", "/ann/bob/o?attributes", "ann", 403, "read ann:bob/o"},
		{"HEAD", "/ann", "ann", 200, "buckets ann:"},
		{"HEAD", "/bob", "ann", 403, "buckets bob:"},
		{"GET", "/bob?location", "ann", 403, "buckets bob:"},
		{"GET", "/ann?location", "ann", 200, "buckets ann:"},
		{"GET", "/ann?versions&prefix=bob/", "bob", 403, "buckets ann:"},
		{"GET", "/", "eve", 403, "buckets ann: buckets bob:"},
		{"GET", "/", "", 403, ""},
		{"GET", "/?acl", "", 403, ""},
		{"HEAD", "/", "", 403, ""},
	}
	for _, c := range cases {
		actions = nil
		f.node.queries = nil
		var header []string
		if c.who != "" {
			header = []string{"X-Name", c.who}
		}
		got := f.do(c.method, c.target, header...)
		if got.status != c.status || strings.Join(actions, " ") != c.action {
			t.Errorf("%s %s as %q: %d, asked for %q; want %d, %q", c.method, c.target, c.who, got.status, actions, c.status, c.action)
		}
		if got.status == 403 && (len(f.node.queries) > 0 || got.header.Get("X-Cache") != "" || got.header.Get("X-Amz-Bucket-Region") != "") {
			t.Errorf("%s %s as %q learns something: %v, %v", c.method, c.target, c.who, f.node.queries, got.header)
		}
	}
	if got := f.do("GET", "/", "X-Name", "bob"); !strings.Contains(string(got.body), "<Name>bob</Name>") || strings.Contains(string(got.body), "<Name>ann</Name>") {
		t.Errorf("bob's buckets: %s", got.body)
	}
}

// What the node is asked holds nothing of who asks: so a page may be shared by all who
// may list its prefix, each of whom the guard has been asked about.
func TestAListHoldsNothingOfItsCaller(t *testing.T) {
	var actions []string
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes[0].Guard = auth.NewGuard(true, []auth.Scheme{named{}}, []auth.Rule{anybody{&actions}})
	})
	f.node.query = page
	for _, header := range [][]string{nil, {"X-Name", "ann", "Cookie", "a=b"}, {"X-Name", "bob", "Authorization", "Bearer x", "Range", "bytes=0-1", "X-Amz-Expected-Bucket-Owner", "1"}} {
		if got := f.do(http.MethodGet, "/public?list-type=2&prefix=a/&token="+strconv.Itoa(len(header)), header...); got.status != 200 {
			t.Errorf("%v: %d", header, got.status)
		}
	}
	if len(f.node.queries) != 3 || f.node.queries[0] != f.node.queries[1] || f.node.queries[0] != f.node.queries[2] {
		t.Errorf("the node was asked %+v", f.node.queries)
	}
	if len(actions) != 3 {
		t.Errorf("the guard was asked %q", actions)
	}
}

// anybody may do anything.
type anybody struct{ actions *[]string }

func (a anybody) Allow(_ context.Context, r *auth.Request, _ *auth.Identity) error {
	*a.actions = append(*a.actions, r.Action.String())
	return nil
}

// A bucket's objects may be open to all whose names are not.
func TestNamesMayWantCredentials(t *testing.T) {
	var actions []string
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes = []gateway.Route{
			{Bucket: "public", NoAnonymousLists: true},
			{Bucket: "known", NoAnonymousLists: true, Guard: auth.NewGuard(true, []auth.Scheme{named{}}, []auth.Rule{anybody{&actions}})},
		}
	})
	f.node.query = page
	f.node.hold(key("o"), "v", 10)
	for _, c := range []struct {
		target, who string
		status      int
	}{
		{"/public", "", 403},
		{"/public?list-type=2&prefix=a", "ann", 403}, // nobody can prove there who they are
		{"/public/o", "", 200},
		{"/public/o?tagging", "", 200},
		{"/public?location", "", 200},
		{"/known", "", 403},
		{"/known", "ann", 200},
	} {
		var header []string
		if c.who != "" {
			header = []string{"X-Name", c.who}
		}
		if got := f.do(http.MethodGet, c.target, header...); got.status != c.status {
			t.Errorf("%s as %q: %d, want %d", c.target, c.who, got.status, c.status)
		}
	}
}
