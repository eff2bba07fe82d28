package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fate is what becomes of an old key: it does what it says, as a test of the room that
// does it shows, or has no effect and gives a warning, or stops the start.
type fate struct {
	read            func(*Config) any
	want            any
	shown           string // "package Test"
	warned, refused string
}

func does(read func(*Config) any, want any, shown string) fate {
	return fate{read: read, want: want, shown: shown}
}
func warns(why string) fate   { return fate{warned: why} }
func refuses(why string) fate { return fate{refused: why} }

// oldKeys has every key of a Yatagarasu file, with a value.
var oldKeys = []struct {
	key, value string
	fate       fate
}{
	{"server.address", `127.0.0.1`, does(func(c *Config) any { return c.Server.Address }, "127.0.0.1", "cmd/run TestWhatClientsSee")},
	{"server.port", `8081`, does(func(c *Config) any { return c.Server.Port }, 8081, "cmd/rookery TestServeNamesAPortInUse")},
	{"server.threads", `4`, warns("all processors that the process may use are used")},
	{"server.request_timeout", `30`, warns("not available in this version")},
	{"server.max_concurrent_requests", `77`, does(func(c *Config) any { return c.Server.MaxConcurrentRequests }, 77, "gateway TestRequestsAreBounded")},
	{"server.rate_limit.enabled", `false`, does(func(c *Config) any { return c.Server.RateLimits }, RateLimits{}, "gateway TestRateLimits")},
	{"server.rate_limit.global.requests_per_second", `7`, does(func(c *Config) any { return c.Server.RateLimits.Total.Requests }, 7, "gateway TestRateLimits")},
	{"server.rate_limit.per_ip.requests_per_second", `8`, does(func(c *Config) any { return c.Server.RateLimits.PerAddress.Requests }, 8, "gateway TestRateLimits")},
	{"server.security_limits.max_body_size", `10MB`, warns("not available in this version")},
	{"server.security_limits.max_header_size", `64KB`, warns("not available in this version")},
	{"server.security_limits.max_uri_length", `8192`, warns("not available in this version")},
	{"server.coalescing.enabled", `false`, refuses("requests for the same bytes always share one fetch")},
	{"server.coalescing.strategy", `wait_for_complete`, warns("readers always stream what has arrived")},
	{"buckets[].name", `b2`, does(func(c *Config) any { return c.Buckets[0].Name }, "b2", "gateway TestRoutes")},
	{"buckets[].path_prefix", `/p`, does(func(c *Config) any { return c.Buckets[0].PathPrefix }, "/p", "gateway TestRoutes")},
	{"buckets[].s3.bucket", `o2`, does(func(c *Config) any { return c.Buckets[0].S3.Bucket }, "o2", "origin TestNamesAreSentExactly")},
	{"buckets[].s3.region", `eu-1`, does(func(c *Config) any { return c.Buckets[0].S3.Region }, "eu-1", "origin TestDefaultChain")},
	{"buckets[].s3.access_key", `A`, does(func(c *Config) any { return string(c.Buckets[0].S3.AccessKey) }, "A", "origin TestNamesAreSentExactly")},
	{"buckets[].s3.secret_key", `S`, does(func(c *Config) any { return string(c.Buckets[0].S3.SecretKey) }, "S", "origin TestNamesAreSentExactly")},
	{"buckets[].s3.endpoint", `"http://h:9000"`, does(func(c *Config) any { return c.Buckets[0].S3.Endpoint }, "http://h:9000", "origin TestRealOrigins")},
	{"buckets[].s3.timeout", `9`, does(func(c *Config) any { return c.Buckets[0].S3.Timeout }, 9*time.Second, "origin TestNoAnswer")},
	{"buckets[].s3.connection_pool_size", `20`, does(func(c *Config) any { return c.Buckets[0].S3.MaxConns }, 20, "origin TestABodyHoldsItsPlace")},
	{"buckets[].s3.circuit_breaker.failure_threshold", `9`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Breaker.FailureThreshold }, 9, "origin TestTheBreakerOpensAndCloses")},
	{"buckets[].s3.circuit_breaker.success_threshold", `3`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Breaker.SuccessThreshold }, 3, "origin TestTheBreakerOpensAndCloses")},
	{"buckets[].s3.circuit_breaker.timeout_seconds", `30`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Breaker.Timeout }, 30*time.Second, "origin TestTheBreakerOpensAndCloses")},
	{"buckets[].s3.circuit_breaker.half_open_max_requests", `2`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Breaker.HalfOpenRequests }, 2, "origin TestTrialsAreFew")},
	{"buckets[].s3.rate_limit.requests_per_second", `50`, does(func(c *Config) any { return c.Buckets[0].S3.Care.RequestsPerSecond }, 50, "origin TestRequestsASecond")},
	{"buckets[].s3.retry.max_attempts", `4`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Retry.MaxAttempts }, 4, "node TestOriginFailuresAreRetriedSoOften")},
	{"buckets[].s3.retry.initial_backoff_ms", `50`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Retry.InitialBackoff }, 50*time.Millisecond, "node TestWaitsBetweenAttempts")},
	{"buckets[].s3.retry.max_backoff_ms", `2000`, does(func(c *Config) any { return c.Buckets[0].S3.Care.Retry.MaxBackoff }, 2*time.Second, "node TestWaitsBetweenAttempts")},
	{"buckets[].s3.replicas[].name", `r2`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].Name }, "r2", "origin TestFailover")},
	{"buckets[].s3.replicas[].bucket", `rb2`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].Bucket }, "rb2", "origin TestFailover")},
	{"buckets[].s3.replicas[].region", `eu-2`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].Region }, "eu-2", "origin TestFailover")},
	{"buckets[].s3.replicas[].access_key", `A`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].AccessKey }, Secret("A"), "origin TestFailover")},
	{"buckets[].s3.replicas[].secret_key", `S`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].SecretKey }, Secret("S"), "origin TestFailover")},
	{"buckets[].s3.replicas[].endpoint", `"http://h:9001"`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].Endpoint }, "http://h:9001", "origin TestFailover")},
	{"buckets[].s3.replicas[].priority", `3`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].Priority }, 3, "origin TestFailover")},
	{"buckets[].s3.replicas[].timeout", `5`, does(func(c *Config) any { return c.Buckets[0].S3.Replicas[0].Timeout }, 5*time.Second, "origin TestFailover")},
	{"buckets[].auth.enabled", `true`, does(func(c *Config) any { return c.Buckets[0].Auth.Enabled }, true, "cmd/run TestTokensOpenWhatTheyMay")},
	{"buckets[].cache.enabled", `false`, refuses("every bucket is cached")},
	{"buckets[].cache.ttl_seconds", `90`, does(func(c *Config) any { return c.Buckets[0].Freshness.Default }, 90*time.Second, "node TestStaleWhileRevalidate")},
	{"buckets[].cache.max_item_size_mb", `5`, warns("objects of every size are cached, in chunks")},
	{"buckets[].authorization.type", `opa`, does(func(c *Config) any { return c.Buckets[0].OPA != nil }, true, "auth TestOPAFailsClosed")},
	{"buckets[].authorization.opa_url", `"http://h:8181"`, does(func(c *Config) any { return c.Buckets[0].OPA.URL }, "http://h:8181", "auth TestOPAFailsClosed")},
	{"buckets[].authorization.opa_policy_path", `a/b`, does(func(c *Config) any { return c.Buckets[0].OPA.PolicyPath }, "a/b", "auth TestOPAFailsClosed")},
	{"buckets[].authorization.opa_timeout_ms", `50`, does(func(c *Config) any { return c.Buckets[0].OPA.Timeout }, 50*time.Millisecond, "auth TestOPAFailsClosed")},
	{"buckets[].authorization.opa_cache_ttl_seconds", `10`, does(func(c *Config) any { return c.Buckets[0].OPA.CacheTTL }, 10*time.Second, "auth TestOPAFailsClosed")},
	{"buckets[].authorization.opa_fail_mode", `open`, refuses("what OPA does not decide is always refused")},
	{"buckets[].authorization.openfga_endpoint", `"http://h"`, refuses("OpenFGA is not available in this version: use opa")},
	{"buckets[].ip_filter.allowlist", `[10.0.0.0/8]`, does(func(c *Config) any { return fmt.Sprint(c.Buckets[0].IPFilter.Allow) }, "[10.0.0.0/8]", "cmd/run TestNodeKeepsAddressLists")},
	{"buckets[].ip_filter.blocklist", `[192.0.2.1]`, does(func(c *Config) any { return fmt.Sprint(c.Buckets[0].IPFilter.Block) }, "[192.0.2.1/32]", "cmd/run TestNodeKeepsAddressLists")},
	{"buckets[].watermark", `{text: x}`, refuses("not available in this version")},
	{"jwt.enabled", `true`, does(func(c *Config) any { return c.JWT.Enabled }, true, "cmd/run TestTokensOpenWhatTheyMay")},
	{"jwt.secret", `0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`, does(func(c *Config) any { return string(c.JWT.Issuers[0].Keys[0].Secret) }, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "auth TestEveryAlgorithmVerifies")},
	{"jwt.algorithm", `HS256`, does(func(c *Config) any { return fmt.Sprint(c.JWT.Issuers[0].Algorithms) }, "[HS256]", "auth TestEveryAlgorithmVerifies")},
	{"jwt.rsa_public_key_path", `/r.pem`, does(func(c *Config) any { return c.JWT.Issuers[0].Keys[0].Path }, "/r.pem", "auth TestEveryAlgorithmVerifies")},
	{"jwt.ecdsa_public_key_path", `/e.pem`, does(func(c *Config) any { return c.JWT.Issuers[0].Keys[0].Path }, "/e.pem", "auth TestEveryAlgorithmVerifies")},
	{"jwt.token_sources[].type", `query`, does(func(c *Config) any { return c.JWT.Sources[0].Type }, "query", "auth TestWhereATokenMayBe")},
	{"jwt.token_sources[].name", `tok`, does(func(c *Config) any { return c.JWT.Sources[0].Name }, "tok", "auth TestWhereATokenMayBe")},
	{"jwt.token_sources[].prefix", `"Token "`, does(func(c *Config) any { return c.JWT.Sources[0].Prefix }, "Token ", "auth TestWhereATokenMayBe")},
	{"jwt.claims[].claim", `role`, does(func(c *Config) any { return fmt.Sprint(c.JWT.Claims[0].Claim) }, "[role]", "auth TestClaims")},
	{"jwt.claims[].operator", `gte`, does(func(c *Config) any { return c.JWT.Claims[0].Operator }, "gte", "auth TestClaims")},
	{"jwt.claims[].value", `5`, does(func(c *Config) any { return fmt.Sprint(c.JWT.Claims[0].Values) }, "[5]", "auth TestClaims")},
	{"jwt.admin_claims", `[{claim: role, operator: equals, value: admin}]`, does(func(c *Config) any { return fmt.Sprint(c.JWT.AdminClaims[0].Values) }, "[admin]", "auth TestClaims")},
	{"jwt.keys[].id", `k1`, does(func(c *Config) any { return c.JWT.Issuers[0].Keys[0].ID }, "k1", "auth TestEveryAlgorithmVerifies")},
	{"jwt.keys[].algorithm", `HS384`, does(func(c *Config) any { return c.JWT.Issuers[0].Keys[0].Algorithm }, "HS384", "auth TestEveryAlgorithmVerifies")},
	{"jwt.keys[].secret", `0123456789abcdef0123456789abcdef`, does(func(c *Config) any { return string(c.JWT.Issuers[0].Keys[0].Secret) }, "0123456789abcdef0123456789abcdef", "auth TestEveryAlgorithmVerifies")},
	{"jwt.keys[].path", `/k.pem`, does(func(c *Config) any { return c.JWT.Issuers[0].Keys[0].Path }, "/k.pem", "auth TestParsePublicKey")},
	{"jwt.jwks_url", `"https://h/k"`, does(func(c *Config) any { return c.JWT.Issuers[0].JWKS.URL }, "https://h/k", "auth TestWhereKeysAreFetchedFrom")},
	{"jwt.jwks_refresh_interval_secs", `600`, does(func(c *Config) any { return c.JWT.Issuers[0].JWKS.Refresh }, 10*time.Minute, "auth TestUnknownKeysAreFetchedOnceInAWhile")},
	{"cache.enabled", `false`, refuses("there is no Rookery without its cache")},
	{"cache.cache_layers", `[memory]`, warns("memory and disk are always used")},
	{"cache.memory.max_item_size_mb", `10`, warns("objects of every size are cached, in chunks")},
	{"cache.memory.max_cache_size_mb", `1024`, does(func(c *Config) any { return c.Cache.MemoryBytes }, int64(1<<30), "store TestHotBoundHolds")},
	{"cache.memory.default_ttl_seconds", `60`, does(func(c *Config) any { return c.Cache.Freshness.Default }, time.Minute, "node TestStaleWhileRevalidate")},
	{"cache.disk.enabled", `false`, warns("what is cached is always kept on disk too")},
	{"cache.disk.cache_dir", `/d`, does(func(c *Config) any { return c.Node.DataDir }, "/d", "cmd/run TestRestartedNodesStillHaveEverything")},
	{"cache.disk.max_disk_cache_size_mb", `1024`, does(func(c *Config) any { return c.Cache.DiskBytes }, int64(1<<30), "store TestCapacityIsNeverExceeded")},
	{"cache.disk.sendfile.enabled", `true`, warns("the node decides how bytes leave")},
	{"cache.disk.sendfile.threshold_bytes", `65536`, warns("the node decides how bytes leave")},
	{"cache.redis", `{enabled: true}`, warns("the cluster takes its place")},
	{"cache.warming.concurrency", `10`, warns("not available in this version")},
	{"cache.warming.rate_limit", `100`, warns("not available in this version")},
	{"image_optimization", `{enabled: true}`, refuses("not available in this version")},
	{"audit_log.enabled", `true`, does(func(c *Config) any { return c.AuditLog.Enabled }, true, "cmd/run TestANodesAuditLog")},
	{"audit_log.outputs", `[file, stderr]`, does(func(c *Config) any { return c.AuditLog.Stderr }, true, "cmd/run TestANodesAuditLog")},
	{"audit_log.file.path", `/a.log`, does(func(c *Config) any { return c.AuditLog.File.Path }, "/a.log", "cmd/run TestANodesAuditLog")},
	{"audit_log.file.max_file_size_mb", `7`, does(func(c *Config) any { return c.AuditLog.File.MaxBytes }, int64(7<<20), "audit TestRotation")},
	{"audit_log.file.max_backup_files", `3`, does(func(c *Config) any { return c.AuditLog.File.Backups }, 3, "audit TestRotation")},
	{"audit_log.file.rotation_policy", `daily`, does(func(c *Config) any { return c.AuditLog.File.Daily }, true, "audit TestRotation")},
	{"observability.tracing.exporter", `otlp`, refuses("this version sends no traces")},
	{"observability.request_logging", `{enabled: false}`, does(func(c *Config) any { return c.Log.Access }, false, "cmd/run TestTheAccessLogCanBeTurnedOff")},
	{"observability.slow_query.threshold_ms", `250`, does(func(c *Config) any { return c.Log.Slow }, 250*time.Millisecond, "gateway TestSlowRequestsAreLogged")},
	{"metrics.port", `9090`, refuses("is not a key of Rookery: use admin.address and admin.port")},
	{"logging.level", `warn`, does(func(c *Config) any { return c.Log.Level.String() }, "WARN", "cmd/run TestReload")},
	{"server.https", `{port: 443}`, refuses("is not a key of Rookery: use server.tls")},
	{"claims_verification", `[]`, refuses("is not a key of Rookery: use jwt.claims")},
	{"auth.jwt", `{}`, refuses("is not a key of Rookery: use jwt, and auth.enabled in each bucket")},
}

