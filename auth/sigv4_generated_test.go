package auth_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"rookery/auth"
)

// signedRequests is how many requests each of the two ways to sign is tried with.
const signedRequests = 10_000

// Whatever the SDK's signer has signed is accepted, and not after one change of one
// thing that the signer has signed, wherever it is.
func TestWhatTheSDKSigns(t *testing.T) {
	for _, way := range []string{"header", "presigned"} {
		t.Run(way, func(t *testing.T) {
			g := &generator{rand: rand.New(rand.NewPCG(5, 4)), at: exampleTime.Add(time.Hour)}
			s := newSigV4(t, g.at)
			changes := map[string]int{}
			for n := range signedRequests {
				r := g.signed(t, way == "presigned")
				if why := refused(t, s, r); why != "" {
					t.Fatalf("%d: %s\n%+v", n, why, r)
				}
				what := g.change(r)
				changes[what]++
				if why := refused(t, s, r); why == "" {
					t.Fatalf("%d: accepted after a change of %s\n%+v", n, what, r)
				}
			}
			t.Log(changes)
			if len(changes) < 8 {
				t.Errorf("only these were changed: %v", changes)
			}
		})
	}
}

// generator makes requests that a client of S3 might send.
type generator struct {
	rand *rand.Rand
	at   time.Time
}

func pick[T any](g *generator, from ...T) T { return from[g.rand.IntN(len(from))] }

// name is text of all that may be in a key.
func (g *generator) name() string {
	var b strings.Builder
	for range 1 + g.rand.IntN(12) {
		b.WriteString(pick(g, "a", "Z", "0", "/", "//", ".", "..", "-", "_", "~", "+", " ", "  ", "%", "%2F", "&", "=", "?", "#", ";", ":", "@", "!", "$", "'", "(", ")", "*", ",", "[", "]", "\\", "\"", "|", "^", "{", "}", "<", ">", "`", "\t", "\n", "\x7f", "ü", "日", "🦜", "\xff"))
	}
	return b.String()
}

