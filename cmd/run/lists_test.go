package run_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// s3Bucket is the bucket's name at S3, which no client shall see.
const s3Bucket = "acme-of-the-origin"

// elsewhere has the bucket under another name at S3.
func elsewhere(cfg *config.Config, o *run.Options) {
	quick(cfg, o)
	cfg.Buckets[0].S3.Bucket = s3Bucket
}

// listed is a page of names, of either version.
type listed struct {
	XMLName                             xml.Name
	Name, NextContinuationToken, Marker string
	NextMarker, Prefix, EncodingType    string
	KeyCount, MaxKeys                   int
	IsTruncated                         bool
	Contents                            []struct{ Key, ETag string }
	CommonPrefixes                      []struct{ Prefix string }
}

func (l *listed) keys() (keys []string) {
	for _, c := range l.Contents {
		keys = append(keys, c.Key)
	}
	return keys
}

func (c *testCluster) store(keys ...string) {
	for _, key := range keys {
		c.s3.Put(pattern.Object{Bucket: s3Bucket, Key: key, Size: 10}, s3test.Meta{})
	}
}

// list asks node i for a page.
func (c *testCluster) list(i int, query string) (l listed, res *http.Response) {
	c.t.Helper()
	u, err := url.Parse("http://" + c.nodes[i].PublicAddr().String() + "/" + bucket + "?" + query)
	if err != nil {
		c.t.Fatal(err)
	}
	res, text := c.do(i, http.MethodGet, u, nil)
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s %s", query, res.Status, text)
	}
	if err := xml.Unmarshal([]byte(text), &l); err != nil {
		c.t.Fatalf("%s: %v in %s", query, err, text)
	}
	if l.Name != bucket {
		c.t.Errorf("%s: the bucket is %q", query, l.Name)
	}
	return l, res
}

// Pages through every node, each of them S3's own but for the bucket's name.
func TestListsArePassedOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, elsewhere)
	var keys []string
	for n := range 25 {
		keys = append(keys, fmt.Sprintf("dir/%02d", n))
	}
	c.store(append(keys, "a", "z", "other/1")...)
	var got []string
	for n, query := 0, ""; ; n++ {
		page, res := c.list(n%3, "list-type=2&prefix=dir/&max-keys=10"+query)
		got = append(got, page.keys()...)
		if page.KeyCount != len(page.Contents) || res.Header.Get("X-Cache") != "BYPASS" {
			t.Errorf("page %d: %+v, %v", n, page, res.Header)
		}
		query = "&continuation-token=" + url.QueryEscape(page.NextContinuationToken)
		if !page.IsTruncated {
			break
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("%d names: %q", len(got), got)
	}
	top, _ := c.list(0, "delimiter=/")
	if len(top.CommonPrefixes) != 2 || !slices.Equal(top.keys(), []string{"a", "z"}) {
		t.Errorf("%+v", top)
	}
	if n := len(c.s3.Queries(s3Bucket)); n != 4 {
		t.Errorf("S3 was asked %d times, want 4", n)
	}
}