// beside is what a key needs to stand beside it, by the longest prefix of the key.
var beside = map[string]string{
	"server.rate_limit.enabled":          "server.rate_limit.global.requests_per_second=1",
	"server.rate_limit.":                 "server.rate_limit.enabled=true",
	"buckets[].s3.access_key":            "buckets[].s3.secret_key=S",
	"buckets[].s3.secret_key":            "buckets[].s3.access_key=A",
	"buckets[].s3.replicas[].access_key": "buckets[].s3.replicas[].secret_key=S",
	"buckets[].s3.replicas[].secret_key": "buckets[].s3.replicas[].access_key=A",
	"buckets[].auth.enabled":             jwtBeside,
	"buckets[].authorization.type":       "buckets[].authorization.opa_url=http://h buckets[].authorization.opa_policy_path=a",
	"buckets[].authorization.opa_url":    "buckets[].authorization.type=opa buckets[].authorization.opa_policy_path=a",
	"buckets[].authorization.opa_policy": "buckets[].authorization.type=opa buckets[].authorization.opa_url=http://h",
	"buckets[].authorization.opa_":       opaBeside,
	"buckets[].authorization.openfga":    "buckets[].authorization.type=openfga",
	"jwt.enabled":                        "jwt.algorithm=HS256 jwt.secret=" + jwtSecret,
	"jwt.secret":                         "jwt.enabled=true jwt.algorithm=HS256",
	"jwt.algorithm":                      "jwt.enabled=true jwt.secret=" + jwtSecret,
	"jwt.rsa_public_key_path":            "jwt.enabled=true jwt.algorithm=RS256",
	"jwt.ecdsa_public_key_path":          "jwt.enabled=true jwt.algorithm=ES256",
	"jwt.token_sources[].type":           jwtBeside + " jwt.token_sources[].name=t",
	"jwt.token_sources[].":               jwtBeside + " jwt.token_sources[].type=header jwt.token_sources[].name=t",
	"jwt.claims[].claim":                 jwtBeside + " jwt.claims[].operator=equals jwt.claims[].value=1",
	"jwt.claims[].":                      jwtBeside + " jwt.claims[].claim=n jwt.claims[].operator=equals jwt.claims[].value=1",
	"jwt.admin_claims":                   jwtBeside,
	"jwt.keys[].path":                    "jwt.enabled=true jwt.keys[].algorithm=RS256",
	"jwt.keys[].secret":                  "jwt.enabled=true jwt.keys[].algorithm=HS256",
	"jwt.keys[].algorithm":               "jwt.enabled=true jwt.keys[].secret=" + jwtSecret + jwtSecret,
	"jwt.keys[].id":                      "jwt.enabled=true jwt.keys[].algorithm=HS256 jwt.keys[].secret=" + jwtSecret,
	"jwt.jwks_url":                       "jwt.enabled=true jwt.algorithm=RS256",
	"jwt.jwks_refresh_interval_secs":     "jwt.enabled=true jwt.algorithm=RS256 jwt.jwks_url=https://h/k",
	"audit_log.enabled":                  "audit_log.file.path=/a",
	"audit_log.outputs":                  "audit_log.enabled=true audit_log.file.path=/a",
	"audit_log.file.path":                "audit_log.enabled=true",
	"audit_log.file.":                    "audit_log.enabled=true audit_log.file.path=/a",
}

