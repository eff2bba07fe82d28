package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"rookery/gateway"
	"rookery/object"
)

// The identity of an object is written here a second time, from S3's rules and with
// other means than the gateway's: two requests have the same cache key exactly if S3
// would see the same bucket, key, version and part.

// identityRoutes: path style for all, prefixes for two, virtual hosts below s3.test.
var identityRoutes = []gateway.Route{
	{Bucket: "public", PathPrefix: "/public"}, {Bucket: "deep", PathPrefix: "/public/deep"}, {Bucket: "rest", PathPrefix: "/"}, {Bucket: "bare"},
}

const identityDomain = "s3.test"

// seen is what S3 would see of a request; the zero seen if it would not see an object.
type seen struct {
	bucket, key, version, part string
}

var absolute = regexp.MustCompile(`(?s)^(?i:https?)://([^/?]*)(.*)$`)

// model says what S3 would see. known is false for an authority that is none, which is
// another test's matter.
func model(raw, host string) (_ seen, known bool) {
	if !strings.HasPrefix(raw, "/") && absolute.MatchString(raw) {
		m := absolute.FindStringSubmatch(raw)
		host, raw = m[1], m[2]
		if raw == "" || raw[0] == '?' {
			raw = "/" + raw
		}
	}
	name, port, _ := strings.Cut(strings.ToLower(host), ":")
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Trim(port, "0123456789") != "" {
		return seen{}, false
	}
	if raw == "" || raw[0] != '/' {
		return seen{}, true // InvalidURI
	}
	rawPath, query := raw, ""
	if i := strings.IndexByte(raw, '?'); i >= 0 {
		rawPath, query = raw[:i], raw[i+1:]
	}
	path, err := url.PathUnescape(rawPath)
	if err != nil || !utf8.ValidString(path) {
		return seen{}, true // InvalidURI
	}
	s, ok := objectOf(path, name)
	if !ok || s.key == "" || len(s.key) > 1024 {
		return seen{}, true // no bucket, a bucket, or KeyTooLongError
	}
	modelQuery(query, &s)
	return s, true
}

// objectOf finds the bucket by the host's name, or by the longest of all ways to write a
// bucket before a slash.
func objectOf(path, name string) (s seen, ok bool) {
	name = strings.TrimSuffix(name, ".")
	if below, is := strings.CutSuffix(name, "."+identityDomain); is && below != "" {
		for _, r := range identityRoutes {
			if r.Bucket == below {
				return seen{bucket: r.Bucket, key: path[1:]}, true
			}
		}
		return seen{}, false // NoSuchBucket
	}
	if path == "/health" || path == "/ready" {
		return seen{}, false // the load balancer's
	}
	longest := -1
	for _, r := range identityRoutes {
		for _, prefix := range []string{"/" + r.Bucket + "/", strings.TrimSuffix(r.PathPrefix, "/") + "/"} {
			if r.PathPrefix == "" && prefix == "/" {
				continue // none, and not the root
			}
			if strings.HasPrefix(path+"/", prefix) && len(prefix) > longest {
				longest = len(prefix)
				s = seen{bucket: r.Bucket}
				if len(path) >= len(prefix) {
					s.key = path[len(prefix):]
				}
			}
		}
	}
	return s, longest > 0
}

// modelQuery reads what of a query is a part of the identity. It knows no query that
// asks for something else than an object; the generator makes none.
func modelQuery(query string, s *seen) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, _ = url.PathUnescape(name)
		value, _ = url.PathUnescape(value)
		switch name {
		case "versionId":
			s.version = value
		case "partNumber":
			s.part = value
		}
	}
}

// recorder is a Reader that keeps the key that it was asked for.
type recorder struct {
	key   object.Key
	asked bool
}

func (r *recorder) Open(_ context.Context, ask *object.Ask) (*object.Answer, error) {
	if ask.Key.Part == 0 || !r.asked {
		r.key, r.asked = ask.Key, true
	}
	return &object.Answer{Info: object.Info{ETag: `"e"`, Validated: validated}, Outcome: object.Hit}, nil
}

