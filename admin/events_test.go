package admin_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/admin"
	"rookery/purge"
)

// sample is a message as a sender sent it: the ones of MinIO are recorded, the
// ones of S3 and SNS are those of their documentation.
func sample(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// listening is a node whose buckets public and empty both show the S3 bucket acme.
func listening(t *testing.T, c admin.Council, change ...func(*admin.Options)) (url string) {
	t.Helper()
	opts := fixture()
	opts.Council, opts.Origins = c, map[string][]string{"acme": {"public", "empty"}, "far": {"public"}}
	for _, f := range change {
		f(&opts)
	}
	return listen(t, opts).URL + "/admin/events/s3"
}

func objectsOf(bucket string, names ...string) []purge.Scope {
	scopes := objects(names...)
	for i := range scopes {
		scopes[i].Bucket = bucket
	}
	return scopes
}

// in2 has each name in both buckets that show acme.
func in2(names ...string) (scopes []purge.Scope) {
	for _, n := range names {
		scopes = append(scopes, objectsOf("public", n)[0], objectsOf("empty", n)[0])
	}
	return scopes
}

// record is one event of the S3 bucket acme; key is form-encoded.
func record(name, key, sequencer string) string {
	return recordOf("acme", name, key, sequencer)
}

func recordOf(bucket, name, key, sequencer string) string {
	return fmt.Sprintf(`{"eventName":%q,"eventTime":"2026-01-01T00:00:00Z","s3":{"bucket":{"name":%q},"object":{"key":%q,"sequencer":%q}}}`,
		name, bucket, key, sequencer)
}

func records(all ...string) string { return `{"Records":[` + strings.Join(all, ",") + `]}` }

func events(t *testing.T, url, body string) admin.Events {
	t.Helper()
	res, answer := post(t, url, body)
	var v admin.Events
	if err := json.Unmarshal([]byte(answer), &v); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d, %s", res.StatusCode, answer)
	}
	return v
}

// What S3, SNS and MinIO send purges the object in every bucket that shows it.
func TestEventsOfEverySender(t *testing.T) {
	for name, want := range map[string][]purge.Scope{
		"s3-put": in2("red flower+ä/Happy Face.jpg"), "sns-put": in2("red flower+ä/Happy Face.jpg"),
		"minio-put": in2("plain"), "minio-odd-key": in2("a b+c%2Fd/ä?x=1&y.txt"), "minio-tagging": in2("plain"), "minio-delete": in2("plain"),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCouncil()
			v := events(t, listening(t, c), sample(t, name))
			got := c.last(t)
			if !slices.Equal(got.Scopes, want) || got.Soft || c.waits[0] != 0 {
				t.Errorf("ordered %+v, waited %v", got, c.waits)
			}
			if v.Records != 1 || v.Purged != 1 || !slices.Equal(v.IDs, []string{got.ID}) {
				t.Errorf("%+v", v)
			}
		})
	}
}

// The messages that try the way, or ask for a confirmation, purge nothing. The URL
// of the confirmation is for a person: it is logged, and never fetched.
func TestMessagesWithoutEvents(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the SubscribeURL was fetched")
	}))
	defer target.Close()
	c := newCouncil()
	var log bytes.Buffer
	opts := fixture()
	opts.Council, opts.Log = c, slog.New(slog.NewTextHandler(&log, nil))
	srv := listen(t, opts)
	for _, name := range []string{"s3-test", "sns-test", "sns-confirm"} {
		v := events(t, srv.URL+"/admin/events/s3", strings.Replace(sample(t, name), "SUBSCRIBE_URL", target.URL+"/confirm?Token=1", 1))
		if v.Records != 0 || v.IDs == nil {
			t.Errorf("%s: %+v", name, v)
		}
	}
	srv.Close()
	if got := log.String(); !strings.Contains(got, `level=INFO msg="SNS asks`) || !strings.Contains(got, target.URL+"/confirm?Token=1") {
		t.Errorf("log: %s", got)
	}
	if len(c.orders()) != 0 {
		t.Errorf("ordered %+v", c.orders())
	}
}

