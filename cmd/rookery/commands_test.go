package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"rookery/admin"
	"rookery/object"
	"rookery/ring"
)

func TestStatus(t *testing.T) {
	rookery(t, node(t, nil), "status").isDone(t, strings.TrimLeft(`
node     rook-0, version v1
health   ok
ready    yes
ring     scheme
council  none
lease    none: hits are confirmed with S3

MEMBER  STATE    ZONE   PEER ADDRESS   VERSION
rook-0  ready    eu-1a  10.0.0.1:7947  v1
rook-1  joining  -      -              -

CACHE  HITS  MISSES  HOLDS
hot    10    20      1000 B of 256.0 MiB, 3 objects
disk   15    5       1.5 GiB of 50.0 GiB, 24 segments
peer   0     0       -

origin     5 requests, 5.0 MiB received
collapsed  7 readers waited for another's request
bypassed   1 answers were not for the cache
flights    0, holding 0 B
evicted    0 records, 0 B reclaimed, 0 B kept by copying
corrupt    0 records
`, "\n"))
}

// Bad news of a node is still an answer: the command has done what it is for.
func TestStatusOfTroubledNode(t *testing.T) {
	env := node(t, func(o *admin.Options) {
		o.Health = func() admin.Health {
			return admin.Health{State: admin.HealthDegraded, Reasons: []string{"disk full"}, Node: "rook-0"}
		}
		o.Ready = func() admin.Ready { return admin.Ready{Reasons: []string{"alone", "no disk"}} }
		o.Cluster = func() admin.Cluster {
			return admin.Cluster{Members: []admin.Member{{Name: "rook-2", State: "ready", Unfit: "scheme x"}}}
		}
		o.Stats = func() admin.Stats { return admin.Stats{Disk: admin.Disk{Full: true}} }
	})
	r := rookery(t, env, "status")
	for _, want := range []string{
		"health   degraded (disk full)\n", "ready    no (alone; no disk)\n",
		"ready (unfit: scheme x)", "0 segments, full: nothing is stored\n",
	} {
		if r.code != exitDone || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in %+v", want, r)
		}
	}
	r = rookery(t, env, "status", "--json")
	var got status
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != exitDone {
		t.Fatalf("%v in %+v", err, r)
	}
	if got.Ready.Ready || got.Health.State != admin.HealthDegraded || !got.Stats.Disk.Full || got.Cluster.Members[0].Unfit != "scheme x" {
		t.Errorf("%+v", got)
	}
}

func TestRing(t *testing.T) {
	env := node(t, nil)
	rookery(t, env, "ring", "public:a").isDone(t,
		"KEY       EXTENT  OWNER   SUCCESSORS\npublic:a  0       rook-1  rook-0\n")
	rookery(t, env, "ring", "public:a", "--offset", "67108864").isDone(t,
		"KEY       EXTENT  OWNER   SUCCESSORS\npublic:a  1       rook-0  -\n")
	rookery(t, env, "ring", "public:a", "--json").isDone(t, `{
  "key": "public:a",
  "extent": 0,
  "owner": "rook-1",
  "successors": [
    "rook-0"
  ]
}
`)
}

