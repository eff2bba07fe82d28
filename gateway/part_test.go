package gateway_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"rookery/auth"
	"rookery/gateway"
	"rookery/object"
)

// holdParts is an object of three parts, 4000, 4000 and 2000 bytes long, and the infos of
// its parts.
func holdParts(f *front, version string) *heldObject {
	whole := f.node.hold(key("m"), version, 10_000)
	for i, place := range []string{"bytes 0-3999/10000", "bytes 4000-7999/10000", "bytes 8000-9999/10000"} {
		k := key("m")
		k.Part = i + 1
		part := f.node.hold(k, version, []int64{4000, 4000, 2000}[i])
		part.answer.Info.Header = append(part.answer.Info.Header, object.Field{Name: "Content-Range", Value: place}, object.Field{Name: "X-Amz-Mp-Parts-Count", Value: "3"})
	}
	return whole
}

func TestPartsOfAnUpload(t *testing.T) {
	f := newFront(t, nil)
	whole := holdParts(f, "v1")
	for _, c := range []struct {
		part, place, length string
		from                int64
	}{{"1", "bytes 0-3999/10000", "4000", 0}, {"3", "bytes 8000-9999/10000", "2000", 8000}} {
		got := f.do("GET", "/public/m?partNumber="+c.part)
		h := got.header
		if got.status != 206 || h.Get("Content-Range") != c.place || h.Get("Content-Length") != c.length || h.Get("X-Amz-Mp-Parts-Count") != "3" || h.Get("Etag") != `"v1"` {
			t.Errorf("part %s: %d %v", c.part, got.status, h)
		}
		if err := whole.pattern.Check(got.body, c.from); err != nil {
			t.Error(err)
		}
		head := f.do("HEAD", "/public/m?partNumber="+c.part)
		sameHeaders(t, h, head.header)
		if head.status != 206 {
			t.Errorf("HEAD: %d", head.status)
		}
	}
	f.node.forget()
	if got := f.do("GET", "/public/m?partNumber=2", "If-None-Match", `"v1"`); got.status != 304 || len(f.node.asked()) != 1 {
		t.Errorf("%d after %d looks", got.status, len(f.node.asked()))
	}
	if got := f.do("GET", "/public/m?partNumber=2", "If-Match", `"v2"`); got.status != 412 {
		t.Error(got.status)
	}
	if got := f.do("GET", "/public/m?partNumber=2", "Range", "bytes=0-1"); got.status != 400 || !strings.Contains(string(got.body), "<Code>InvalidRequest</Code>") {
		t.Errorf("with a Range: %d %s", got.status, got.body)
	}
}

// The part's info and the object's bytes are of one version, or there is no answer.
func TestAPartOfAnotherVersion(t *testing.T) {
	f := newFront(t, nil)
	holdParts(f, "old")
	whole := f.node.hold(key("m"), "new", 10_000)
	suspects := 0
	f.node.before = func(_ int, ask *object.Ask) {
		if ask.Suspect == (object.Version{}) {
			return
		}
		if suspects++; suspects == 1 { // the part is looked at again
			whole = holdParts(f, "new")
		}
	}
	got := f.do("GET", "/public/m?partNumber=2")
	if err := whole.pattern.Check(got.body, 4000); err != nil || got.status != 206 || suspects != 2 {
		t.Errorf("%d after %d suspicions: %v", got.status, suspects, err)
	}
	f.node.before = nil
	f.node.hold(key("m"), "newest", 10_000)
	if got := f.do("GET", "/public/m?partNumber=2"); got.status != 503 || !bytes.Contains(got.body, []byte("changing")) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestResponseOverrides(t *testing.T) {
	const query = "?response-content-type=text%2Fplain%3B+charset%3Dutf-8&response-content-disposition=attachment&response-expires=0"
	f := newFront(t, func(o *gateway.Options) {
		o.Policy.Routes[0].Guard = auth.NewGuard(true, []auth.Scheme{named{}}, nil)
	})
	h := f.node.hold(key("o"), "v", 10)
	h.answer.Info.Header = []object.Field{{Name: "Content-Type", Value: "text/html"}, {Name: "Expires", Value: "x"}, {Name: "Expires", Value: "y"}}
	want := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Disposition": {"attachment"}, "Expires": {"0"}}
	for _, c := range []struct {
		method string
		header []string
		status int
	}{{"GET", nil, 200}, {"HEAD", nil, 200}, {"GET", []string{"Range", "bytes=0-3"}, 206}} {
		got := f.do(c.method, "/public/o"+query, append(c.header, "X-Name", "ann")...)
		for name, values := range want {
			if strings.Join(got.header.Values(name), "|") != values[0] || got.status != c.status {
				t.Errorf("%s: %d, %s %q", c.method, got.status, name, got.header.Values(name))
			}
		}
	}
	if got := f.do("GET", "/public/o"+query, "If-None-Match", "*", "X-Name", "ann"); got.status != 304 || got.header.Get("Expires") != "x" {
		t.Errorf("%d %v", got.status, got.header)
	}
	if got := f.do("GET", "/public/o", "X-Name", "ann"); got.header.Get("Content-Type") != "text/html" {
		t.Error("an override outlived its request")
	}
	if got := f.do("GET", "/public/o"+query); got.status != 400 || !strings.Contains(string(got.body), "<Code>InvalidRequest</Code>") {
		t.Errorf("of nobody: %d %s", got.status, got.body)
	}
}