func TestWhichEventsPurge(t *testing.T) {
	c := newCouncil()
	url := listening(t, c)
	for name, purges := range map[string]bool{
		"ObjectCreated:Put": true, "ObjectCreated:Post": true, "ObjectCreated:Copy": true, "ObjectCreated:CompleteMultipartUpload": true,
		"ObjectRemoved:Delete": true, "ObjectRemoved:DeleteMarkerCreated": true, "s3:ObjectRemoved:Delete": true,
		"LifecycleExpiration:Delete": true, "LifecycleExpiration:DeleteMarkerCreated": true,
		"ObjectRestore:Post": true, "ObjectRestore:Completed": true, "ObjectRestore:Delete": true,
		"ObjectTagging:Put": true, "ObjectTagging:Delete": true, "ObjectAcl:Put": true,
		"LifecycleTransition": false, "IntelligentTiering": false, "ReducedRedundancyLostObject": false,
		"Replication:OperationMissedThreshold": false, "s3:ObjectAccessed:Get": false, "ObjectCreatedX:Put": false,
	} {
		before := len(c.orders())
		v := events(t, url, records(record(name, "k", "")))
		if purged := len(c.orders()) > before; purged != purges || (v.Purged == 1) != purges || (v.Ignored == 1) == purges {
			t.Errorf("%s: purged %t, %+v", name, purged, v)
		}
	}
	before := len(c.orders())
	if v := events(t, url, records(recordOf("nosuch", "ObjectCreated:Put", "k", "1"))); v.Ignored != 1 || len(c.orders()) != before {
		t.Errorf("a bucket that is none of ours: %+v", v)
	}
	if v := events(t, url, records(recordOf("far", "ObjectCreated:Put", "k", "1"))); v.Purged != 1 || !slices.Equal(c.last(t).Scopes, objects("k")) {
		t.Errorf("a replica's bucket: %+v", v)
	}
	if v := events(t, url, records()); v.Records != 0 {
		t.Errorf("no records: %+v", v)
	}
}

// An event is dropped when it has been seen to the byte and its purge was kept, and
// for no other reason: not for its sequencer, which is lower than the last one here.
func TestDuplicatesAndOnlyThoseAreDropped(t *testing.T) {
	c := newCouncil()
	url := listening(t, c)
	first := record("ObjectCreated:Put", "k", "0055AED6DCD90281E5")
	steps := []struct {
		body       string
		purged, ds int
	}{
		{records(first), 1, 0},
		{records(first), 0, 1},
		{records(record("ObjectCreated:Put", "k", "0055AED6DCD90281E4")), 1, 0}, // older
		{records(record("ObjectCreated:Put", "k", "0055AED6DCD90281E6")), 1, 0},
		{records(record("ObjectRemoved:Delete", "k", "0055AED6DCD90281E5")), 1, 0},
		{records(strings.Replace(first, "00:00:00Z", "00:00:01Z", 1)), 1, 0},
		{records(record("ObjectCreated:Put", "l", "0055AED6DCD90281E5")), 1, 0},
		{records(recordOf("far", "ObjectCreated:Put", "k", "0055AED6DCD90281E5")), 1, 0},
		{records(record("ObjectCreated:Put", "m", "1"), record("ObjectCreated:Put", "m", "1"), first), 1, 2},
		// Without a sequencer two events may be alike and still be two.
		{records(record("ObjectCreated:Put", "k", "")), 1, 0},
		{records(record("ObjectCreated:Put", "k", ""), record("ObjectCreated:Put", "k", "")), 2, 0},
	}
	for i, s := range steps {
		before := len(c.orders())
		v := events(t, url, s.body)
		if v.Purged != s.purged || v.Duplicates != s.ds || (len(c.orders()) > before) != (s.purged > 0) {
			t.Errorf("step %d: %+v, %d orders", i, v, len(c.orders())-before)
		}
	}
	if got := c.last(t).Scopes; !slices.Equal(got, in2("k")) {
		t.Errorf("two events of one object are two scopes each: %+v", got)
	}
}

