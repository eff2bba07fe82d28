package config

import (
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// bucketName is one path segment, one host label where it is to be one, and has
// no colon: operators write bucket:key.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// readBuckets returns the sections that it read, one for each bucket.
func readBuckets(root *section, c *Config) []*section {
	sections, ok := root.list("buckets")
	if ok && len(sections) == 0 {
		root.doc.fail(root.keyAt("buckets"), "buckets: want at least one")
	}
	for _, s := range sections {
		b := Bucket{Freshness: c.Cache.Freshness}
		readBucket(s, &b)
		readAuth(s.section("auth"), c, &b.Auth)
		b.OPA = readAuthorization(s.section("authorization"))
		c.Buckets = append(c.Buckets, b)
	}
	return sections
}

func readBucket(s *section, b *Bucket) {
	switch {
	case !s.text("name", &b.Name):
		s.missing("name")
	case !bucketName.MatchString(b.Name):
		s.fail("name", "%q: want 1 to 63 letters, digits, dots, dashes or underscores, a letter or digit first", b.Name)
		b.Name = ""
	}
	b.PathPrefix = "/" + b.Name
	readPrefix(s, b)
	readS3(s.section("s3"), &b.S3)
	readBucketCache(s.section("cache"), b)
	readAudit(s, b)
	s.integer("max_concurrent_requests", &b.MaxConcurrentRequests, 1, mostPerSecond)
	readRateLimits(s.section("rate_limits"), &b.RateLimits)
	readAnonymousLists(s, b)
	readCORS(s, b)
	readIPFilter(s.section("ip_filter"), &b.IPFilter)
	readOldBucket(s)
}

// missing reports a key that must be there, unless it is and was refused.
func (s *section) missing(key string) {
	if !s.has(key) && !s.opaque {
		s.doc.fail(s.at, "%s: is missing", s.key(key))
	}
}

func readPrefix(s *section, b *Bucket) {
	var prefix string
	if !s.text("path_prefix", &prefix) {
		return
	}
	if len(prefix) > len("/x") {
		prefix = strings.TrimSuffix(prefix, "/")
	}
	if problem := checkPrefix(prefix); problem != "" {
		s.fail("path_prefix", "%q %s", prefix, problem)
		return
	}
	b.PathPrefix = prefix
}

func checkPrefix(prefix string) (problem string) {
	if !strings.HasPrefix(prefix, "/") {
		return "does not start with a slash"
	}
	if strings.ContainsAny(prefix, "%?#") {
		return "contains %, ? or #: write the path decoded and without a query"
	}
	if prefix == "/" {
		return ""
	}
	for segment := range strings.SplitSeq(prefix[1:], "/") {
		switch segment {
		case "", ".", "..":
			return "has an empty, . or .. segment"
		}
	}
	return ""
}

func readBucketCache(s *section, b *Bucket) {
	s.named("identity", &b.Identity)
	readFreshness(s.section("freshness"), &b.Freshness)
	s.boolean("stale_without_lease", &b.StaleWithoutLease)
	s.boolean("client_cache_control", &b.ClientCacheControl)
	readLists(s, b)
	readTagHeaders(s, b)
	readOldBucketCache(s, b)
}

// headerName is a field name (RFC 9110 §5.1).
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

// readTagHeaders reads the headers that carry an object's tags: one, or a list,
// which may be empty.
func readTagHeaders(s *section, b *Bucket) {
	b.TagHeaders = []string{"X-Amz-Meta-Cache-Tag", "Surrogate-Key", "Cache-Tag"}
	if !s.has("tag_header") {
		s.take("tag_header")
		return
	}
	names, at := s.oneOrMore("tag_header")
	b.TagHeaders = make([]string, 0, len(names))
	for i, name := range names {
		if !headerName.MatchString(name) {
			s.doc.fail(at[i], "%s: %q is not a header's name", s.key("tag_header"), name)
			continue
		}
		b.TagHeaders = append(b.TagHeaders, textproto.CanonicalMIMEHeaderKey(name))
	}
}

func readS3(s *section, o *S3) {
	o.MaxConns = 50
	readReplicas(s, o)
	s.integer("connection_pool_size", &o.MaxConns, 1, 10000)
	readCare(s, &o.Care)
}

func readPlace(s *section, o *Place) {
	o.Region, o.Timeout = "us-east-1", 20*time.Second
	s.text("bucket", &o.Bucket)
	s.text("region", &o.Region)
	if s.text("endpoint", &o.Endpoint) {
		o.PathStyle = true // what nearly every S3 outside AWS expects
		readEndpoint(s, o)
	}
	readCredentials(s, o)
	s.boolean("path_style", &o.PathStyle)
	s.seconds("timeout", &o.Timeout, 100*time.Millisecond, 10*time.Minute)
}

func readEndpoint(s *section, o *Place) {
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		s.fail("endpoint", "want a URL such as https://s3.example.com")
	case u.User != nil:
		s.fail("endpoint", "want no user or password in the URL: use access_key and secret_key")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		s.fail("endpoint", "want a URL without a path or a query")
	default:
		o.Endpoint = u.Scheme + "://" + u.Host
	}
}

func readCredentials(s *section, o *Place) {
	s.secret("access_key", &o.AccessKey)
	s.secret("secret_key", &o.SecretKey)
	s.boolean("anonymous", &o.Anonymous)
	access, secret := s.has("access_key"), s.has("secret_key")
	switch {
	case access && !secret:
		s.fail("access_key", "secret_key is missing beside it: give both or none")
	case secret && !access:
		s.fail("secret_key", "access_key is missing beside it: give both or none")
	case access && o.Anonymous:
		s.fail("anonymous", "keys and anonymous: true contradict each other")
	}
}