const (
	opaBeside = "buckets[].authorization.type=opa buckets[].authorization.opa_url=http://h buckets[].authorization.opa_policy_path=a"
	jwtSecret = "0123456789abcdef0123456789abcdef"
	jwtBeside = "jwt.enabled=true jwt.algorithm=HS256 jwt.secret=" + jwtSecret
)

// Every key of the old program does what it says, or says that it does not.
func TestOldKeys(t *testing.T) {
	for _, row := range oldKeys {
		text := fileOf(t, row.key, row.value)
		c, warnings, err := parse("f", text, docsEnvironment(), thisHost)
		switch f := row.fate; {
		case f.refused != "":
			if err == nil || !strings.Contains(err.Error(), f.refused) || strings.Contains(err.Error(), "unknown key") {
				t.Errorf("%s: %s: %v, want it refused: %s", row.key, row.value, err, f.refused)
			}
		case err != nil:
			t.Errorf("%s: %s: %v\n%s", row.key, row.value, err, text)
		case f.warned != "":
			if got := fmt.Sprint(warnings); !strings.Contains(got, "has no effect: "+f.warned) {
				t.Errorf("%s: %s: warnings %s, want %s", row.key, row.value, got, f.warned)
			}
		default:
			if got := f.read(c); !reflect.DeepEqual(got, f.want) || len(warnings) > 0 {
				t.Errorf("%s: %s: is %v, want %v; warnings %v", row.key, row.value, got, f.want, warnings)
			}
			checkShown(t, row.key, f.shown)
		}
	}
}

