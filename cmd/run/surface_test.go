package run_test

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// What clients see is the same wherever the bytes come from.
func TestWhatClientsSee(t *testing.T) {
	c := newCluster(t, 3, nil)
	t.Run("headers and conditions, every source", func(t *testing.T) { everySource(c.in(t)) })
	t.Run("odd keys", func(t *testing.T) { oddKeys(c.in(t)) })
	t.Run("without a strong ETag", func(t *testing.T) { withoutStrongETag(c.in(t)) })
	t.Run("empty objects", func(t *testing.T) { emptyObjects(c.in(t)) })
	t.Run("versions", func(t *testing.T) { versions(c.in(t)) })
	t.Run("errors of S3", func(t *testing.T) { errorsOfS3(c.in(t)) })
}

// rich is what S3 may say of an object beside its bytes.
var rich = s3test.Meta{
	VersionID: "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
	Header: http.Header{
		"Content-Type":                    {"text/plain; charset=utf-8"},
		"Content-Encoding":                {"gzip"},
		"Content-Disposition":             {`attachment; filename="a b.txt"`},
		"Content-Language":                {"de, en"},
		"Cache-Control":                   {"public, max-age=600"},
		"Expires":                         {"Thu, 01 Dec 2033 16:00:00 GMT"},
		"X-Amz-Meta-Colour":               {"grün"},
		"X-Amz-Meta-Empty":                {""},
		"X-Amz-Checksum-Crc32c":           {"yZRlqg=="},
		"X-Amz-Checksum-Type":             {"FULL_OBJECT"},
		"X-Amz-Server-Side-Encryption":    {"AES256"},
		"X-Amz-Storage-Class":             {"STANDARD_IA"},
		"X-Amz-Tagging-Count":             {"2"},
		"X-Amz-Website-Redirect-Location": {"/other"},
	},
}

func everySource(c *testCluster) {
	small, large := c.put("small", 1000, rich), c.put("large", 300_000, rich) // 256 KiB is the most for the hot set
	smallOwner, smallOthers := c.owner("small", 0)
	largeOwner, largeOthers := c.owner("large", 0)
	for _, at := range []struct {
		object       pattern.Object
		node         int
		cache, where string
	}{
		{small, smallOthers[0], "MISS", "fwd=miss; stored"},
		{small, smallOthers[0], "HIT", "detail=hot"}, // a copy
		{small, smallOwner, "HIT", "detail=hot"},
		{large, largeOwner, "MISS", "fwd=miss; stored"},
		{large, largeOwner, "HIT", "detail=disk"},
		{large, largeOthers[0], "HIT", "detail=peer"},
	} {
		c.t.Run(fmt.Sprintf("%s, %s %s", at.object.Key, at.cache, at.where), func(t *testing.T) {
			c := c.in(t)
			h := c.read(at.node, at.object).Header
			if h.Get("X-Cache") != at.cache || !strings.HasSuffix(h.Get("Cache-Status"), at.where) {
				t.Errorf("X-Cache: %s, Cache-Status: %s", h.Get("X-Cache"), h.Get("Cache-Status"))
			}
			c.checkAge(h, at.cache == "HIT")
			c.checkRich(h, at.object)
			until(t, "it is stored", func() bool { return c.has(c.ownerOf(at.object.Key), at.object, 0) })
			c.checkHead(at.node, at.object, h)
			c.checkPart(at.node, at.object)
			c.checkConditions(at.node, at.object)
		})
	}
	c.requests("small", 0, 1)
	c.requests("large", 0, 1)
}

func (c *testCluster) ownerOf(key string) int {
	owner, _ := c.owner(key, 0)
	return owner
}

// checkAge: only what S3 was not asked for has an age, and a lifetime.
func (c *testCluster) checkAge(h http.Header, hit bool) {
	c.t.Helper()
	if !hit {
		if h.Get("Age") != "" {
			c.t.Errorf("Age: %s, fresh from S3", h.Get("Age"))
		}
		return
	}
	age, err := strconv.Atoi(h.Get("Age"))
	_, rest, _ := strings.Cut(h.Get("Cache-Status"), "ttl=")
	text, _, _ := strings.Cut(rest, ";")
	ttl, ttlErr := strconv.Atoi(text)
	// Both are rounded down: 599.5 s and 0.5 s.
	if err != nil || ttlErr != nil || age < 0 || age > 60 || age+ttl != 599 && age+ttl != 600 {
		c.t.Errorf("Age: %s, Cache-Status: %s, of an object fresh for 600 s", h.Get("Age"), h.Get("Cache-Status"))
	}
}

