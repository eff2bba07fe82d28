package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// oldFile has every key of a Yatagarasu v1.0 file that has a meaning here or is
// off, in the old program's own shape and units.
const oldFile = `
server:
  address: 127.0.0.1
  port: 8088
  threads: 4
  request_timeout: 30
  max_concurrent_requests: 1000
  rate_limit: {enabled: false, global: {requests_per_second: 100}}
  security_limits: {max_body_size: 10MB, max_header_size: 64KB, max_uri_length: 8192}
  coalescing: {enabled: true, strategy: wait_for_complete}
buckets:
  - name: products
    path_prefix: /products
    s3:
      bucket: acme
      region: eu-west-1
      access_key: AKIA
      secret_key: secret
      endpoint: http://127.0.0.1:9000
      timeout: 7
      connection_pool_size: 20
      circuit_breaker: {failure_threshold: 5, success_threshold: 2, timeout_seconds: 60, half_open_max_requests: 3}
      retry: {max_attempts: 3, initial_backoff_ms: 100, max_backoff_ms: 1000}
      replicas: []
    auth: {enabled: false}
    cache: {enabled: true, ttl_seconds: 90, max_item_size_mb: 5}
    ip_filter: {allowlist: [], blocklist: []}
    watermark: {enabled: false, text: x}
jwt: {enabled: false, secret: "${NOT_SET}", algorithm: HS256}
cache:
  enabled: true
  cache_layers: [memory, disk]
  memory: {max_item_size_mb: 10, max_cache_size_mb: 2048, default_ttl_seconds: 600}
  disk: {enabled: true, cache_dir: /var/cache/yatagarasu, max_disk_cache_size_mb: 20480, sendfile: {enabled: true}}
  redis: {enabled: true, url: "redis://h"}
  warming: {concurrency: 10, rate_limit: 100}
image_optimization: {enabled: false}
audit_log: {enabled: false, outputs: [file]}
observability:
  tracing: {enabled: false}
  request_logging: {enabled: false}
  slow_query: {enabled: false, threshold_ms: 1000}
logging: {level: warn}
`

func TestOldFileStarts(t *testing.T) {
	c, warnings, err := parse("y", []byte(oldFile), environment(), thisHost)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.Server, Server{Address: "127.0.0.1", Port: 8088, Drain: 5 * time.Second, MaxConcurrentRequests: 1000}) || c.Log.Level.String() != "WARN" || c.Node.DataDir != "/var/cache/yatagarasu" {
		t.Errorf("%+v %+v %+v", c.Server, c.Log, c.Node)
	}
	if c.Cache.MemoryBytes != 2<<30 || c.Cache.DiskBytes != 20<<30 || c.Cache.Freshness.Default != 10*time.Minute {
		t.Errorf("%+v", c.Cache)
	}
	want := S3{
		Place: Place{
			Bucket: "acme", Region: "eu-west-1", Endpoint: "http://127.0.0.1:9000", AccessKey: "AKIA", SecretKey: "secret",
			PathStyle: true, Timeout: 7 * time.Second,
		},
		MaxConns: 20, Care: defaultCare(),
	}
	if b := c.Buckets[0]; !reflect.DeepEqual(b.S3, want) || b.Freshness.Default != 90*time.Second || b.PathPrefix != "/products" {
		t.Errorf("%+v", b)
	}
	wantWarned := []string{
		"server.threads", "server.request_timeout",
		"max_body_size", "max_header_size", "max_uri_length", "coalescing.strategy",
		"buckets[0].cache.max_item_size_mb",
		"cache_layers", "cache.memory.max_item_size_mb", "sendfile", "redis", "warming",
	}
	if len(warnings) != len(wantWarned) {
		t.Errorf("%d warnings, want %d: %v", len(warnings), len(wantWarned), warnings)
	}
	for i, w := range warnings[:min(len(warnings), len(wantWarned))] {
		if !strings.Contains(w.String(), wantWarned[i]+": has no effect: ") {
			t.Errorf("warning %d is %s, want one about %s", i, w, wantWarned[i])
		}
	}
}

func TestOldSecondsAndMegabytesFromTheEnvironment(t *testing.T) {
	const text = `
cache: {memory: {max_cache_size_mb: "${MB}"}}
buckets: [{name: b, s3: {bucket: o, timeout: "${SECONDS}"}}, {name: d, s3: {bucket: o, timeout: "${DURATION}"}}]`
	getenv := environment("MB", "100", "SECONDS", "3", "DURATION", "250ms")
	c, _, err := parse("y", []byte(text), getenv, thisHost)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Cache.MemoryBytes, c.Buckets[0].S3.Timeout, c.Buckets[1].S3.Timeout}
	if want := []any{int64(100 << 20), 3 * time.Second, 250 * time.Millisecond}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWhatCannotBeHadStopsTheStart has everything that can be asked for, is
