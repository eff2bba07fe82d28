package gateway

import (
	"fmt"
	"net"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// Route is how clients reach one bucket. Besides its prefix a bucket is reached
// in S3's path style, as /<Bucket>/<key>, and, where Options.Domain is set, in
// virtual-host style.
type Route struct {
	// Bucket is the bucket's name as it stands in object.Key.
	Bucket string
	// PathPrefix, decoded, begins with "/". "/" takes every path that nothing
	// longer takes; "" is no prefix at all.
	PathPrefix string
	Rules      Rules
}

// Rules are what a bucket lets its clients do beyond reading.
type Rules struct {
	// ClientCacheControl: what a request's Cache-Control asks of the cache is done.
	ClientCacheControl bool
	// ResponseOverrides: the response-* parameters are applied, and not refused.
	ResponseOverrides bool
}

// routes finds the bucket of a request. Immutable once made.
type routes struct {
	// byPrefix holds path prefixes without their last slash, path-style names
	// among them; the root is "".
	byPrefix map[string]*bucketMeter
	depth    int // the most slashes in any prefix
	byHost   map[string]*bucketMeter
	suffix   string // ".s3.example.test" in lower case; "" without virtual hosts
}

// newRoutes fails unless each prefix, path-style name and host selects exactly
// one bucket.
func newRoutes(list []Route, domain string, set *metrics.Set) (*routes, error) {
	t := &routes{byPrefix: map[string]*bucketMeter{}, byHost: map[string]*bucketMeter{}}
	if domain != "" {
		t.suffix = "." + strings.ToLower(strings.Trim(domain, "."))
	}
	for _, r := range list {
		if err := t.add(r, withRules(newBucketMeter(set, r.Bucket), r.Rules)); err != nil {
			return nil, fmt.Errorf("bucket %q: %w", r.Bucket, err)
		}
	}
	return t, nil
}

func withRules(b *bucketMeter, r Rules) *bucketMeter {
	b.rules = r
	return b
}

func (t *routes) add(r Route, b *bucketMeter) error {
	if r.Bucket == "" || strings.Contains(r.Bucket, "/") {
		return fmt.Errorf("a bucket's name is not empty and has no slash")
	}
	prefixes := []string{"/" + r.Bucket}
	if r.PathPrefix != "" {
		if r.PathPrefix[0] != '/' {
			return fmt.Errorf("path prefix %q does not begin with a slash", r.PathPrefix)
		}
		prefixes = append(prefixes, strings.TrimSuffix(r.PathPrefix, "/"))
	}
	for _, p := range prefixes {
		if other := t.byPrefix[p]; other != nil && other != b {
			return fmt.Errorf("the path %q already selects bucket %q", p+"/", other.bucket)
		}
		t.byPrefix[p] = b
		t.depth = max(t.depth, strings.Count(p, "/"))
	}
	host := strings.ToLower(r.Bucket)
	if other := t.byHost[host]; t.suffix != "" && other != nil {
		return fmt.Errorf("the host %q already selects bucket %q", host+t.suffix, other.bucket)
	}
	t.byHost[host] = b
	return nil
}

// virtual reports whether host is "<something>.<domain>", and the bucket that it
// selects; nil if there is no such bucket.
func (t *routes) virtual(host string) (*bucketMeter, bool) {
	if t.suffix == "" {
		return nil, false
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name, ok := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), t.suffix)
	if !ok || name == "" {
		return nil, false
	}
	return t.byHost[name], true
}

// byPath finds the longest prefix of path that ends at a slash or at its end.
// The key is what follows the prefix and one slash.
func (t *routes) byPath(path string) (b *bucketMeter, name string) {
	b, rest := t.byPrefix[""], path
	end := 0
	for range t.depth {
		next := strings.IndexByte(path[end+1:], '/')
		if next < 0 {
			end = len(path)
		} else {
			end += 1 + next
		}
		if longer := t.byPrefix[path[:end]]; longer != nil {
			b, rest = longer, path[end:]
		}
		if end == len(path) {
			break
		}
	}
	return b, strings.TrimPrefix(rest, "/")
}