// checkRich: all that S3 said of the object is there, and nothing that it said of itself.
func (c *testCluster) checkRich(h http.Header, o pattern.Object) {
	c.t.Helper()
	for field, want := range rich.Header {
		if !slices.Equal(h[field], want) {
			c.t.Errorf("%s: %q, want %q", field, h[field], want)
		}
	}
	for field, want := range map[string]string{
		"Etag": s3test.ETag(o), "Last-Modified": s3test.LastModified.Format(http.TimeFormat),
		"X-Amz-Version-Id": rich.VersionID, "Accept-Ranges": "bytes", "Content-Length": strconv.FormatInt(o.Size, 10),
		"Server": "", "X-Amz-Id-2": "", "X-Amz-Request-Id": h.Get("X-Request-Id"),
	} {
		if h.Get(field) != want {
			c.t.Errorf("%s: %q, want %q", field, h.Get(field), want)
		}
	}
}

// checkHead: HEAD says what GET says.
func (c *testCluster) checkHead(i int, o pattern.Object, get http.Header) {
	c.t.Helper()
	response, text := c.do(i, http.MethodHead, c.target(i, o.Key), nil)
	if response.StatusCode != http.StatusOK || text != "" {
		c.t.Errorf("HEAD: %s, %q", response.Status, text)
	}
	ofOneAnswer := func(field string, _ []string) bool {
		return slices.Contains([]string{"Age", "Date", "Cache-Status", "X-Cache", "X-Request-Id", "X-Amz-Request-Id"}, field)
	}
	head, get := maps.Clone(response.Header), maps.Clone(get)
	maps.DeleteFunc(head, ofOneAnswer)
	maps.DeleteFunc(get, ofOneAnswer)
	if !maps.EqualFunc(head, get, slices.Equal) {
		c.t.Errorf("HEAD: %v\nGET: %v", head, get)
	}
}

// checkPart: a part has the object's headers, but no checksum of the whole.
func (c *testCluster) checkPart(i int, o pattern.Object) {
	c.t.Helper()
	response, err := c.fetch(i, o, 100, 200)
	if err != nil {
		c.t.Fatal(err)
	}
	h := response.Header
	if want := fmt.Sprintf("bytes 100-199/%d", o.Size); h.Get("Content-Range") != want || h.Get("X-Amz-Checksum-Crc32c") != "" ||
		h.Get("X-Amz-Meta-Colour") != "grün" || h.Get("Content-Encoding") != "gzip" {
		c.t.Errorf("a part's headers: %v", h)
	}
}

func (c *testCluster) checkConditions(i int, o pattern.Object) {
	c.t.Helper()
	etag, modified := s3test.ETag(o), s3test.LastModified.Format(http.TimeFormat)
	const before = "Thu, 01 Jan 2026 00:00:00 GMT"
	for _, want := range []struct {
		field, value string
		status       int
	}{
		{"If-None-Match", etag, http.StatusNotModified},
		{"If-None-Match", `"another"`, http.StatusOK},
		{"If-Match", etag, http.StatusOK},
		{"If-Match", `"another"`, http.StatusPreconditionFailed},
		{"If-Modified-Since", modified, http.StatusNotModified},
		{"If-Modified-Since", before, http.StatusOK},
		{"If-Unmodified-Since", modified, http.StatusOK},
		{"If-Unmodified-Since", before, http.StatusPreconditionFailed},
		{"If-Range", etag, http.StatusPartialContent},
		{"If-Range", `"another"`, http.StatusOK},
	} {
		header := http.Header{want.field: {want.value}}
		if want.field == "If-Range" {
			header.Set("Range", "bytes=10-19")
		}
		response, text := c.do(i, http.MethodGet, c.target(i, o.Key), header)
		if response.StatusCode != want.status {
			c.t.Errorf("%s: %s: %s", want.field, want.value, response.Status)
			continue
		}
		switch want.status {
		case http.StatusOK:
			c.sameBytes(o, text, 0, o.Size)
		case http.StatusPartialContent:
			c.sameBytes(o, text, 10, 20)
		case http.StatusNotModified: // RFC 9110 §15.4.5
			h := response.Header
			if text != "" || h.Get("Etag") != etag || h.Get("Cache-Control") == "" || h.Get("Content-Length") != "" || h.Get("X-Amz-Version-Id") == "" {
				c.t.Errorf("304: %v, %q", h, text)
			}
		case http.StatusPreconditionFailed:
			c.checkError(response, text, "PreconditionFailed", o.Key)
		}
	}
}

