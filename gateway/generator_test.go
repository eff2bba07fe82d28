package gateway_test

import (
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
)

// generator makes pairs of requests that name one object in two ways, or nearly do.
type generator struct{ *rand.Rand }

// pieces are what names are made of: what encodings, paths and hosts stumble over.
var pieces = []string{
	"a", "A", "b", "/", "//", ".", "..", "/./", "/../", "+", " ", "%", "%2F", "%2f", "%20", "%25", "&", "=", "?", "#", ";", ":", "@", "~", "*", "'",
	"ü", "u\u0308", "日", "\U0001F426", "\x00", "\n", "\x7f", "public", "deep", "bare", "rest", "health", "ready", "\\", "|", "\"",
}

func (g generator) one(from []string) string { return from[g.IntN(len(from))] }

func (g generator) name() string {
	if g.IntN(200) == 0 {
		return strings.Repeat("k", 1022+g.IntN(4))
	}
	var b strings.Builder
	for range 1 + g.IntN(6) {
		b.WriteString(g.one(pieces))
	}
	return b.String()
}

// pair is two requests: of one object, of two that differ in one place, or the second
// with its target damaged.
func (g generator) pair() (rawA, hostA, rawB, hostB string) {
	bucket, name, identity := g.one([]string{"public", "deep", "bare", "rest"}), g.name(), g.identity()
	rawA, hostA = g.request(bucket, name, identity)
	switch g.IntN(6) {
	case 0:
		name = g.nearly(name)
	case 1:
		bucket = g.one([]string{"public", "deep", "bare", "rest", "none"})
	case 2:
		identity = g.identity()
	}
	rawB, hostB = g.request(bucket, name, identity)
	if g.IntN(8) == 0 {
		rawB = g.damage(rawB)
	}
	return rawA, hostA, rawB, hostB
}

// nearly is another name that a careless reader takes for the same.
func (g generator) nearly(name string) string {
	switch g.IntN(8) {
	case 0:
		return strings.ReplaceAll(name, "+", " ")
	case 1:
		return url.PathEscape(name) // encoded once too often
	case 2:
		if once, err := url.PathUnescape(name); err == nil {
			return once
		}
	case 3:
		return strings.ReplaceAll(name, "//", "/")
	case 4:
		return strings.ReplaceAll(strings.ReplaceAll(name, "/./", "/"), "/../", "/")
	case 5:
		return "/" + name
	case 6:
		return strings.ToLower(name)
	}
	return name + "/"
}

// identity is the part of a query that belongs to the object, or nothing.
func (g generator) identity() string {
	switch g.IntN(6) {
	case 0:
		return g.escape("versionId") + "=" + g.escape(g.one([]string{"v1", "v2", "V1"}))
	case 1:
		return g.escape("partNumber") + "=" + g.escape(strconv.Itoa(1+g.IntN(3)))
	}
	return ""
}

// request writes a request for an object in one of the ways that there are.
func (g generator) request(bucket, name, identity string) (raw, host string) {
	host, prefix := g.one([]string{"gateway.test", "gateway.test:8080", "10.0.0.1", identityDomain}), "/"+g.escape(bucket)+"/"
	switch style := g.IntN(5); {
	case style == 0:
		host, prefix = bucket+"."+identityDomain+g.one([]string{"", ":8080", "."}), "/"
		if g.IntN(2) == 0 {
			host = strings.ToUpper(host)
		}
	case style == 1 && bucket == "deep":
		prefix = "/" + g.escape("public/deep") + "/"
	case style == 1 && bucket == "rest":
		prefix = "/"
	}
	raw = prefix + g.escape(name)
	if query := g.query(identity); query != "" {
		raw += "?" + query
	}
	if g.IntN(8) == 0 {
		raw, host = g.one([]string{"http://", "HTTP://", "https://"})+host+raw, "another.test"
	}
	return raw, host
}

// escape encodes what must be, and now and then what need not be, in either case.
func (g generator) escape(name string) string {
	digits := g.one([]string{"0123456789ABCDEF", "0123456789abcdef"})
	var b strings.Builder
	b.Grow(3 * len(name))
	for i := range len(name) {
		c := name[i]
		must := c <= ' ' || c == '%' || c == '?' || c == 0x7f
		if must || g.IntN(4) == 0 {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// query hides what belongs to the object among noise.
func (g generator) query(identity string) string {
	noise := []string{"x-id=GetObject", "utm_source=a%20b", "X-Amz-Signature=ab", "X-Amz-Date=20260101T000000Z", "_=1", "", "a", "=", "versionid=v1", "v=%zz", "partnumber=2"}
	var all []string
	for range g.IntN(3) {
		all = append(all, g.one(noise))
	}
	if identity != "" {
		all = append(all, identity)
	}
	g.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return strings.Join(all, "&")
}

// damage changes one byte of the target's path, or puts one in.
func (g generator) damage(raw string) string {
	path, query, has := strings.Cut(raw, "?")
	at := g.IntN(len(path))
	bad := g.one([]string{"%", "%ff", "%C0%AF", "\xff", "/", "%2", "%G0", "a", "+", "%00"})
	path = path[:at] + bad + path[min(len(path), at+g.IntN(2)):]
	if has {
		return path + "?" + query
	}
	return path
}