// known, and is not there.
func TestWhatCannotBeHadStopsTheStart(t *testing.T) {
	checkRefusals(t, oneBucket, []refusal{
		{`server: {tls: {cert: c}}`, `1:10: server.tls.key: is missing`},
		{`server: {https: {port: 1}}`, `1:10: server.https: is not a key of Rookery: use server.tls`},
		{`server: {request_timeout: 60}`, `1:27: server.request_timeout: not available in this version: leave it out or at 30`},
		{`server: {max_concurrent_requests: 0}`, `1:35: server.max_concurrent_requests: 0 is out of range: want 1 to 16384`},
		{`server: {rate_limit: {enabled: true}}`, `1:32: server.rate_limit.enabled: limits nothing: give global.requests_per_second or per_ip.requests_per_second`},
		{`server: {rate_limit: {per_ip: {requests_per_second: 1}}}`, `1:10: server.rate_limit: say enabled: true or enabled: false`},
		{`server: {rate_limit: {enabled: true, per_ip: {requests_per_second: 1}}, rate_limits: {per_address: {requests_per_second: 1}}}`, `1:32: server.rate_limit.enabled: server.rate_limits.per_address says the same (line 1): give one of them`},
		{`server: {rate_limits: {total: {}}}`, `1:24: server.rate_limits.total: limits nothing: give requests_per_second or bytes_per_second`},
		{`server: {rate_limits: {total: {requests_per_second: 1, burst: 2, window: 1s}}}`, `1:63: server.rate_limits.total.burst: burst and window contradict each other: a window has no bursts`},
		{`server: {rate_limits: {total: {bytes_per_second: 1, burst: 2}}}`, `1:60: server.rate_limits.total.burst: requests_per_second is missing beside it`},
		{`server: {rate_limit: {enabled: flase}}`, `1:32: server.rate_limit.enabled: want true or false, got "flase"`},
		{`server: {rate_limit: 7}`, `1:22: server.rate_limit: want a section of keys and values, got a number`},
		{`server: {security_limits: {max_uri_length: 100}}`, `1:44: server.security_limits.max_uri_length: not available in this version: leave it out or at 8192`},
		{`server: {coalescing: {enabled: false}}`, `1:32: server.coalescing.enabled: requests for the same bytes always share one fetch`},
		{`auth: {jwt: {}}`, `1:1: auth: is not a key of Rookery: use jwt, and auth.enabled in each bucket`},
		{`claims_verification: []`, `1:1: claims_verification: is not a key of Rookery: use jwt.claims`},
		{`metrics: {port: 9090}`, `1:1: metrics: is not a key of Rookery: use admin.address and admin.port: /metrics is on the admin listener`},
		{`image_optimization: {enabled: true}`, `1:31: image_optimization.enabled: not available in this version`},
		{`audit_log: {enabled: true}`, `1:1: audit_log.file.path: is missing`},
		{`audit_log: {outputs: [file]}`, `1:1: audit_log: say enabled: true or enabled: false`},
		{`audit_log: {enabled: true, outputs: []}`, `1:37: audit_log.outputs: want file, stderr or both`},
		{`audit_log: {enabled: true, outputs: [stderr], file: {path: /a}}`, `1:47: audit_log.file: file is not among audit_log.outputs`},
		{`audit_log: {enabled: true, outputs: [syslog, stderr]}`, `1:38: audit_log.outputs: syslog: not available in this version: use stderr, which the system's log takes`},
		{`audit_log: {enabled: true, outputs: [s3, stderr]}`, `1:38: audit_log.outputs: s3: not available in this version: use file, and copy the files that have been rotated`},
		{`audit_log: {enabled: true, outputs: [printer]}`, `1:38: audit_log.outputs: want file or stderr, got "printer"`},
		{`audit_log: {enabled: true, file: {path: /a, rotation_policy: never}}`, `1:62: audit_log.file.rotation_policy: want one of size, daily, got "never"`},
		{`observability: {tracing: {exporter: otlp}}`, `1:17: observability.tracing: this version sends no traces: leave it out or say enabled: false`},
		{"log: {access: true}\nobservability: {request_logging: {enabled: true}}", `2:35: observability.request_logging.enabled: log.access says the same (line 1): give one of them`},
		{`observability: {slow_query: {threshold_ms: 0}}`, `1:44: observability.slow_query.threshold_ms: 0 is out of range: want 1 to 3600000`},
		{`cache: {enabled: false}`, `1:18: cache.enabled: there is no Rookery without its cache`},
		{`cache: {memory: {max_cache_size_mb: 63}}`, `1:37: cache.memory.max_cache_size_mb: 63 is out of range: want 64 to 1073741824`},
		{`cache: {memory: {max_cache_size_mb: 64MiB}}`, `1:37: cache.memory.max_cache_size_mb: want a whole number, got "64MiB"`},
		{`cache: {memory: {default_ttl_seconds: 1}, freshness: {default: 1s}}`, `1:18: cache.memory.default_ttl_seconds: cache.freshness.default says the same (line 1): give one of them`},
		{"node: {data_dir: /a}\ncache: {disk: {cache_dir: /b}}", `2:16: cache.disk.cache_dir: node.data_dir says the same (line 1): give one of them`},
		{"log: {level: info}\nlogging: {level: warn}", `2:11: logging.level: log.level says the same (line 1): give one of them`},
	})
}

