package admin_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"rookery/admin"
	"rookery/purge"
)

// offer posts a body to a node with a council, and returns the status and what was
// ordered.
func offer(path, body string) (int, []purge.Order) {
	c := newCouncil()
	opts := fixture()
	opts.Council, opts.Origins = c, map[string][]string{"acme": {"public", "empty"}}
	req := httptest.NewRequest("POST", path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	admin.New(opts).ServeHTTP(answer, req)
	return answer.Code, c.orders()
}

// Whatever is sent, nothing is purged that is wider than the fields say, read by
// another reader of JSON.
func FuzzPurge(f *testing.F) {
	for _, seed := range []string{
		`{"bucket":"public","key":"a"}`, `{"bucket":"public","keys":["a","b"],"id":"x","wait":"1s"}`, `{"bucket":"public","prefix":"p","soft":true}`,
		`{"bucket":"public","tags":["t"]}`, `{"bucket":"public"}`, `{"all":true}`, `{"bucket":"public","key":null}`, `{"bucket":"public","Key":"a"}`,
		`{"bucket":"public","key":"a","key":""}`, `{"bucket":"public"}{"all":true}`, `{"all":true,"bucket":"public"}`, `{"bucket":"public",}`, `{"\u0062ucket":"public"}`,
	} {
		f.Add(seed)
	}
	kinds := map[string]purge.Kind{"key": purge.Object, "keys": purge.Object, "prefix": purge.Prefix, "tags": purge.Tag, "all": purge.All}
	f.Fuzz(func(t *testing.T, body string) {
		status, orders := offer("/admin/cache/purge", body)
		if status != 200 {
			if status != 400 || len(orders) != 0 {
				t.Fatalf("status %d, ordered %+v", status, orders)
			}
			return
		}
		var sent map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &sent); err != nil || len(orders) != 1 {
			t.Fatalf("%v, ordered %+v", err, orders)
		}
		want := purge.Bucket
		for field, kind := range kinds {
			if sent[field] != nil {
				want = kind
			}
		}
		for _, s := range orders[0].Scopes {
			if s.Kind != want || (s.Bucket != "public" && s.Bucket != "empty" && want != purge.All) {
				t.Fatalf("ordered %+v", orders)
			}
		}
	})
}

// No event does harm, and none purges what it does not name.
func FuzzEvents(f *testing.F) {
	for _, name := range []string{"s3-put", "sns-put", "minio-put", "minio-odd-key", "minio-delete", "s3-test", "sns-test", "sns-confirm"} {
		f.Add(sample(f, name))
	}
	f.Add(records(record("ObjectCreated:Put", "a", "1"), `{}`))
	f.Fuzz(func(t *testing.T, body string) {
		status, orders := offer("/admin/events/s3", body)
		if status != 200 && status != 400 {
			t.Fatalf("status %d", status)
		}
		for _, o := range orders {
			for _, s := range o.Scopes {
				if s.Kind != purge.Object || s.Name == "" || len(s.Name) > 1024 || !utf8.ValidString(s.Name) || (s.Bucket != "public" && s.Bucket != "empty") {
					t.Fatalf("ordered %+v", o)
				}
			}
		}
	})
}
