package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Whoever adds a field to Config says whether a reload may change it. What nobody has
// said wants a restart, so a mistake here is only a nuisance.
func TestEveryPartIsClassified(t *testing.T) {
	seen := map[string]bool{}
	of := reflect.TypeFor[Config]()
	for i := range of.NumField() {
		section := of.Field(i)
		if _, known := reloadable[section.Name]; known {
			seen[section.Name] = true
			continue
		}
		if section.Type.Kind() != reflect.Struct {
			t.Errorf("Config.%s: reloadable does not say whether a reload may change it", section.Name)
			continue
		}
		for k := range section.Type.NumField() {
			path := section.Name + "." + section.Type.Field(k).Name
			if seen[path] = true; !has(reloadable, path) {
				t.Errorf("Config.%s: reloadable does not say whether a reload may change it", path)
			}
		}
	}
	for path := range reloadable {
		if !seen[path] {
			t.Errorf("reloadable has %s, Config does not", path)
		}
	}
}

func has(m map[string]bool, key string) bool { _, ok := m[key]; return ok }

const before = `
node: {name: rook-0}
admin: {token: one}
buckets:
  - {name: a, s3: {bucket: a, access_key: AK, secret_key: SK}}
  - {name: b, s3: {bucket: b}}
`

func TestCompare(t *testing.T) {
	cases := map[string]struct {
		replace        []string // pairs
		changed, fixed []string
	}{
		"nothing":     {},
		"a token":     {[]string{"token: one", "token: two"}, []string{"admin.token"}, nil},
		"credentials": {[]string{"SK}", "other}"}, []string{"buckets.a.s3.secret_key"}, nil},
		"buckets": {
			[]string{"name: b, s3: {bucket: b}", "name: c, s3: {bucket: b}"},
			[]string{"buckets.c (added)", "buckets.b (removed)"},
			nil,
		},
		"inside a bucket": {
			[]string{"bucket: b}}", "bucket: x, hedge: {}, retry: {max_attempts: 1}, connection_pool_size: 7}, path_prefix: /x, cache: {tag_header: [], identity: i, freshness: {default: 1m, negative_404: 1s}}}"},
			[]string{
				"buckets.b.path_prefix", "buckets.b.s3.bucket", "buckets.b.s3.connection_pool_size", "buckets.b.s3.retry.max_attempts",
				"buckets.b.s3.hedge.enabled", "buckets.b.cache.freshness.default", "buckets.b.cache.freshness.negative_404",
				"buckets.b.cache.tag_header", "buckets.b.cache.identity",
			},
			nil,
		},
		"what wants a restart": {
			[]string{"node: {name: rook-0}", "node: {name: rook-1, zone: z}\nserver: {port: 81, domain: d}\ncache: {memory: 1GiB}\nlog: {level: debug, format: json}\ncluster: {gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==}"},
			[]string{"server.domain", "server.max_concurrent_requests", "log.level"},
			[]string{"node.name", "node.zone", "server.port", "cluster.gossip_key", "cache.memory", "log.format"},
		},
	}
	for name, c := range cases {
		was, is := mustParse(t, before, environment()), mustParse(t, strings.NewReplacer(c.replace...).Replace(before), environment())
		changed, fixed := Compare(was, is)
		if !slices.Equal(changed, c.changed) || !slices.Equal(fixed, c.fixed) {
			t.Errorf("%s:\nchanged %q\n   want %q\nfixed %q\n want %q", name, changed, c.changed, fixed, c.fixed)
		}
	}
}

// A bucket's place follows S3's bucket, or the identity that the file gives it, and
// nothing else.
func TestPlace(t *testing.T) {
	place := func(s3, cache string) uint64 {
		c := mustParse(t, "node: {name: n}\nbuckets: [{name: x, s3: {"+s3+"}, cache: {"+cache+"}}]", environment())
		return c.Buckets[0].Place()
	}
	first := place("bucket: b, endpoint: \"http://one\"", "")
	for name, other := range map[string]uint64{
		"another bucket":   place("bucket: c, endpoint: \"http://one\"", ""),
		"another endpoint": place("bucket: b, endpoint: \"http://two\"", ""),
		"an identity":      place("bucket: b, endpoint: \"http://one\"", "identity: i"),
	} {
		if other == first {
			t.Errorf("%s is the same place", name)
		}
	}
	same := "bucket: b, endpoint: \"http://one\", access_key: a, secret_key: s, region: r, replicas: [{name: two, bucket: c}]"
	if place(same, "") != first {
		t.Error("other credentials are another place")
	}
	if place("bucket: b", "identity: i") != place("bucket: c, endpoint: \"http://two\"", "identity: i") {
		t.Error("one identity is two places")
	}
}