// What could not be kept was not seen: the sender tries again, and then it counts.
func TestEventsThatCouldNotBeKeptComeAgain(t *testing.T) {
	c := newCouncil()
	url := listening(t, c)
	c.err = errors.New("disk full")
	body := records(record("ObjectCreated:Put", "k", "1"))
	res, answer := post(t, url, body)
	checkFailure(t, res, answer, 503, "unavailable", "disk full")
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.err = nil
	if v := events(t, url, body); v.Purged != 1 {
		t.Errorf("%+v", v)
	}
	if v := events(t, url, body); v.Duplicates != 1 {
		t.Errorf("%+v", v)
	}
	res, answer = post(t, listening(t, nil), body)
	checkFailure(t, res, answer, 503, "unavailable", "no council")
}

func TestMalformedEvents(t *testing.T) {
	c := newCouncil()
	url := listening(t, c)
	for body, message := range map[string]string{
		``: "malformed JSON", `[]`: "malformed JSON", `{"Records":`: "malformed JSON", `{}`: "no Records", `{"Records":null}`: "no Records",
		`{"Records":[]}{}`: "malformed JSON", `{"Records":{}}`: "malformed JSON", "{\"Records\":[],\"x\":\"\xff\"}": "not UTF-8",
		`{"Type":"Notification","Message":"hello"}`: "the Message of SNS", `{"Type":"Notification"}`: "the Message of SNS",
		`{"Type":"Notification","Message":"{\"Type\":\"Notification\"}"}`:                    "no Records",
		`{"Event":"s3:OtherEvent"}`:                                                          "no Records",
		records(`7`):                                                                         "record 0: malformed JSON",
		records(`{}`):                                                                        "record 0: no eventName",
		records(`{"eventName":"ObjectCreated:Put"}`):                                         "no name of a bucket",
		records(record("ObjectCreated:Put", "", "1")):                                        "no key of an object",
		records(record("ObjectCreated:Put", "%zz", "1")):                                     "not form-encoded",
		records(record("ObjectCreated:Put", "%ff", "1")):                                     "not UTF-8",
		records(record("ObjectCreated:Put", strings.Repeat("k", 1025), "1")):                 "at most 1024 bytes",
		records(slices.Repeat([]string{record("ObjectCreated:Put", "k", "1")}, 1001)...):     "1001 records",
		records(`{"eventName":"ObjectCreated:Put","s3":{"object":{"key":"a"}}}`):             "no name of a bucket",
		records(`{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"a"},"object":7}}`): "record 0: malformed JSON",
	} {
		res, answer := post(t, url, body)
		if res.StatusCode != 400 {
			t.Errorf("%.80s: status %d, %s", body, res.StatusCode, answer)
			continue
		}
		checkFailure(t, res, answer, 400, "bad_request", message)
	}
	if len(c.orders()) != 0 {
		t.Errorf("ordered %+v", c.orders())
	}
	res, answer := post(t, url, records(record("ObjectCreated:Put", "a", "1"), `{}`, record("ObjectCreated:Put", "b", "1")))
	checkFailure(t, res, answer, 400, "bad_request", "record 1: no eventName; the other records are done")
	if got := c.last(t).Scopes; !slices.Equal(got, in2("a", "b")) {
		t.Errorf("one bad record kept back the others: %+v", got)
	}
	res, answer = post(t, url, strings.Repeat(" ", 9<<20))
	checkFailure(t, res, answer, 413, "too_large", "too large")
}