func (c *testCluster) sameBytes(o pattern.Object, text string, from, to int64) {
	c.t.Helper()
	if _, err := o.CheckReader(strings.NewReader(text), from, to); err != nil {
		c.t.Error(err)
	}
}

// checkError: the answer is an error as S3 writes it.
func (c *testCluster) checkError(response *http.Response, text, code, key string) {
	c.t.Helper()
	var document struct {
		XMLName                            xml.Name `xml:"Error"`
		Code, Message, Resource, RequestID string
	}
	text = strings.ReplaceAll(text, "RequestId>", "RequestID>")
	if err := xml.Unmarshal([]byte(text), &document); err != nil {
		c.t.Errorf("%v in %s", err, text)
	}
	if document.Code != code || document.Message == "" || document.Resource != "/"+bucket+"/"+key ||
		document.RequestID == "" || document.RequestID != response.Header.Get("X-Request-Id") {
		c.t.Errorf("%+v, want %s and X-Request-ID %s", document, code, response.Header.Get("X-Request-Id"))
	}
	if h := response.Header; h.Get("Content-Type") != "application/xml" || !strings.HasPrefix(h.Get("Cache-Status"), "rookery; ") || h.Get("X-Cache") == "" {
		c.t.Errorf("an error's headers: %v", h)
	}
}

// Names are bytes: no two of these are one.
func oddKeys(c *testCluster) {
	keys := []string{
		"a//b", "a/b", "/a/b", "//", "/", "a/b/", "a/b//", ".", "..", "../a/b", "a/../b", "a/./b", "a/b/..",
		"a+b", "a b", "a%20b", "a%2Fb", "a%252Fb", "%", "%zz", "100%", "ünïcödé/日本語.txt", "u\u0308", "ü", "🐦",
		"a?b", "a?versionId=1", "a#b", "a&b=c", "a;b", "a:b", "a@b", "a=b", "a,b", "a'b", "a\"b", "a(b)*!$~", `a\b`, "a^b`{|}<>[]",
		" a", "a ", "tab\tline\nend", "\x7f", "b", "health", "ready", strings.Repeat("k", 1024),
	}
	var all []pattern.Object
	for _, key := range keys {
		all = append(all, c.put(key, 100, s3test.Meta{}))
	}
	for i := range c.nodes {
		for _, o := range all {
			if _, err := c.fetch(i, o, 0, o.Size); err != nil {
				c.t.Errorf("%q: %v", o.Key, err)
			}
			if _, err := c.fetch(i, o, 50, 60); err != nil {
				c.t.Errorf("%q: %v", o.Key, err)
			}
		}
	}
	for _, o := range all {
		c.requests(o.Key, 0, 1)
	}
}

func withoutStrongETag(c *testCluster) {
	weak := c.put("weak", 2*mib+5, s3test.Meta{ETag: `W/"weak"`})
	none := c.put("none", 2*mib+5, s3test.Meta{NoETag: true, NoLastModified: true})
	for _, o := range []pattern.Object{weak, none} {
		for i := range c.nodes {
			c.read(i, o)
			if _, err := c.fetch(i, o, mib-10, mib+10); err != nil {
				c.t.Error(err)
			}
		}
		c.fetchedOnce(o)
		c.requests(o.Key, 0, 1)
	}
	for i := range c.nodes {
		for field, want := range map[string]int{"If-None-Match": http.StatusNotModified, "If-Match": http.StatusPreconditionFailed} {
			response, _ := c.do(i, http.MethodGet, c.target(i, "weak"), http.Header{field: {`W/"weak"`}})
			if response.StatusCode != want || want == http.StatusNotModified && response.Header.Get("Etag") != `W/"weak"` {
				c.t.Errorf("rook-%d: %s: %s, %v", i, field, response.Status, response.Header)
			}
		}
		if h := c.read(i, none).Header; h.Get("Etag") != "" || h.Get("Last-Modified") != "" {
			c.t.Errorf("rook-%d: validators that S3 did not give: %v", i, h)
		}
	}
}

