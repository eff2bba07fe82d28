package config

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// environment is a Getenv over a few names.
func environment(pairs ...string) Getenv {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

// mustParse parses a file that has nothing wrong and nothing to warn of.
func mustParse(t *testing.T, text string, getenv Getenv) *Config {
	t.Helper()
	c, warnings, err := Parse("rookery.yaml", []byte(text), getenv)
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	return c
}

const smallest = `
node: {name: n}
buckets:
  - name: b
    s3: {bucket: origin-b}
`

func defaultTagHeaders() []string {
	return []string{"X-Amz-Meta-Cache-Tag", "Surrogate-Key", "Cache-Tag"}
}

func TestDefaults(t *testing.T) {
	got := mustParse(t, smallest, environment())
	freshness := Freshness{
		Default: time.Hour, StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour, NotFound: 10 * time.Second, Forbidden: 10 * time.Second,
	}
	want := &Config{
		Node:   Node{Name: "n", DataDir: "/var/lib/rookery"},
		Server: Server{Address: "0.0.0.0", Port: 8080, Drain: 5 * time.Second, MaxConcurrentRequests: 8192},
		Admin:  Admin{Address: "127.0.0.1", Port: 9080},
		Cluster: Cluster{
			Bind: "0.0.0.0:7946", PeerBind: "0.0.0.0:7947", Founder: "n", Expect: 1,
			Lease: 5 * time.Second, ForgetAfter: time.Hour, PeerTimeout: 3 * time.Second,
		},
		Cache: Cache{MemoryBytes: 512 << 20, DiskBytes: 10 << 30, FinishAbandonedBytes: 8 << 20, Freshness: freshness},
		Buckets: []Bucket{{
			Name: "b", PathPrefix: "/b", Freshness: freshness, TagHeaders: defaultTagHeaders(),
			S3: S3{Place: Place{Bucket: "origin-b", Region: "us-east-1", Timeout: 20 * time.Second}, MaxConns: 50, Care: defaultCare()},
		}},
		Log:    Log{Level: slog.LevelInfo, Access: true},
		Prices: Prices{GetPer1000: 0.0004, EgressPerGB: 0.09, CrossZonePerGB: 0.02},
		Reload: Reload{Watch: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !got.Cluster.Alone() {
		t.Error("a node without join and gossip_key is not alone")
	}
}

const everything = `
node: {name: rook-1, zone: eu-1a, data_dir: /data}
server: {address: 10.0.0.1, port: 80, domain: S3.Example.test, drain: 0s, max_concurrent_requests: 777, tls: {cert: /c, key: /k, min_version: "1.3"}}
admin: {address: 127.0.0.1, port: 9000, token: "${ADMIN_TOKEN}", tls: {cert: a.pem, key: a.key, client_ca: ops.pem}}
cluster:
  bind: 0.0.0.0:1001
  advertise: 10.0.0.1:1001
  peer_bind: 0.0.0.0:1002
  join: [dns+rook-headless:7946, "10.0.0.2:1001"]
  gossip_key: ${GOSSIP_KEY}
  label: prod.eu
  peer_tls: {cert: c.pem, key: k.pem, ca: ca.pem}
  founder: rook-3
  expect: 3
  lease: 6s
  forget_after: 2h
  peer_timeout: 2500ms
cache:
  memory: 1GiB
  disk: 50GB
  finish_abandoned: 0
  freshness: {default: 10m, stale_while_revalidate: 0s, stale_if_error: 1h, negative: 1s}
reload: {watch: false}
log: {level: debug, format: json, access: false}
buckets:
  - name: products
    path_prefix: /shop/products/
    anonymous_lists: false
    s3:
      bucket: acme-products
      region: eu-central-1
      endpoint: https://minio.example.test:9000/
      access_key: ${AK}
      secret_key: ${SK}
      path_style: false
      timeout: 5s
      connection_pool_size: 200
      retry: {max_attempts: 5, initial_backoff_ms: 50, max_backoff_ms: 2000}
      circuit_breaker: {failure_threshold: 7, success_threshold: 1, timeout_seconds: 30, half_open_max_requests: 9}
      rate_limit: {requests_per_second: 300}
      hedge: {enabled: true, quantile: 0.9, max_extra: 0.02}
      replicas:
        - {name: far, bucket: acme-far, region: us-west-2, endpoint: "http://far:9000", access_key: FAR, secret_key: far-s3cret, priority: 7, timeout: 2}
        - {name: near, bucket: copy, region: eu-central-1}
    auth: {enabled: false}
    cache:
      freshness: {default: 30s, ignore_origin: true, negative_403: 3s, override: {fresh: 0s, stale_if_error: 1m}, max: {fresh: 24h, stale_while_revalidate: 2m}}
      client_cache_control: true
      lists: 5s
      identity: products-1
      stale_without_lease: true
      tag_header: [x-amz-meta-tags, EDGE-TAG]
    cors:
      - {allowed_origins: ["https://*.example.com", "null"], allowed_methods: [GET, HEAD], allowed_headers: ["x-amz-*"], expose_headers: [ETag], max_age: 10m}
      - {allowed_origins: "*", allowed_methods: GET}
  - name: rest
    path_prefix: /
    s3: {bucket: other, anonymous: true}
    cache: {tag_header: []}
`

func everythingEnvironment() Getenv {
	return environment("ADMIN_TOKEN", "t0ken", "AK", "AKIA", "SK", "s3cret",
		"GOSSIP_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
}

func TestEveryKeyArrives(t *testing.T) {
	got := mustParse(t, everything, everythingEnvironment())
	freshness := Freshness{Default: 10 * time.Minute, StaleIfError: time.Hour, NotFound: time.Second, Forbidden: time.Second}
	own := freshness
	own.Default, own.IgnoreOrigin, own.Forbidden = 30*time.Second, true, 3*time.Second
	never, minute, two, day := time.Duration(0), time.Minute, 2*time.Minute, 24*time.Hour
	own.Override.Fresh, own.Override.StaleIfError = &never, &minute
	own.Max.Fresh, own.Max.StaleWhileRevalidate = &day, &two
	want := &Config{
		Node:   Node{Name: "rook-1", Zone: "eu-1a", DataDir: "/data"},
		Server: Server{Address: "10.0.0.1", Port: 80, Domain: "s3.example.test", MaxConcurrentRequests: 777, TLS: &TLS{Cert: "/c", Key: "/k", MinVersion: tls.VersionTLS13}},
		Admin:  Admin{Address: "127.0.0.1", Port: 9000, Token: "t0ken", TLS: &AdminTLS{Cert: "a.pem", Key: "a.key", ClientCA: "ops.pem"}},
		Cluster: Cluster{
			Bind: "0.0.0.0:1001", Advertise: "10.0.0.1:1001", PeerBind: "0.0.0.0:1002",
			Join:      []string{"dns+rook-headless:7946", "10.0.0.2:1001"},
			GossipKey: []byte("0123456789abcdef0123456789abcdef"),
			Label:     "prod.eu",
			PeerTLS:   &PeerTLS{Cert: "c.pem", Key: "k.pem", CA: "ca.pem"},
			Founder:   "rook-3", Expect: 3,
			Lease: 6 * time.Second, ForgetAfter: 2 * time.Hour, PeerTimeout: 2500 * time.Millisecond,
		},
		Cache: Cache{MemoryBytes: 1 << 30, DiskBytes: 50e9, Freshness: freshness},
		Buckets: []Bucket{
			{
				Name: "products", PathPrefix: "/shop/products", Freshness: own, ClientCacheControl: true, Lists: 5 * time.Second, NoAnonymousLists: true,
				StaleWithoutLease: true, TagHeaders: []string{"X-Amz-Meta-Tags", "Edge-Tag"}, Identity: "products-1",
				CORS: []CORSRule{
					{
						AllowedOrigins: []string{"https://*.example.com", "null"}, AllowedMethods: []string{"GET", "HEAD"},
						AllowedHeaders: []string{"x-amz-*"}, ExposeHeaders: []string{"ETag"}, MaxAge: 10 * time.Minute,
					},
					{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
				},
				S3: S3{
					Place: Place{
						Bucket: "acme-products", Region: "eu-central-1", Endpoint: "https://minio.example.test:9000",
						AccessKey: "AKIA", SecretKey: "s3cret", Timeout: 5 * time.Second,
					},
					Replicas: []Replica{
						{Name: "near", Priority: 2, Place: Place{Bucket: "copy", Region: "eu-central-1", Timeout: 20 * time.Second}},
						{Name: "far", Priority: 7, Place: Place{
							Bucket: "acme-far", Region: "us-west-2", Endpoint: "http://far:9000", AccessKey: "FAR", SecretKey: "far-s3cret",
							PathStyle: true, Timeout: 2 * time.Second,
						}},
					},
					MaxConns: 200,
					Care: Care{
						Retry:             Retry{MaxAttempts: 5, InitialBackoff: 50 * time.Millisecond, MaxBackoff: 2 * time.Second},
						Breaker:           Breaker{FailureThreshold: 7, SuccessThreshold: 1, Timeout: 30 * time.Second, HalfOpenRequests: 9},
						RequestsPerSecond: 300,
						Hedge:             Hedge{Enabled: true, Quantile: 0.9, MaxExtra: 0.02},
					},
				},
			},
			{
				Name: "rest", PathPrefix: "/", Freshness: freshness, TagHeaders: []string{},
				S3: S3{Place: Place{Bucket: "other", Region: "us-east-1", Anonymous: true, Timeout: 20 * time.Second}, MaxConns: 50, Care: defaultCare()},
			},
		},
		Log:    Log{Level: slog.LevelDebug, JSON: true},
		Prices: Prices{GetPer1000: 0.0004, EgressPerGB: 0.09, CrossZonePerGB: 0.02},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Cluster.Alone() {
		t.Error("a node with join is alone")
	}
}

// A cluster whose nodes know of no founder would never have a council.
func TestNoFounderIsWarnedOf(t *testing.T) {
	const text = "node: {name: web}\ncluster: {gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==}\nbuckets: [{name: b, s3: {bucket: b}}]"
	c, warnings, err := parse("f", []byte(text), environment(), thisHost)
	if err != nil || c.Cluster.Founder != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	if got := fmt.Sprint(warnings); !strings.HasPrefix(got, "[f:2:1: cluster.founder: no node is to start the council") {
		t.Errorf("warnings: %s", got)
	}
}

// A founder that waits for nobody would begin another council when its disk is lost and
// nobody answers it.
func TestAFounderThatWaitsForNobodyIsWarnedOf(t *testing.T) {
	for cluster, warned := range map[string]bool{
		"join: [a:1]": true, "join: [a:1], expect: 1": true, "join: [a:1], expect: 2": false, "join: [a:1], founder: n-1": false, "": false,
	} {
		text := "node: {name: n-0}\ncluster: {gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==, " + cluster + "}\nbuckets: [{name: b, s3: {bucket: b}}]"
		_, warnings, err := parse("f", []byte(text), environment(), thisHost)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(warnings); strings.HasPrefix(got, "[f:2:") != warned || strings.Contains(got, "cluster.expect") != warned {
			t.Errorf("%s: %s", cluster, got)
		}
	}
}

func TestTagHeaderMayBeOne(t *testing.T) {
	text := "node: {name: n}\nbuckets: [{name: b, s3: {bucket: b}, cache: {tag_header: edge-tag}}]"
	if got := mustParse(t, text, environment()).Buckets[0].TagHeaders; !slices.Equal(got, []string{"Edge-Tag"}) {
		t.Errorf("%q", got)
	}
}

// An event of S3 names a bucket there, and every bucket here that shows it is meant.
func TestByS3Bucket(t *testing.T) {
	c := mustParse(t, everything+"  - {name: again, s3: {bucket: acme-far, replicas: [{name: same, bucket: acme-far, region: far-1}]}}\n", everythingEnvironment())
	want := map[string][]string{"acme-products": {"products"}, "copy": {"products"}, "acme-far": {"products", "again"}, "other": {"rest"}}
	if got := c.ByS3Bucket(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPeerAdvertise(t *testing.T) {
	for _, c := range []struct {
		name    string
		cluster Cluster
		want    string
	}{
		{"advertised", Cluster{Advertise: "10.1.1.1:1", PeerBind: "127.0.0.1:7947", Bind: "127.0.0.1:7946"}, "10.1.1.1:7947"},
		{"bound by the peers", Cluster{PeerBind: "127.0.0.2:7947", Bind: "127.0.0.1:7946"}, "127.0.0.2:7947"},
		{"bound by gossip", Cluster{PeerBind: "0.0.0.0:7947", Bind: "127.0.0.1:7946"}, "127.0.0.1:7947"},
		{"to be found out", Cluster{PeerBind: "0.0.0.0:7947", Bind: "[::]:7946"}, ""},
	} {
		if got := c.cluster.PeerAdvertise(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFounder(t *testing.T) {
	key := ", expect: 3, gossip_key: MDEyMzQ1Njc4OWFiY2RlZg=="
	for _, c := range []struct{ name, cluster, want string }{
		{"rook-2", "join: [h:1]" + key, "rook-0"},
		{"rook-0", "join: [h:1]" + key, "rook-0"},
		{"solo", "bind: h:1", "solo"},
		{"rook-7", "bind: h:1", "rook-7"},
		{"web", "founder: web-a, join: [h:1]" + key, "web-a"},
		{"rook-2", "founder: rook-2, join: [h:1]" + key, "rook-2"},
		{"solo", "founder: solo", "solo"},
	} {
		text := fmt.Sprintf("node: {name: %s}\ncluster: {%s}\nbuckets: [{name: b, s3: {bucket: b}}]", c.name, c.cluster)
		if got := mustParse(t, text, environment()).Cluster.Founder; got != c.want {
			t.Errorf("%s with %s: founder %q, want %q", c.name, c.cluster, got, c.want)
		}
	}
}

func TestNodeNameDefaultsToTheHost(t *testing.T) {
	c, _, err := parse("f", []byte(oneBucket), environment(), thisHost)
	if err != nil || c.Node.Name != "this-host-0" {
		t.Errorf("%+v, %v", c, err)
	}
	nameless := func() (string, error) { return "not a name", nil }
	_, _, err = parse("f", []byte("server: {port: 80}"+oneBucket), environment(), nameless)
	const want = `f:1:1: node.name: is missing, and the host's name ("not a name") cannot be a node's`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c := mustParse(t, everything, everythingEnvironment())
	asJSON, err := json.Marshal(c.Buckets)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("start", "token", c.Admin.Token)
	printed := fmt.Sprintf("%v %+v %#v %q %x", c.Buckets, c.Admin, c.Buckets, c.Admin.Token, c.Admin.Token)
	for _, text := range []string{string(asJSON), logged.String(), printed, string(c.Effective())} {
		for _, secret := range []string{"t0ken", "s3cret", "AKIA", "743074", "MDEyMzQ1", "0123456789abcdef"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", secret, text)
			}
		}
		if !strings.Contains(text, mask) {
			t.Errorf("no mask in %s", text)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if _, _, err := Load(path, environment()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(smallest), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, _, err := Load(path, environment()); err != nil || c.Buckets[0].S3.Bucket != "origin-b" {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte("nod: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Load(path, environment())
	var first *Error
	if !errors.As(err, &first) || first.File != path || first.Line != 1 {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(path, make([]byte, MaxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(path, environment()); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestExamplesLoad(t *testing.T) {
	paths, err := filepath.Glob("../deploy/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]bool{}
	for _, path := range append(paths, "../deploy/single.yaml") {
		if filepath.Base(filepath.Dir(path)) != "three-nodes" && filepath.Base(path) != "single.yaml" {
			continue
		}
		c, warnings, err := Load(path, everythingEnvironment())
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", path, warnings, err)
			continue
		}
		if c.Cluster.Alone() {
			continue
		}
		nodes[c.Node.Name] = true
		if c.Cluster.Founder != "rook-0" || len(c.Cluster.Join) != 2 {
			t.Errorf("%s: %+v", path, c.Cluster)
		}
	}
	if len(nodes) != 3 {
		t.Errorf("the cluster's nodes are %v", nodes)
	}
}