// What looks like syntax to a URL is part of the name and arrives as it is.
func TestRingKeysArriveWhole(t *testing.T) {
	var got []object.Key
	env := node(t, func(o *admin.Options) {
		o.Owners = func(key object.Key, _ int64) []string { got = append(got, key); return nil }
	})
	want := []object.Key{
		{Bucket: "public", Name: "a b+c%2Fd&e=f;g?h#i:j"},
		{Bucket: "public", Name: "//../ü "},
		{Bucket: "public", Name: "-x", Version: "v+1"},
	}
	for _, key := range want {
		args := []string{"ring", "--version-id", key.Version, "--", key.Bucket + ":" + key.Name}
		if r := rookery(t, env, args...); r.code != exitDone {
			t.Errorf("%+v", r)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}

func TestRingOfUnknownBucket(t *testing.T) {
	r := rookery(t, node(t, nil), "ring", "nosuch:a")
	if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, `no bucket "nosuch"`) {
		t.Errorf("%+v", r)
	}
}

func TestRingWithoutReadyNodes(t *testing.T) {
	env := node(t, func(o *admin.Options) { o.Owners = func(object.Key, int64) []string { return nil } })
	rookery(t, env, "ring", "public:a").isDone(t,
		"KEY       EXTENT  OWNER  SUCCESSORS\npublic:a  0       -      -\n")
}

func TestVersion(t *testing.T) {
	r := rookery(t, nil, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(r.stdout), &b); err != nil || r.code != exitDone {
		t.Fatalf("%v in %+v", err, r)
	}
	if b.Go != runtime.Version() || b.Ring != ring.Fingerprint() {
		t.Errorf("%+v", b)
	}
	r = rookery(t, nil, "version")
	if r.code != exitDone || !strings.Contains(r.stdout, "go       "+runtime.Version()) || !strings.Contains(r.stdout, ring.Fingerprint()) {
		t.Errorf("%+v", r)
	}
}

const goodConfig = `
node: {name: rook-0, data_dir: /tmp/rook}
admin: {token: "${ADMIN_TOKEN}"}
buckets:
  - name: products
    s3: {bucket: acme, region: eu-central-1, access_key: AK, secret_key: "${SK}"}
`

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rookery.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	env := map[string]string{"ADMIN_TOKEN": "t0ken-of-admin", "SK": "very-s3cret"}
	r := rookery(t, env, "check", "--config", writeConfig(t, goodConfig))
	if r.code != exitDone || r.stderr != "" || !strings.Contains(r.stdout, "acme") {
		t.Fatalf("%+v", r)
	}
	if strings.Contains(r.stdout, "very-s3cret") || strings.Contains(r.stdout, "t0ken-of-admin") || !strings.Contains(r.stdout, "***") {
		t.Errorf("a secret shows: %s", r.stdout)
	}
}

func TestCheckNamesEveryMistake(t *testing.T) {
	path := writeConfig(t, strings.Replace(goodConfig, "admin:", "adnim: {}\nadmin:", 1))
	r := rookery(t, map[string]string{"ADMIN_TOKEN": "t"}, "check", "--config", path)
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	if r.code != exitFailed || r.stdout != "" || len(lines) != 2 {
		t.Fatalf("%+v", r)
	}
	if !strings.HasPrefix(lines[0], path+":3:1: ") || !strings.HasPrefix(lines[1], path+":7:") || !strings.Contains(lines[1], "SK") {
		t.Errorf("stderr: %s", r.stderr)
	}
}

// A key without effect is told and fails nothing.
func TestCheckWarns(t *testing.T) {
	path := writeConfig(t, goodConfig+"server: {threads: 4}\n")
	r := rookery(t, map[string]string{"ADMIN_TOKEN": "t", "SK": "s"}, "check", "--config", path)
	if r.code != exitDone || !strings.Contains(r.stdout, "acme") || strings.Count(r.stderr, "\n") != 1 ||
		!strings.HasPrefix(r.stderr, path+":7:10: warning: ") {
		t.Errorf("%+v", r)
	}
}

// What a start would refuse, check refuses: it reads the files that are named.
func TestCheckReadsTheFilesThatAreNamed(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "absent.pem")
	path := writeConfig(t, goodConfig+fmt.Sprintf(
		"cluster: {gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==, peer_tls: {cert: %[1]q, key: %[1]q, ca: %[1]q}}\n", missing))
	r := rookery(t, map[string]string{"ADMIN_TOKEN": "t", "SK": "s"}, "check", "--config", path)
	if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, missing) {
		t.Errorf("%+v", r)
	}
}

func TestCheckWithoutFile(t *testing.T) {
	r := rookery(t, nil, "check", "--config", filepath.Join(t.TempDir(), "nosuch.yaml"))
	if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, "nosuch.yaml") {
		t.Errorf("%+v", r)
	}
}
