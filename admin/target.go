package admin

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"rookery/object"
)

// query holds the parameters of a request. The first thing that is wrong with
// them is kept in err, so that a handler asks once.
type query struct {
	values url.Values
	err    error
}

// parseQuery is strict where url.URL.Query drops what it cannot read: half a
// key must not become another key.
func parseQuery(raw string) *query {
	values, err := url.ParseQuery(raw)
	if err != nil {
		err = fmt.Errorf("malformed query: %w", err)
	}
	return &query{values: values, err: err}
}

func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

func (q *query) one(name string) string {
	if len(q.values[name]) > 1 {
		q.fail(fmt.Errorf("%s is given more than once", name))
	}
	return q.values.Get(name)
}

// key reads key=bucket:name and, where one version of it is meant, versionId=.
func (q *query) key(buckets map[string]bool) object.Key {
	k, err := ParseKey(q.one("key"))
	if err != nil {
		q.fail(err)
	} else if !buckets[k.Bucket] {
		q.fail(fmt.Errorf("no bucket %q is configured on this node", k.Bucket))
	}
	k.Version = q.one("versionId")
	return k
}

// offset reads offset=, a place in the object in bytes, 0 if it is not given.
func (q *query) offset() int64 {
	s := q.one("offset")
	if s == "" && !q.values.Has("offset") {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		q.fail(fmt.Errorf("offset must be a number of bytes from 0 on, not %q", s))
	}
	return n
}

// ParseKey reads an object's key as operators write it, bucket:name. Only the
// first colon separates; the name is taken as it stands.
func ParseKey(s string) (object.Key, error) {
	bucket, name, ok := strings.Cut(s, ":")
	switch {
	case s == "":
		return object.Key{}, errors.New("no key given; it is written bucket:name")
	case !ok:
		return object.Key{}, fmt.Errorf("key %q has no bucket; it is written bucket:name", s)
	case bucket == "":
		return object.Key{}, fmt.Errorf("key %q has an empty bucket; it is written bucket:name", s)
	case name == "":
		return object.Key{}, fmt.Errorf("key %q has an empty name; it is written bucket:name", s)
	case len(name) > object.MaxNameBytes:
		return object.Key{}, fmt.Errorf("the key's name has %d bytes; S3 allows %d", len(name), object.MaxNameBytes)
	case !utf8.ValidString(s):
		return object.Key{}, errors.New("the key is not valid UTF-8")
	}
	return object.Key{Bucket: bucket, Name: name}, nil
}
