package run_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/golang-jwt/jwt/v5"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// The buckets of the matrix, and the files that make them.
var matrixBuckets = []string{"open", "tokens", "signed", "claims"}

const matrixFile = `
jwt: {enabled: true, algorithm: HS256, secret: ` + tokenSecret + `, issuer: "https://issuer.test", audience: rookery}
buckets:
  - {name: open, s3: {bucket: open}}
  - {name: tokens, s3: {bucket: tokens}, auth: {enabled: true, jwt: {enabled: true}}}
  - {name: signed, s3: {bucket: signed}, auth: {enabled: true, jwt: {enabled: false}, sigv4: {keys: [{access_key: AKIDPROXY, secret_key: ` + signingSecret + `}]}}}
  - {name: claims, s3: {bucket: claims}, auth: {enabled: true, jwt: {claims: [{or: [{path: "/users/${sub}/**"}, {claim: role, operator: equals, value: admin}]}]}}}
`

func matrixConfig(t *testing.T) change {
	file, _, err := config.Parse("matrix", []byte(matrixFile), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config, _ *run.Options) {
		place := c.Buckets[0]
		c.JWT, c.Buckets = file.JWT, nil
		for _, b := range file.Buckets {
			s3 := place.S3
			s3.Bucket = b.Name
			b.S3, b.Freshness = s3, place.Freshness
			c.Buckets = append(c.Buckets, b)
		}
	}
}

// who sends a request, and where that one may read and list what is user 7's.
type who struct {
	name  string
	may   []string // beside the open bucket
	proof func(t *testing.T, r *http.Request)
}

// bearer makes a token, good but for what change makes of it.
func bearer(secret string, change func(jwt.MapClaims)) func(*testing.T, *http.Request) {
	return func(t *testing.T, r *http.Request) {
		claims := jwt.MapClaims{"iss": "https://issuer.test", "aud": "rookery", "sub": "7", "exp": time.Now().Add(time.Hour).Unix()}
		if change != nil {
			change(claims)
		}
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
}

func claim(name string, value any) func(jwt.MapClaims) {
	return func(c jwt.MapClaims) { c[name] = value }
}

func s3Signer(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }

func sigV4(secret string) func(*testing.T, *http.Request) {
	return func(t *testing.T, r *http.Request) {
		empty := sha256.Sum256(nil)
		sum := hex.EncodeToString(empty[:])
		r.Header.Set("X-Amz-Content-Sha256", sum)
		keys := aws.Credentials{AccessKeyID: "AKIDPROXY", SecretAccessKey: secret}
		if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, sum, "s3", "eu-1", time.Now(), s3Signer); err != nil {
			t.Fatal(err)
		}
	}
}

// presigned signs the URL for an hour, some time ago.
func presigned(ago time.Duration) func(*testing.T, *http.Request) {
	return func(t *testing.T, r *http.Request) {
		q := r.URL.Query()
		q.Set("X-Amz-Expires", "3600")
		r.URL.RawQuery = q.Encode()
		keys := aws.Credentials{AccessKeyID: "AKIDPROXY", SecretAccessKey: signingSecret}
		bare := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), keys, bare, "UNSIGNED-PAYLOAD", "s3", "eu-1", time.Now().Add(-ago), s3Signer)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = url.Parse(signed); err != nil {
			t.Fatal(err)
		}
	}
}

var everybody = []who{
	{"anonymous", nil, func(*testing.T, *http.Request) {}},
	{"wrong key", nil, bearer(strings.Repeat("another secret of as many bytes", 2), nil)},
	{"expired", nil, bearer(tokenSecret, claim("exp", time.Now().Add(-time.Hour).Unix()))},
	{"wrong audience", nil, bearer(tokenSecret, claim("aud", "elsewhere"))},
	{"right reader", []string{"tokens", "claims"}, bearer(tokenSecret, nil)},
	{"reader of others", []string{"tokens"}, bearer(tokenSecret, claim("sub", "70"))},
	{"admin", []string{"tokens", "claims"}, bearer(tokenSecret, func(c jwt.MapClaims) { c["sub"], c["role"] = "1", "admin" })},
	{"SigV4", []string{"signed"}, sigV4(signingSecret)},
	{"SigV4 of another secret", nil, sigV4("a secret of somebody else's")},
	{"presigned", []string{"signed"}, presigned(0)},
	{"presigned, expired", nil, presigned(2 * time.Hour)},
}

// matrix is nodes that hold an object of each bucket in each state.
type matrix struct {
	*testCluster
	objects map[[2]string]pattern.Object // by bucket and state
	nodes   map[[2]string]int            // who is asked for it
}

// state is how an object is held, or asked for, and what those get who may have it.
type state struct {
	name     string
	size     int64 // 0: there is none
	warm     bool
	stale    bool
	peer     bool // a node is asked that does not own it
	fresh    bool // each who may read it has one that nobody has read
	down     bool // S3 fails meanwhile
	method   string
	header   []string // name and value
	query    string   // in place of the object
	status   int
	from, to int64 // of the bytes; 0, 0 for none
	cache    string
	detail   string
}