func emptyObjects(c *testCluster) {
	first := http.Header{"Range": {"bytes=0-0"}}
	ranged := c.put("empty, ranged first", 0, rich)
	whole := c.put("empty", 0, rich)
	for i := range c.nodes {
		response, text := c.do(i, http.MethodGet, c.target(i, ranged.Key), first)
		if response.StatusCode != http.StatusRequestedRangeNotSatisfiable || response.Header.Get("Content-Range") != "bytes */0" {
			c.t.Errorf("rook-%d: a byte of nothing: %s, %v", i, response.Status, response.Header)
		}
		c.checkError(response, text, "InvalidRange", ranged.Key)
		for _, o := range []pattern.Object{whole, ranged} {
			h := c.read(i, o).Header
			c.checkRich(h, o)
			c.checkHead(i, o, h)
		}
	}
	c.requests(whole.Key, 0, 1)
}

func versions(c *testCluster) {
	var all []pattern.Object
	for _, v := range []string{"one", "two", "+/=&"} {
		o := pattern.Object{Bucket: bucket, Key: "versioned", Version: v, Size: 1000}
		c.s3.Put(o, s3test.Meta{VersionID: v})
		all = append(all, o)
	}
	for range 2 { // from S3, and from what is kept
		for i := range c.nodes {
			for _, o := range all {
				u := c.target(i, o.Key)
				u.RawQuery = "versionId=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D", "&", "%26").Replace(o.Version)
				response, text := c.do(i, http.MethodGet, u, nil)
				if response.StatusCode != http.StatusOK || response.Header.Get("X-Amz-Version-Id") != o.Version {
					c.t.Errorf("rook-%d: version %s: %s, %v", i, o.Version, response.Status, response.Header)
					continue
				}
				c.sameBytes(o, text, 0, o.Size)
			}
			if h := c.read(i, all[2]).Header; h.Get("X-Amz-Version-Id") != "+/=&" {
				c.t.Errorf("rook-%d: the newest is %s", i, h.Get("X-Amz-Version-Id"))
			}
		}
	}
	c.requests("versioned", 0, 4) // three by their ids, and the newest by none
}

func errorsOfS3(c *testCluster) {
	c.put("secret", 100, s3test.Meta{})
	for range 3 * len(c.nodes) {
		c.s3.Script(bucket, "secret", s3test.Step{Status: http.StatusForbidden, Code: "AccessDenied"})
	}
	for key, want := range map[string]struct {
		status int
		code   string
	}{
		"absent": {http.StatusNotFound, "NoSuchKey"},
		"secret": {http.StatusForbidden, "AccessDenied"},
	} {
		for i := range c.nodes {
			response, text := c.do(i, http.MethodGet, c.target(i, key), nil)
			if response.StatusCode != want.status {
				c.t.Errorf("rook-%d: %s: %s", i, key, response.Status)
			}
			c.checkError(response, text, want.code, key)
			response, text = c.do(i, http.MethodHead, c.target(i, key), nil)
			if response.StatusCode != want.status || text != "" {
				c.t.Errorf("rook-%d: HEAD of %s: %s, %q", i, key, response.Status, text)
			}
		}
		c.requests(key, 0, 1) // it is believed for a while, on all nodes
	}
	c.s3.Everything(&s3test.Step{Status: http.StatusInternalServerError, Code: "InternalError"})
	defer c.s3.Everything(nil)
	response, text := c.do(0, http.MethodGet, c.target(0, "broken"), nil)
	if response.StatusCode != http.StatusBadGateway {
		c.t.Errorf("S3 fails: %s", response.Status)
	}
	c.checkError(response, text, "InternalError", "broken")
}