// Query is asked for what is no object.
func (r *recorder) Query(context.Context, object.Query, *object.Wish) (*object.Answer, error) {
	return nil, object.ErrUnreachable
}

type noHeader struct{}

func (noHeader) Values(string) []string { return nil }

// identities is a gateway whose keys can be asked for.
type identities struct {
	core *gateway.Core
	node recorder
}

func newIdentities(t testing.TB) *identities {
	i := new(identities)
	var err error
	i.core, err = gateway.New(gateway.Options{Reader: &i.node, Policy: gateway.Policy{Routes: identityRoutes, Domain: identityDomain}, NewRequestID: func() string { return "id" }})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// of returns the key of a request; the zero Key if the node was not asked.
func (i *identities) of(raw, host string) object.Key {
	i.node.key, i.node.asked = object.Key{}, false
	i.core.Serve(context.Background(), &gateway.Request{Method: http.MethodHead, Target: raw, Host: host, Header: noHeader{}})
	return i.node.key
}

// check compares a pair. A request that S3 would not take for one of an object has no key.
func (i *identities) check(rawA, hostA, rawB, hostB string) (same bool, err error) {
	a, knownA := model(rawA, hostA)
	b, knownB := model(rawB, hostB)
	if !knownA || !knownB {
		return false, nil
	}
	keyA, keyB := i.of(rawA, hostA), i.of(rawB, hostB)
	for _, one := range []struct {
		raw, host string
		key       object.Key
		seen      seen
	}{{rawA, hostA, keyA, a}, {rawB, hostB, keyB, b}} {
		if (one.key == object.Key{}) != (one.seen == seen{}) || one.key.Bucket != one.seen.bucket || one.key.Name != one.seen.key {
			return false, fmt.Errorf("%q at %s: the key is %+v, S3 sees %+v", one.raw, one.host, one.key, one.seen)
		}
	}
	if keyA == (object.Key{}) || keyB == (object.Key{}) {
		return false, nil
	}
	if same = a == b; (keyA.Hash() == keyB.Hash()) != same || (string(keyA.AppendCanonical(nil)) == string(keyB.AppendCanonical(nil))) != same {
		return same, fmt.Errorf("%q at %s and %q at %s: keys %+v and %+v, S3 sees %+v and %+v", rawA, hostA, rawB, hostB, keyA, keyB, a, b)
	}
	return same, nil
}

// Keys are the same exactly where S3 would see the same object.
func TestKeysAreWhatS3Sees(t *testing.T) {
	i := newIdentities(t)
	g := generator{rand.New(rand.NewPCG(5, 2026))}
	var same, other int
	for range identityPairs {
		rawA, hostA, rawB, hostB := g.pair()
		is, err := i.check(rawA, hostA, rawB, hostB)
		if err != nil {
			t.Fatal(err)
		}
		if is {
			same++
		} else {
			other++
		}
	}
	t.Logf("%d pairs: %d of one object, %d not", identityPairs, same, other)
	if same < identityPairs/4 || other < identityPairs/4 {
		t.Errorf("of %d pairs %d are of one object and %d are not: too few of one kind to show much", identityPairs, same, other)
	}
}

func FuzzKeysAreWhatS3Sees(f *testing.F) {
	g := generator{rand.New(rand.NewPCG(1, 1))}
	for range 50 {
		rawA, hostA, rawB, hostB := g.pair()
		f.Add(rawA, hostA == "gateway.test", rawB, hostB == "gateway.test")
	}
	i := newIdentities(f)
	hosts := map[bool]string{true: "gateway.test", false: "public." + identityDomain}
	f.Fuzz(func(t *testing.T, rawA string, pathA bool, rawB string, pathB bool) {
		// Queries have a model in the generator's words alone.
		rawA, _, _ = strings.Cut(rawA, "?")
		rawB, _, _ = strings.Cut(rawB, "?")
		if _, err := i.check(rawA, hosts[pathA], rawB, hosts[pathB]); err != nil {
			t.Error(err)
		}
	})
}
