package config

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// unmasked puts a configuration's secrets back into its effective text, which
// has them in a known order.
func unmasked(t *testing.T, c *Config) string {
	t.Helper()
	secrets := []string{string(c.Admin.Token), encodeKey(c.Cluster.GossipKey)}
	for _, b := range c.Buckets {
		secrets = append(secrets, string(b.S3.AccessKey), string(b.S3.SecretKey))
		for _, r := range b.S3.Replicas {
			secrets = append(secrets, string(r.AccessKey), string(r.SecretKey))
		}
	}
	var tokens []string
	for _, i := range c.JWT.Issuers {
		for _, k := range i.Keys {
			tokens = append(tokens, string(k.Secret))
		}
	}
	secrets = append(secrets[:2], append(tokens, secrets[2:]...)...)
	text := string(c.Effective())
	for _, secret := range secrets {
		if secret != "" {
			text = strings.Replace(text, `"***"`, strconv.Quote(escape(secret)), 1)
		}
	}
	if strings.Contains(text, `: "***"`) {
		t.Errorf("more masks than secrets:\n%s", text)
	}
	return text
}

func TestEffectiveParsesAgain(t *testing.T) {
	for name, text := range map[string]string{
		"smallest": smallest, "everything": everything, "old": oldFile, "tokens": tokensFile,
		"odd texts": `
node: {name: "123", zone: "0x1", data_dir: "/a b/#c: $${D} \"é\"'"}
cluster: {join: ["dns+h:1"], gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==, peer_tls: {cert: " x ", key: "- y", ca: "{z"}}
admin: {token: "no"}
prices: {get_per_1000: 1e-9, egress_per_gb: 123456789.125}
buckets: [{name: "null", path_prefix: "/ü &a", s3: {bucket: "1_000", access_key: "~", secret_key: "a: b"}}]
`,
	} {
		c, _, err := parse(name, []byte(text), everythingEnvironment(), thisHost)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parse(name, []byte(unmasked(t, c)), environment(), thisHost)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v\n%s", name, err, again, c, c.Effective())
		}
	}
}

func TestEffectiveIsComplete(t *testing.T) {
	got := string(mustParse(t, "node: {name: rook-0}\nadmin: {token: t}"+oneBucket, environment()).Effective())
	want := `node:
  name: rook-0
  data_dir: /var/lib/rookery
server:
  address: 0.0.0.0
  port: 8080
  drain: 5s
  max_concurrent_requests: 8192
admin:
  address: 127.0.0.1
  port: 9080
  token: "***"
cluster:
  bind: 0.0.0.0:7946
  peer_bind: 0.0.0.0:7947
  founder: rook-0
  expect: 1
  lease: 5s
  forget_after: 1h
  peer_timeout: 3s
cache:
  memory: 512MiB
  disk: 10GiB
  finish_abandoned: 8MiB
  freshness:
    default: 1h
    stale_while_revalidate: 1m
    stale_if_error: 24h
    negative_404: 10s
    negative_403: 10s
    ignore_origin: false
log:
  level: info
  format: text
  access: true
reload:
  watch: true
prices:
  get_per_1000: 0.0004
  egress_per_gb: 0.09
  cross_zone_per_gb: 0.02
jwt:
  enabled: false
buckets:
  - name: b
    path_prefix: /b
    s3:
      bucket: o
      region: us-east-1
      anonymous: false
      path_style: false
      timeout: 20s
      connection_pool_size: 50
      retry:
        max_attempts: 3
        initial_backoff_ms: 100
        max_backoff_ms: 1000
      circuit_breaker:
        failure_threshold: 5
        success_threshold: 2
        timeout_seconds: 60
        half_open_max_requests: 3
      hedge:
        enabled: false
        quantile: 0.95
        max_extra: 0.05
    auth:
      enabled: false
    cache:
      freshness:
        default: 1h
        stale_while_revalidate: 1m
        stale_if_error: 24h
        negative_404: 10s
        negative_403: 10s
        ignore_origin: false
      stale_without_lease: false
      tag_header:
        - X-Amz-Meta-Cache-Tag
        - Surrogate-Key
        - Cache-Tag
      client_cache_control: false
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