func TestWhatABucketCannotHaveStopsTheStart(t *testing.T) {
	const at = "buckets:\n- name: b\n  s3: {bucket: o}\n  "
	checkRefusals(t, "", []refusal{
		{at + `authorization: {type: openfga}`, `4:25: buckets[0].authorization.type: OpenFGA is not available in this version: use opa`},
		{at + `ip_filter: {allowlist: [10.0.0.0/33]}`, `4:27: buckets[0].ip_filter.allowlist: "10.0.0.0/33" is not a network such as 10.0.0.0/8, nor an address`},
		{at + `ip_filter: {allowlist: [192.0.2.1, 10.1.0.0/8]}`, `4:38: buckets[0].ip_filter.allowlist: "10.1.0.0/8" has bits set behind its length: write 10.0.0.0/8`},
		{at + `ip_filter: {allowlist: ["fe80::1%eth0"]}`, `4:27: buckets[0].ip_filter.allowlist: "fe80::1%eth0" is not a network such as 10.0.0.0/8, nor an address`},
		{at + `ip_filter: {blocklist: 10.0.0.0/8}`, `4:26: buckets[0].ip_filter.blocklist: want a list, got text`},
		{at + `watermark: {text: x}`, `4:3: buckets[0].watermark: not available in this version: leave it out or say enabled: false`},
		{at + `image_optimization: {}`, `4:3: buckets[0].image_optimization: not available in this version: leave it out or say enabled: false`},
		{at + `cache: {enabled: false}`, `4:20: buckets[0].cache.enabled: every bucket is cached`},
		{at + `cache: {ttl_seconds: 1, freshness: {default: 1s}}`, `4:11: buckets[0].cache.ttl_seconds: buckets[0].cache.freshness.default says the same (line 4): give one of them`},
	})
}

// A file of the old program names the first replica among the replicas, with s3
// as its double or without: it is asked first, and once.
func TestOldReplicas(t *testing.T) {
	const replicas = `
      replicas:
        - {name: backup, bucket: acme-backup, region: us-east-1, priority: 2, timeout: 8}
        - {name: primary, bucket: acme, region: us-west-2, access_key: A, secret_key: S, priority: 1, timeout: 5}`
	want := S3{
		Place:    Place{Bucket: "acme", Region: "us-west-2", AccessKey: "A", SecretKey: "S", Timeout: 5 * time.Second},
		Replicas: []Replica{{Name: "backup", Priority: 2, Place: Place{Bucket: "acme-backup", Region: "us-east-1", Timeout: 8 * time.Second}}},
		MaxConns: 50, Care: defaultCare(),
	}
	for _, first := range []string{"", "\n      bucket: acme\n      region: us-west-2\n      access_key: A\n      secret_key: S"} {
		c := mustParse(t, "buckets:\n  - name: b\n    s3:"+first+replicas, environment())
		if !reflect.DeepEqual(c.Buckets[0].S3, want) {
			t.Errorf("got  %+v\nwant %+v", c.Buckets[0].S3, want)
		}
	}
}

func TestWhatHasNoEffectYetIsWarnedOf(t *testing.T) {
	const text = `cluster: {gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==}
prices: {get_per_1000: 1, egress_per_gb: 0.09}
cache: {disk: {enabled: false}}
buckets: [{name: b, s3: {bucket: o}}]`
	_, warnings, err := parse("f", []byte(text), environment(), thisHost)
	if err != nil {
		t.Fatal(err)
	}
	want := `[f:2:10: prices.get_per_1000: has no effect: this version does not count savings` +
		` f:3:25: cache.disk.enabled: has no effect: what is cached is always kept on disk too]`
	if got := fmt.Sprint(warnings); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
