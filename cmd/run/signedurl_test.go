package run_test

import (
	"net/http"
	"testing"
	"time"

	"rookery/auth"
	"rookery/internal/s3test"
)

// A browser with a signed URL reads one object, from every node, and nothing else.
func TestSignedURLsOpenOneObject(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	c := newCluster(t, 2, guarded(t, "{enabled: false}", "{enabled: true, signed_urls: {keys: [{id: web, secret: "+secret+"}], max_expiry: 2h}}"))
	o := c.put("a b/ü", 1000, s3test.Meta{})
	c.put("other", 1000, s3test.Meta{})
	key := auth.SignedURLKey{ID: "web", Secret: []byte(secret)}
	sign := func(own, from string, life time.Duration) string {
		query, err := key.Sign(&auth.URLToSign{Bucket: bucket, Name: o.Key, Query: own, Expires: time.Now().Add(life), From: from})
		if err != nil {
			t.Fatal(err)
		}
		return query
	}
	for _, q := range []struct {
		key, query string
		status     int
	}{
		{"other", sign("", "", time.Hour), http.StatusForbidden},
		{o.Key, "", http.StatusForbidden},
		{o.Key, sign("", "", -time.Second), http.StatusForbidden},
		{o.Key, sign("", "", 3*time.Hour), http.StatusForbidden},
		{o.Key, sign("", "192.0.2.1", time.Hour), http.StatusForbidden},
		{o.Key, sign("", "", time.Hour) + "&response-content-type=text/html", http.StatusForbidden},
		{o.Key, sign("", "127.0.0.1", time.Hour), http.StatusOK},
		{o.Key, sign("response-content-type=text/html", "", time.Hour), http.StatusOK},
	} {
		for i := range c.nodes {
			u := c.target(i, q.key)
			u.RawQuery = q.query
			answer, err := c.send(t.Context(), i, http.MethodGet, u, nil)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != q.status {
				t.Errorf("%+v: %s", q, answer.Status)
			}
			if answer.StatusCode == http.StatusOK {
				if _, err := o.CheckReader(answer.Body, 0, o.Size); err != nil {
					t.Error(err)
				}
			}
			answer.Body.Close()
		}
	}
	c.requests(o.Key, 0, 1)
	c.requests("other", 0, 0)
}