func TestEventsTakeBasicAuthToo(t *testing.T) {
	c := newCouncil()
	url := listening(t, c)
	basic := func(userinfo string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo)) }
	for _, good := range []string{"Bearer " + token, basic("sns:" + token), basic(":" + token), "basic " + basic("x:" + token)[6:]} {
		if res, body := send(t, url, records(), good); res.StatusCode != 200 {
			t.Errorf("%s: status %d, %s", good, res.StatusCode, body)
		}
	}
	for _, bad := range []string{"", basic("sns:x"), basic(token), basic(token + ":"), basic("a:b:" + token), "Basic !", "Bearer x"} {
		res, body := send(t, url, records(record("ObjectCreated:Put", "k", "1")), bad)
		checkFailure(t, res, body, 401, "unauthorized", "token")
		// SNS answers the first challenge, and wants a realm in it.
		if got := res.Header.Values("WWW-Authenticate"); len(got) != 2 || got[0] != `Basic realm="rookery admin"` || !strings.HasPrefix(got[1], "Bearer ") {
			t.Errorf("%s: challenge %q", bad, got)
		}
	}
	if len(c.orders()) != 0 {
		t.Errorf("ordered %+v", c.orders())
	}
}

func TestEventsAreCounted(t *testing.T) {
	set := metrics.NewSet()
	url := listening(t, newCouncil(), func(o *admin.Options) { o.Metrics = set })
	a := record("ObjectCreated:Put", "a", "1")
	events(t, url, records(a, a, record("IntelligentTiering", "a", "1"), record("ObjectCreated:Put", "b", "1")))
	post(t, url, records(`{}`))
	var text bytes.Buffer
	set.WritePrometheus(&text)
	for _, want := range []string{`{outcome="purged"} 2`, `{outcome="duplicate"} 1`, `{outcome="ignored"} 1`, `{outcome="malformed"} 1`} {
		if !strings.Contains(text.String(), "rookery_s3_events_total"+want) {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
}

// batchOf has n records of different objects, from one number on.
func batchOf(from, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = record("ObjectCreated:Put", fmt.Sprintf("photos/%08d.jpg", from+i), fmt.Sprintf("%016X", from+i))
	}
	return records(all...)
}

// A thousand events are one entry of the log, and a node takes many times what it
// must: 1,000 events a second. The council here costs nothing; its own rate is
// shown where it is.
func TestABatchIsOneEntry(t *testing.T) {
	c := newCouncil()
	url := listening(t, c, func(o *admin.Options) { o.Origins = map[string][]string{"acme": {"public"}} })
	v := events(t, url, batchOf(0, 1000))
	if v.Purged != 1000 || len(v.IDs) != 1 || len(c.batches) != 1 || len(c.orders()) != 1 || len(c.orders()[0].Scopes) != 1000 {
		t.Errorf("%d purged, %d ids, %d entries", v.Purged, len(v.IDs), len(c.batches))
	}

	two := newCouncil()
	v = events(t, listening(t, two), batchOf(0, 1000)) // two buckets show it
	if v.Purged != 1000 || len(v.IDs) != 2 || len(two.batches) != 1 || len(two.orders()) != 2 {
		t.Errorf("%d purged, %d ids, %d entries of %d orders", v.Purged, len(v.IDs), len(two.batches), len(two.orders()))
	}
}

func TestManyEventsAtOnce(t *testing.T) {
	c := newCouncil()
	url := listening(t, c, func(o *admin.Options) { o.Origins = map[string][]string{"acme": {"public"}} })
	const senders, batches = 4, 5
	start := time.Now()
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for b := range batches {
				if res, body := post(t, url, batchOf((s*batches+b)*1000, 1000)); res.StatusCode != 200 {
					t.Errorf("status %d, %.200s", res.StatusCode, body)
				}
			}
		})
	}
	group.Wait()
	purged := 0
	for _, o := range c.orders() {
		purged += len(o.Scopes)
	}
	rate := float64(purged) / time.Since(start).Seconds()
	t.Logf("%.0f events a second", rate)
	if purged != senders*batches*1000 || len(c.batches) != senders*batches {
		t.Errorf("%d events purged in %d entries", purged, len(c.batches))
	}
	if rate < 2000 {
		t.Errorf("%.0f events a second; twice 1,000 is the least", rate)
	}
}