// fileOf is a file with a key and what it needs beside it.
func fileOf(t *testing.T, key, value string) []byte {
	t.Helper()
	keys, values := []string{}, []string{}
	longest := ""
	for prefix := range beside {
		if strings.HasPrefix(key, prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	for pair := range strings.FieldsSeq(beside[longest]) {
		other, is, _ := strings.Cut(pair, "=")
		if other != key {
			keys, values = append(keys, other), append(values, is)
		}
	}
	return fileWith(t, append(keys, key), append(values, value))
}

// checkShown makes sure that the test that shows what a key does is there.
func checkShown(t *testing.T, key, shown string) {
	t.Helper()
	room, test, _ := strings.Cut(shown, " ")
	files, _ := filepath.Glob("../" + room + "/*_test.go")
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), "\nfunc "+test+"(") {
			return
		}
	}
	t.Errorf("%s: %s has no %s", key, room, test)
}

// The list of the old program's keys was taken from its source; none may be forgotten
// here, and none made up.
func TestNoOldKeyIsForgotten(t *testing.T) {
	listed := map[string]bool{}
	for key := range strings.FieldsSeq(readText(t, "testdata/yatagarasu.keys")) {
		listed[key] = true
	}
	for _, row := range oldKeys {
		if !listed[row.key] {
			t.Errorf("%s is not listed, or is there twice", row.key)
		}
		delete(listed, row.key)
	}
	for key := range listed {
		t.Errorf("%s has no row", key)
	}
}

// A whole file of the old program's, with every section, starts; only what has no
// effect is warned of.
func TestAWholeOldFile(t *testing.T) {
	getenv := environment("S3_ACCESS_KEY", "A", "S3_SECRET_KEY", "S", "JWT_SECRET", jwtSecret)
	c, warnings, err := parse("y", []byte(readText(t, "testdata/yatagarasu.yaml")), getenv, thisHost)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "has no effect: ") {
			t.Errorf("%s", w)
		}
	}
	if len(c.Buckets) != 2 || !c.Buckets[0].Auth.Enabled || c.Buckets[1].Auth.Enabled || c.Server.RateLimits.PerAddress.Requests != 50 ||
		!c.AuditLog.Enabled || c.Log.Slow != time.Second || len(c.Buckets[0].S3.Replicas) != 1 {
		t.Errorf("%s", c.Effective())
	}
}