const (
	small = 3000
	large = object.ChunkBytes / 2 // more than the hot set takes
)

var states = []state{
	{name: "cold", size: small, fresh: true, status: 200, to: small, cache: "MISS"},
	{name: "hot", size: small, warm: true, status: 200, to: small, cache: "HIT", detail: "detail=hot"},
	{name: "disk", size: large, warm: true, status: 200, to: large, cache: "HIT", detail: "detail=disk"},
	{name: "peer", size: large, warm: true, peer: true, status: 200, to: large, cache: "HIT", detail: "detail=peer"},
	{name: "stale", size: small, warm: true, stale: true, status: 200, to: small, cache: "STALE"},
	{name: "range", size: small, warm: true, header: []string{"Range", "bytes=10-99"}, status: 206, from: 10, to: 100, cache: "HIT"},
	{name: "badrange", size: small, warm: true, header: []string{"Range", "bytes=9999-"}, status: 416},
	{name: "head", size: small, warm: true, method: http.MethodHead, status: 200, cache: "HIT"},
	{name: "same", size: small, warm: true, header: []string{"If-None-Match", "*"}, status: 304, cache: "HIT"},
	{name: "differs", size: small, warm: true, header: []string{"If-Match", `"another"`}, status: 412},
	{name: "list", query: "list-type=2&prefix=users%2F7%2F", status: 200},
	{name: "absent", status: 404},
	{name: "down", size: small, warm: true, down: true, status: 200, to: small, cache: "HIT", detail: "detail=hot"},
	{name: "downcold", size: small, down: true, status: 503},
}

// name is a key's, as long for each state.
func (s *state) key(suffix int) string { return fmt.Sprintf("users/7/%-8s%02d", s.name, suffix)[:18] }

func newMatrix(t *testing.T) *matrix {
	m := &matrix{testCluster: newCluster(t, 3, matrixConfig(t)), objects: map[[2]string]pattern.Object{}, nodes: map[[2]string]int{}}
	for _, b := range matrixBuckets {
		for i := range states {
			m.make(b, &states[i])
		}
	}
	return m
}

// make puts an object where the state has one, and into the caches as the state has it.
func (m *matrix) make(b string, s *state) {
	m.t.Helper()
	o := m.putIn(b, s, 0)
	owner := m.ownerIn(b, o.Key)
	m.objects[[2]string{b, s.name}], m.nodes[[2]string{b, s.name}] = o, owner
	if s.peer {
		m.nodes[[2]string{b, s.name}] = (owner + 1) % 3
	}
	for range 2 {
		if !s.warm {
			return
		}
		a := m.mustAsk(b, &states[0], m.holder(b), owner, o.Key)
		if a.status != http.StatusOK || int64(len(a.body)) != o.Size {
			m.t.Fatalf("warming %s:%s: %d", b, o.Key, a.status)
		}
	}
}

func (m *matrix) putIn(b string, s *state, suffix int) pattern.Object {
	o := pattern.Object{Bucket: b, Key: strings.ReplaceAll(s.key(suffix), " ", "_"), Version: "1", Size: s.size}
	meta := s3test.Meta{}
	if s.stale {
		meta.Header = http.Header{"Cache-Control": {"max-age=0, stale-while-revalidate=3600"}}
	}
	if s.size > 0 {
		m.s3.Put(o, meta)
	}
	return o
}

// holder is somebody who may read a bucket.
func (m *matrix) holder(b string) *who {
	for i := range everybody {
		if everybody[i].mayRead(b) {
			return &everybody[i]
		}
	}
	return nil
}

func (w *who) mayRead(b string) bool {
	for _, one := range w.may {
		if one == b {
			return true
		}
	}
	return b == "open"
}

func (m *matrix) ownerIn(b, key string) int {
	m.t.Helper()
	var ring admin.Ring
	m.operators(0, "/admin/ring?key="+b+":"+url.QueryEscape(key), &ring)
	return int(ring.Owner[len("rook-")] - '0')
}

// told is an answer as it came.
type told struct {
	status int
	header http.Header
	body   []byte
}

func (m *matrix) mustAsk(b string, s *state, w *who, node int, key string) told {
	m.t.Helper()
	u := &url.URL{Scheme: "http", Host: m.testCluster.nodes[node].PublicAddr().String(), Path: "/" + b + "/" + key, RawQuery: s.query}
	if s.query != "" {
		u.Path = "/" + b
	}
	r := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{"X-Request-Id": {"matrix"}}}
	if s.method != "" {
		r.Method = s.method
	}
	for i := 0; i < len(s.header); i += 2 {
		r.Header.Set(s.header[i], s.header[i+1])
	}
	w.proof(m.t, r)
	response, err := m.client.Do(r.WithContext(m.t.Context()))
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatalf("%s, %s:%s: %v", w.name, b, key, err)
	}
	response.Header.Del("Date")
	return told{response.StatusCode, response.Header, bytes.ReplaceAll(body, []byte(u.Path), []byte("RESOURCE"))}
}
