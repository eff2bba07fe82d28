package gateway_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"rookery/audit"
	"rookery/auth"
	"rookery/gateway"
)

// entries is what an audit log wrote.
type entries struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *entries) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(p)
}

func (*entries) Close() error { return nil }

// all returns the entries, without their times.
func (e *entries) all(t *testing.T) (all []audit.Entry) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for line := range strings.Lines(e.text.String()) {
		var one audit.Entry
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		one.Time = time.Time{}
		all = append(all, one)
	}
	return all
}

// Each refused read is recorded, with who it was and why, and no secret; of a bucket
// that asks for it each other read too.
func TestReadsAreAudited(t *testing.T) {
	var written entries
	log := audit.New(audit.Options{Node: "n", To: &written})
	f := newFront(t, func(o *gateway.Options) {
		o.Audit = log
		guard := auth.NewGuard(false, []auth.Scheme{named{}}, []auth.Rule{readers{}})
		o.Policy.Routes[0].Guard = guard
		o.Policy.Routes = append(o.Policy.Routes, gateway.Route{Bucket: "watched", Guard: guard, AuditReads: true})
	})
	f.node.hold(key("ann/o"), "v", 10)
	watched := key("ann/o")
	watched.Bucket = "watched"
	f.node.hold(watched, "v", 10)
	for _, c := range []struct{ method, target, name string }{
		{"GET", "/public/ann/o", "ann"}, // let in, and not recorded
		{"GET", "/public/ann/o?X-Amz-Signature=s3cret&token=s3cret", ""},
		{"HEAD", "/public/bob/o", "ann"},
		{"GET", "/watched/ann/o", "mallory"},
		{"GET", "/watched/ann/o?token=s3cret", "ann"},
		{"GET", "/watched/ann/absent", "ann"},
		{"PUT", "/watched/ann/o", "ann"}, // no read
	} {
		header := []string{"X-Request-Id", "r", "Authorization", "Bearer s3cret", "Cookie", "c=s3cret"}
		if c.name != "" {
			header = append(header, "X-Name", c.name)
		}
		f.do(c.method, c.target, header...)
	}
	f.server.Close() // all of them are over
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(written.text.String(), "s3cret") {
		t.Errorf("a secret is in the audit log:\n%s", written.text.String())
	}
	base := audit.Entry{Node: "n", RequestID: "r", Action: "read", Key: "ann/o"}
	want := make([]audit.Entry, 5)
	for i := range want {
		want[i] = base
	}
	want[0].Event, want[0].Method, want[0].Bucket, want[0].Reason, want[0].Status = audit.Denied, "GET", "public", auth.NoCredentials, 403
	want[1].Event, want[1].Method, want[1].Bucket, want[1].Reason, want[1].Status = audit.Denied, "HEAD", "public", "claims", 403
	want[1].Key, want[1].Scheme, want[1].Subject = "bob/o", "named", "ann"
	want[2].Event, want[2].Method, want[2].Bucket, want[2].Reason, want[2].Status = audit.Denied, "GET", "watched", auth.Undecided, 403
	want[3].Event, want[3].Method, want[3].Bucket, want[3].Status, want[3].Bytes = audit.Read, "GET", "watched", 200, 10
	want[3].Scheme, want[3].Subject = "named", "ann"
	want[4] = want[3]
	want[4].Key, want[4].Status = "ann/absent", 404
	got := written.all(t)
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d:\n%s", len(got), len(want), written.text.String())
	}
	for i := range want {
		if a, err := netip.ParseAddrPort(got[i].Remote); err != nil || !a.Addr().IsLoopback() {
			t.Errorf("entry %d comes from %q", i, got[i].Remote)
		}
		got[i].Remote = ""
		if i == 4 && got[i].Bytes > 0 {
			got[i].Bytes = 10 // the error's text
		}
		if got[i] != want[i] {
			t.Errorf("entry %d: %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

// Who comes from where nobody may is recorded too, though their bucket is not known yet.
func TestRefusedAddressesAreAudited(t *testing.T) {
	var written entries
	log := audit.New(audit.Options{Node: "n", To: &written})
	f := newFront(t, func(o *gateway.Options) {
		o.Audit = log
		o.Policy.Addresses = auth.NewAddresses(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")})
	})
	if got := f.do("GET", "/public/o?token=s3cret"); got.status != 403 {
		t.Errorf("%d", got.status)
	}
	f.do("GET", "/health")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	all := written.all(t)
	if len(all) != 1 || all[0].Event != audit.Denied || all[0].Path != "/public/o" || all[0].Reason != auth.WrongAddress || all[0].Status != 403 {
		t.Errorf("%+v", all)
	}
}

// A request that takes longer than it may is told of, and no other.
func TestSlowRequestsAreLogged(t *testing.T) {
	for step, want := range map[time.Duration]int{200 * time.Millisecond: 0, 2 * time.Second: 1} {
		var log entries
		now := clock
		f := newFront(t, func(o *gateway.Options) {
			o.Log = slog.New(slog.NewJSONHandler(&log, nil))
			o.Policy.SlowAfter = time.Second
			o.Now = func() time.Time { now = now.Add(step); return now } // each look at the clock
		})
		f.node.hold(key("o"), "v", 10)
		f.do("GET", "/public/o?versionId=v")
		f.do("GET", "/public/o?response-token=s3cret")
		f.do("GET", "/public/o")
		f.server.Close() // it is over
		text := log.text.String()
		if got := strings.Count(text, `"msg":"slow request"`); got != 3*want || strings.Contains(text, "s3cret") {
			t.Errorf("%d lines where it takes %v, want %d:\n%s", got, 2*step, 3*want, text)
		}
	}
}
