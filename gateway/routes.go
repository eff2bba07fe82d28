package gateway

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// route is one bucket of a policy, and its series.
type route struct {
	Route
	*bucketMeter
	cors []corsRule
}

// routes finds the bucket of a request. Immutable once made.
type routes struct {
	// byPrefix holds path prefixes without their last slash, path-style names
	// among them; the root is "".
	byPrefix map[string]*route
	all      []*route // sorted by name
	depth    int      // the most slashes in any prefix
	byHost   map[string]*route
	suffix   string // ".s3.example.test" in lower case; "" without virtual hosts
}

// newRoutes fails unless each prefix, path-style name and host selects exactly
// one bucket.
func newRoutes(list []Route, domain string, set *metrics.Set) (*routes, error) {
	t := &routes{byPrefix: map[string]*route{}, byHost: map[string]*route{}}
	if domain != "" {
		t.suffix = "." + strings.ToLower(strings.Trim(domain, "."))
	}
	for _, r := range list {
		if err := t.add(&route{r, newBucketMeter(set, r.Bucket), newCORS(r.CORS)}); err != nil {
			return nil, fmt.Errorf("bucket %q: %w", r.Bucket, err)
		}
	}
	slices.SortFunc(t.all, func(a, b *route) int { return strings.Compare(a.bucket, b.bucket) })
	return t, nil
}

func (t *routes) add(r *route) error {
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
		if other := t.byPrefix[p]; other != nil && other != r {
			return fmt.Errorf("the path %q already selects bucket %q", p+"/", other.bucket)
		}
		t.byPrefix[p] = r
		t.depth = max(t.depth, strings.Count(p, "/"))
	}
	host := strings.ToLower(r.Bucket)
	if other := t.byHost[host]; t.suffix != "" && other != nil {
		return fmt.Errorf("the host %q already selects bucket %q", host+t.suffix, other.bucket)
	}
	t.byHost[host] = r
	t.all = append(t.all, r)
	return nil
}

// virtual reports whether host is "<something>.<domain>", and the bucket that it
// selects; nil if there is no such bucket.
func (t *routes) virtual(host string) (*route, bool) {
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
func (t *routes) byPath(path string) (b *route, name string) {
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