// path is a raw one: encoded as SDKs do it, or as little or as much as it may be.
func (g *generator) path() string {
	name := g.name()
	if g.rand.IntN(2) == 0 {
		return (&url.URL{Path: "/b/" + name}).EscapedPath()
	}
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var b strings.Builder
	b.WriteString("/b/")
	for i := range len(name) {
		if strings.IndexByte(unreserved, name[i]) >= 0 {
			b.WriteByte(name[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", name[i])
		}
	}
	return b.String()
}

func (g *generator) query() string {
	all := url.Values{}
	for range g.rand.IntN(4) {
		name := pick(g, "versionId", "partNumber", "response-content-type", "x-id", "prefix", "A", "a", "a b", "ü", g.name())
		all.Add(name, pick(g, "", "1", "a+b", "a b", "a/b", "a-b", "%", g.name()))
	}
	return all.Encode()
}

func (g *generator) header() http.Header {
	h := http.Header{}
	for range g.rand.IntN(4) {
		name := pick(g, "Range", "If-None-Match", "X-Amz-Checksum-Mode", "X-Amz-Meta-A", "X-Amz-Request-Payer", "Accept", "X-Other")
		h.Add(name, pick(g, "a", "bytes=0-9", "  two  spaces ", "a   b  c", `"q  q"`, "a,b", "ü"))
	}
	return h
}

// signed is a request with a signature of the SDK's.
func (g *generator) signed(t *testing.T, presigned bool) *auth.Request {
	t.Helper()
	host := pick(g, "s3.example.com", "s3.example.com:8443", "127.0.0.1:8080", "[::1]:8080", "b.s3.example.com")
	path := g.path()
	request := &http.Request{
		Method: pick(g, "GET", "HEAD"), Host: host, Header: g.header(),
		URL: &url.URL{Scheme: "http", Host: host, Opaque: "//" + host + path, RawQuery: g.query()},
	}
	hash := pick(g, emptyHash, "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", strings.Repeat("a1", 32))
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	keys := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}
	region, at := pick(g, "us-east-1", "eu-central-1", "auto"), g.at.Add(time.Duration(g.rand.IntN(600)-300)*time.Second)
	if !presigned {
		request.Header.Set("X-Amz-Content-Sha256", hash)
		if err := signer.SignHTTP(t.Context(), keys, request, hash, "s3", region, at); err != nil {
			t.Fatal(err)
		}
		return &auth.Request{Method: request.Method, Target: strings.TrimSuffix(path+"?"+request.URL.RawQuery, "?"), Host: request.Host, Header: request.Header}
	}
	if hash = pick(g, hash, "UNSIGNED-PAYLOAD"); hash != "UNSIGNED-PAYLOAD" {
		request.Header.Set("X-Amz-Content-Sha256", hash)
	}
	query := request.URL.Query()
	query.Set("X-Amz-Expires", pick(g, "301", "3600", "604800"))
	request.URL.RawQuery = query.Encode()
	target, header, err := signer.PresignHTTP(t.Context(), keys, request, hash, "s3", region, at)
	if err != nil {
		t.Fatal(err)
	}
	header.Del("Host")
	target = strings.TrimPrefix(target, "http:")
	if g.rand.IntN(8) == 0 {
		target = "http:" + target // absolute form: its authority counts
		host = "other.example.com"
	} else {
		target = strings.TrimPrefix(target, "//"+request.Host)
	}
	return &auth.Request{Method: request.Method, Target: target, Host: host, Header: header}
}

// change changes one thing that is signed, and says what.
func (g *generator) change(r *auth.Request) string {
	header := r.Header.(http.Header)
	for {
		switch what := pick(g, "method", "host", "path", "a byte of the path", "query", "parameter", "header", "header gone", "signature"); what {
		case "method":
			r.Method = map[string]string{"GET": "HEAD", "HEAD": "GET"}[r.Method]
			return what
		case "host":
			if before, after, absolute := strings.Cut(r.Target, "://"); absolute {
				r.Target = before + "://x" + after
			} else {
				r.Host = "x" + r.Host
			}
			return what
		case "path": // a slash more where there is one
			at := strings.Index(r.Target, "/b/")
			r.Target = r.Target[:at] + "/b//" + r.Target[at+len("/b/"):]
			return what
		case "a byte of the path":
			path, rest, _ := strings.Cut(r.Target, "?")
			i := strings.Index(path, "/b/") + 1 + g.rand.IntN(len(path)-strings.Index(path, "/b/")-1)
			if c := path[i]; c == 'a' || c == 'Z' || c == '0' || c == '/' || c == '-' {
				if i < 2 || !strings.Contains(path[i-2:i], "%") { // not within an escape: that may mean the same
					r.Target = path[:i] + "y" + path[i+1:] + "?" + rest
					return what
				}
			}
		case "parameter":
			sep := "?"
			if strings.Contains(r.Target, "?") {
				sep = "&"
			}
			r.Target += sep + pick(g, "y=1", "versionId=9", "response-content-type=text/html", "y")
			return what
		case "query":
			if g.changeQuery(r) {
				return what
			}
		case "header":
			for _, name := range slices.Sorted(maps.Keys(header)) {
				values := header[name]
				if name == "Authorization" || name == "User-Agent" {
					continue
				}
				values[g.rand.IntN(len(values))] += "y"
				return what
			}
		case "header gone":
			for _, name := range slices.Sorted(maps.Keys(header)) {
				if strings.HasPrefix(name, "X-Amz-") {
					header.Del(name)
					return what
				}
			}
		case "signature":
			if g.changeSignature(r, header) {
				return what
			}
		}
	}
}

// changeQuery changes a value of the query.
func (g *generator) changeQuery(r *auth.Request) bool {
	path, query, ok := strings.Cut(r.Target, "?")
	if !ok || query == "" {
		return false
	}
	pairs := strings.Split(query, "&")
	i := g.rand.IntN(len(pairs))
	pairs[i] += "y"
	r.Target = path + "?" + strings.Join(pairs, "&")
	return true
}

// changeSignature changes one digit of it.
func (g *generator) changeSignature(r *auth.Request, header http.Header) bool {
	flip := func(s, after string) string {
		i := strings.Index(s, after) + len(after) + g.rand.IntN(64)
		return s[:i] + map[bool]string{true: "1", false: "0"}[s[i] == '0'] + s[i+1:]
	}
	if value := header.Get("Authorization"); value != "" {
		header.Set("Authorization", flip(value, "Signature="))
		return true
	}
	r.Target = flip(r.Target, "X-Amz-Signature=")
	return true
}
