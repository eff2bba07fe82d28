package config

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
)

// Reload says when a node takes its file anew without being told to.
type Reload struct {
	Watch bool // when the file changes
}

func readReload(s *section, r *Reload) { s.boolean("watch", &r.Watch) }

func (r *Reload) effective() yaml.MapSlice {
	return yaml.MapSlice{{Key: "watch", Value: r.Watch}}
}

// reloadable says of each part of a Config whether a reload may change it. What is not
// here, and what is false, wants a restart: it is a listener, a place on the disk, memory
// that is divided once, or how the others know the node.
var reloadable = map[string]bool{
	"Node":                         false,
	"Server.Address":               false,
	"Server.Port":                  false,
	"Server.Domain":                true,
	"Server.TLS":                   false, // the files are followed
	"Server.TrustedProxies":        true,
	"Server.IPFilter":              true,
	"Server.Drain":                 true,
	"Server.MaxConcurrentRequests": true,
	"Server.RateLimits":            true,
	"Admin.Address":                false,
	"Admin.Port":                   false,
	"Admin.Token":                  true,
	"Admin.TLS":                    false,
	"Cluster":                      false,
	"Cache.MemoryBytes":            false,
	"Cache.DiskBytes":              false,
	"Cache.FinishAbandonedBytes":   false,
	"Cache.Freshness":              true,
	"Buckets":                      true,
	"Log.Level":                    true,
	"Log.JSON":                     false,
	"Log.Access":                   true,
	"Log.Slow":                     true,
	"JWT":                          true,
	"Prices":                       true,
	"Reload":                       false,
	"Network":                      false,
	"AuditLog":                     false,
}

// Compare returns the keys in which two configurations differ: those that a reload may
// change, and those that want a restart. They are the file's keys, without values.
func Compare(old, next *Config) (changed, fixed []string) {
	was, is := reflect.ValueOf(old).Elem(), reflect.ValueOf(next).Elem()
	for i := range was.NumField() {
		field := was.Type().Field(i)
		if field.Name == "Buckets" {
			changed = append(changed, compareBuckets(old.Buckets, next.Buckets)...)
			continue
		}
		for _, path := range differ(field.Name, was.Field(i), is.Field(i)) {
			if mayReload(path) {
				changed = append(changed, keyOf(path))
			} else {
				fixed = append(fixed, keyOf(path))
			}
		}
	}
	return changed, fixed
}

// mayReload looks a part up, or the one that it is in.
func mayReload(path string) bool {
	for {
		if may, known := reloadable[path]; known {
			return may
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return false
		}
		path = path[:i]
	}
}

func compareBuckets(old, next []Bucket) (changed []string) {
	was := make(map[string]*Bucket, len(old))
	for i := range old {
		was[old[i].Name] = &old[i]
	}
	for i := range next {
		b := &next[i]
		before := was[b.Name]
		delete(was, b.Name)
		if before == nil {
			changed = append(changed, fmt.Sprintf("buckets.%s (added)", b.Name))
			continue
		}
		for _, path := range differ("Bucket", reflect.ValueOf(before).Elem(), reflect.ValueOf(b).Elem()) {
			changed = append(changed, "buckets."+b.Name+strings.TrimPrefix(keyOf(path), "bucket"))
		}
	}
	for _, b := range old {
		if was[b.Name] != nil {
			changed = append(changed, fmt.Sprintf("buckets.%s (removed)", b.Name))
		}
	}
	return changed
}

// differ returns the paths of the fields in which two values of one type differ, as
// deep as they are structs.
func differ(path string, a, b reflect.Value) []string {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return nil
	}
	if a.Kind() != reflect.Struct {
		return []string{path}
	}
	var all []string
	for i := range a.NumField() {
		field := a.Type().Field(i)
		name := path + "." + field.Name
		if field.Anonymous {
			name = path
		}
		all = append(all, differ(name, a.Field(i), b.Field(i))...)
	}
	return all
}

// keys are the names of fields that are not those of their keys.
var keys = map[string]string{
	"MemoryBytes": "memory", "DiskBytes": "disk", "FinishAbandonedBytes": "finish_abandoned",
	"JSON": "format", "NotFound": "negative_404", "Forbidden": "negative_403", "MaxConns": "connection_pool_size",
	"Breaker": "circuit_breaker", "Care": "", "TagHeaders": "cache.tag_header", "StaleWithoutLease": "cache.stale_without_lease",
	"ClientCacheControl": "cache.client_cache_control", "Lists": "cache.lists", "NoAnonymousLists": "anonymous_lists", "Identity": "cache.identity",
	"SigV4": "sigv4", "SignedURLs": "signed_urls", "OPA": "authorization",
}

// keyOf turns a path of fields into the file's key.
func keyOf(path string) string {
	var all []string
	for i, name := range strings.Split(path, ".") {
		key, special := keys[name]
		switch {
		case name == "Freshness" && strings.HasPrefix(path, "Bucket.") && i == 1:
			key = "cache.freshness"
		case !special:
			key = snake(name)
		}
		if key != "" {
			all = append(all, key)
		}
	}
	return strings.Join(all, ".")
}

// snake writes a field's name as keys are written: GossipKey is gossip_key.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		low := i > 0 && unicode.IsLower(runes[i-1])
		ends := i > 0 && i+1 < len(runes) && unicode.IsUpper(r) && unicode.IsLower(runes[i+1])
		if unicode.IsUpper(r) && (low || ends) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
