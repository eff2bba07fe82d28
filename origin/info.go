package origin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rookery/object"
)

// ours lists the fields that an info does not keep as headers: those it has a
// place of its own for, those that a server says of itself and of one answer,
// and hop-by-hop fields (RFC 9110 §7.6.1). The gateway lets through to clients only what
// it knows to be an object's; what is kept beyond that is for the cache (tags).
var ours = map[string]bool{
	"Content-Length": true, "Content-Range": true, "Accept-Ranges": true, "Etag": true, "Last-Modified": true,
	"Date": true, "Server": true, "Via": true, "Alt-Svc": true, "Set-Cookie": true,
	"Strict-Transport-Security": true, "X-Amz-Request-Id": true, "X-Amz-Id-2": true,
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true,
	"Proxy-Authentication-Info": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// newInfo makes the info that a 200 promises. Its headers are sorted by name;
// net/http does not tell the origin's order of different fields.
func newInfo(res *http.Response, sent time.Time) *object.Info {
	info := &object.Info{
		Size:         res.ContentLength,
		ETag:         res.Header.Get("ETag"),
		LastModified: lastModified(res.Header),
		Validated:    sent,
	}
	info.Version = object.OnlyVersion()
	if info.Strong() {
		info.Version = object.VersionOf(info.ETag, info.Size)
	}
	named := connectionNames(res.Header)
	for name, values := range res.Header {
		if name == "Age" || ours[name] || strings.HasPrefix(name, "Access-Control-") || slices.Contains(named, name) {
			continue
		}
		for _, v := range values {
			if v, keep := valueOf(name, v); keep {
				info.Header = append(info.Header, object.Field{Name: name, Value: v})
			}
		}
	}
	info.Header, info.Validated = aged(info.Header, res.Header, sent)
	slices.SortStableFunc(info.Header, func(a, b object.Field) int { return strings.Compare(a.Name, b.Name) })
	return info
}

// aged appends the Age of an answer that another cache gave, and returns since when
// the answer counts: when it was asked for, less its Age (RFC 9111 §4.2.3). The
// first value counts, and one that is no number is ignored (§5.1).
func aged(fields []object.Field, h http.Header, sent time.Time) ([]object.Field, time.Time) {
	age, ok := object.DeltaSeconds(strings.TrimSpace(strings.SplitN(h.Get("Age"), ",", 2)[0]))
	if !ok || age == 0 {
		return fields, sent
	}
	return append(fields, object.Field{Name: "Age", Value: strconv.Itoa(int(age / time.Second))}), sent.Add(-age)
}

// freshnessFields are those of a 304 that take the place of the entry's. What else
// it may carry it says of itself.
var freshnessFields = []string{"Cache-Control", "Cdn-Cache-Control", "Expires", "Vary"}

// notModified says what a 304 says.
func notModified(h http.Header, sent time.Time) error {
	e := &object.NotModified{ETag: h.Get("ETag"), LastModified: lastModified(h)}
	for _, name := range freshnessFields {
		for _, v := range h.Values(name) {
			if v, keep := valueOf(name, v); keep {
				e.Header = append(e.Header, object.Field{Name: name, Value: v})
			}
		}
	}
	e.Header, e.Validated = aged(e.Header, h, sent)
	return e
}

// valueOf returns a field's value as an info keeps it; false if it keeps none.
func valueOf(name, v string) (string, bool) {
	if name == "Vary" {
		if v = withoutCORS(v); v == "" {
			return "", false
		}
	}
	return v, !hasControl(v)
}

// withoutCORS leaves out of a Vary what concerns CORS: no request to S3 has an Origin,
// and the rules that count for clients are the gateway's.
func withoutCORS(vary string) string {
	var kept []string
	for name := range strings.SplitSeq(vary, ",") {
		switch name = strings.TrimSpace(name); http.CanonicalHeaderKey(name) {
		case "", "Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method":
		default:
			kept = append(kept, name)
		}
	}
	return strings.Join(kept, ", ")
}

// connectionNames returns the fields that Connection makes hop-by-hop.
func connectionNames(h http.Header) []string {
	var names []string
	for _, v := range h.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	return names
}

// hasControl reports a byte that a field value may not have (RFC 9110 §5.5): it
// could end a header block that is written out again.
func hasControl(v string) bool {
	return strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// lastModified returns the zero time for a date that is none.
func lastModified(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
