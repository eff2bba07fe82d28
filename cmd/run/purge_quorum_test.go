package run_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rookery/admin"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
)

// ownedKey returns a key that node i owns, in buckets with these names.
func (c *testCluster) ownedKey(i int, buckets ...string) string {
	c.t.Helper()
	for n := range 1000 {
		key := fmt.Sprintf("k%d", n)
		owns := func(bucket string) bool {
			var ring admin.Ring
			c.operators(i, "/admin/ring?offset=0&key="+bucket+":"+key, &ring)
			return ring.Owner == nodeName(i)
		}
		if !slices.ContainsFunc(buckets, func(b string) bool { return !owns(b) }) {
			return key
		}
	}
	c.t.Fatalf("rook-%d owns nothing", i)
	return ""
}

// waived is a bucket of the same objects that waives the promise.
const waived = "waived"

// Without a quorum a node pays a request to S3 for each hit, and says so; it keeps
// what it is asked to purge, over a restart too, until there is one again.
func TestPurgeWithoutAQuorum(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(cfg *config.Config, o *run.Options) {
		short(cfg, o)
		second := cfg.Buckets[0]
		second.Name, second.PathPrefix, second.StaleWithoutLease = waived, "/"+waived, true
		cfg.Buckets = append(cfg.Buckets, second)
	})
	c.awaitMembers(0, 3)
	left := c.without(c.leader())[0]
	key := c.ownedKey(left, bucket, waived)
	c.write(key, 1)
	c.everywhere(key, 1)
	also := c.target(left, key)
	also.Path = strings.Replace(also.Path, bucket, waived, 1)
	c.do(left, http.MethodGet, also, nil)
	others := c.without(left)
	for _, i := range others {
		c.crash(i)
	}
	until(t, "the lease ends", func() bool { _, lease := c.council(left); return !lease.Held })

	t.Run("each hit is confirmed", func(t *testing.T) { eachHitIsConfirmed(c.in(t), left, key) })
	t.Run("nothing is served that S3 cannot confirm", func(t *testing.T) {
		c := c.in(t)
		c.s3.Everything(&s3test.Step{Drop: true})
		defer c.s3.Everything(nil)
		if response, _ := c.do(left, http.MethodGet, c.target(left, key), nil); response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("S3 is away as well: %s", response.Status)
		}
		if response, _ := c.do(left, http.MethodGet, also, nil); response.StatusCode != http.StatusOK || response.Header.Get("X-Cache") != "HIT" {
			t.Errorf("a bucket that waives the promise: %s, %q", response.Status, response.Header)
		}
	})
	c.write(key, 2)
	status, p := c.purge(left, `"key": "`+key+`", "id": "kept", "wait": "0s"`)
	if status != http.StatusAccepted || p.Complete || p.Number != 0 {
		t.Fatalf("a purge: %d, %+v", status, p)
	}
	c.close(left)
	c.start(left, c.gossip[left])
	if status, p := c.progress(left, "kept"); status != http.StatusAccepted || p.Complete {
		t.Errorf("after a restart: %d, %+v", status, p)
	}
	if v, _ := c.council(left); v.WaitingPurges != 1 {
		t.Errorf("%d purges wait", v.WaitingPurges)
	}
	for _, i := range others {
		c.start(i, c.gossip[i])
	}
	for _, i := range []int{left, others[0], others[1]} {
		if i != left {
			until(t, "the others hear of it", func() bool { status, _ := c.progress(i, "kept"); return status != http.StatusNotFound })
		}
		c.completes(i, "kept")
	}
	c.awaitReady()
	c.everywhere(key, 2)
	if v, _ := c.council(left); v.WaitingPurges != 0 {
		t.Errorf("%d purges still wait", v.WaitingPurges)
	}
}

func eachHitIsConfirmed(c *testCluster, left int, key string) {
	c.s3.Forget()
	for n := range 3 {
		if got, response, err := c.version(left, key); err != nil || got != 1 {
			c.t.Fatalf("version %d, %v (%v)", got, err, response)
		}
		if asked := c.s3.Count("", bucket, key); asked != n+1 {
			c.t.Errorf("%d requests to S3 for %d hits", asked, n+1)
		}
	}
	if _, sent := c.s3.Bytes(bucket, key); sent != 0 {
		c.t.Errorf("S3 sent %d bytes of what is held", sent)
	}
	until(c.t, "nobody leads", func() bool { v, _ := c.council(left); return v.Leader == "" })
	var h admin.Health
	if c.operators(left, "/health", &h); h.State != admin.HealthDegraded || !strings.Contains(strings.Join(h.Reasons, "\n"), "lease") {
		c.t.Errorf("/health says %+v", h)
	}
	c.probe(left, "/ready", http.StatusOK)
}

// Most voters' disks are lost: an operator begins another council. What was kept
// under the old one is confirmed by S3 once; who has an old disk joins as well as
// who has an empty one.
func TestANewCouncil(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, short)
	c.awaitMembers(0, 3)
	left := c.without(c.leader())[0]
	others := c.without(left)
	key := c.ownedKey(left, bucket)
	c.write(key, 1)
	once := `"key": "` + key + `", "id": "once"`
	c.purged(left, once)
	c.everywhere(key, 1)
	old, _ := c.council(left)
	if status := c.post(left, "/admin/council/new", "", nil); status != http.StatusConflict {
		t.Errorf("council new, while there is a leader: %d", status)
	}
	for _, i := range others {
		c.crash(i)
	}
	until(t, "nobody leads", func() bool { v, _ := c.council(left); return v.Leader == "" })
	var began admin.CouncilView
	start := time.Now()
	if status := c.post(left, "/admin/council/new", "", &began); status != http.StatusOK || began.ID == old.ID || began.ID == "" {
		t.Fatalf("council new: %d, %+v, was %s", status, began, old.ID)
	}
	took(t, "a new council", start, 10*shortLease)
	c.loseDisk(others[0])
	for _, i := range others { // the second one's disk is in the old council
		c.start(i, c.gossip[i])
	}
	c.awaitReady()
	for _, i := range c.running() {
		c.awaitMembers(i, 3)
		until(t, "a lease in the new council", func() bool { v, lease := c.council(i); return v.ID == began.ID && lease.Held })
	}
	c.s3.Forget()
	for range 2 {
		c.everywhere(key, 1)
	}
	if asked := c.s3.Count("", bucket, key); asked == 0 {
		t.Error("what an earlier council knew of is served without S3's word")
	}
	// What the old council knew of ids is lost with it: the same purge is another one, once.
	for n, i := range append(others, left) {
		c.write(key, 2+n)
		c.purged(i, once)
		c.everywhere(key, 2)
	}
}

// Two councils in one cluster are two promises, each of which half of the nodes does not know
// of: nodes that each began one say so, and name the others.
func TestTwoCouncilsAreTold(t *testing.T) {
	t.Parallel()
	c := unstarted(t, 2, func(cfg *config.Config, o *run.Options) {
		short(cfg, o)
		cfg.Cluster.Expect, cfg.Cluster.Founder = 1, cfg.Node.Name
	})
	for i := range 2 { // one after the other, and neither knows of the other
		c.start(i, "127.0.0.1:0")
		until(t, "a council", func() bool { v, lease := c.council(i); return v.ID != "" && lease.Held })
		c.close(i)
	}
	c.start(0, "127.0.0.1:0")
	c.start(1, "127.0.0.1:0")
	c.awaitReady()
	for i := range 2 {
		other := nodeName(1 - i)
		until(t, "they say so", func() bool {
			var h admin.Health
			c.operators(i, "/health", &h)
			reasons := strings.Join(h.Reasons, " ")
			return h.State == admin.HealthDegraded && strings.Contains(reasons, "another council") && strings.Contains(reasons, other)
		})
	}
}

// A node of no council says what it waits for, and after a while serves without a
// lease. Once the council begins it has one.
func TestANodeWaitsForItsCouncil(t *testing.T) {
	t.Parallel()
	c := unstarted(t, 2, func(cfg *config.Config, o *run.Options) {
		short(cfg, o)
		cfg.Cluster.Expect = 1
	})
	c.start(1, "127.0.0.1:0")
	start := time.Now()
	var r admin.Ready
	until(t, "it says that it waits for a lease", func() bool {
		status, _ := c.operators(1, "/ready", &r)
		return status == http.StatusServiceUnavailable && len(r.Reasons) == 1 && strings.Contains(r.Reasons[0], "lease")
	})
	if !strings.Contains(r.Reasons[0], "rook-0 begins one") {
		t.Errorf("reasons: %q", r.Reasons)
	}
	if status, text, err := c.tryPost(t.Context(), c.nodes[1].AdminAddr().String(), purgePath, `{"all": true}`); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("a purge without a council: %d, %s (%v)", status, text, err)
	}
	until(t, "it serves without", c.nodes[1].Ready)
	took(t, "to serve without a council", start, 20*time.Second)
	var h admin.Health
	if c.operators(1, "/health", &h); h.State != admin.HealthDegraded || !strings.Contains(strings.Join(h.Reasons, " "), "rook-0 begins one") {
		t.Errorf("/health: %+v", h)
	}
	c.write("k", 1)
	c.everywhere("k", 1)
	c.write("k", 2)
	c.everywhere("k", 2) // each is confirmed
	c.start(0, "127.0.0.1:0")
	c.awaitReady()
	until(t, "the lease", func() bool { _, lease := c.council(1); return lease.Held })
	if c.operators(1, "/health", &h); h.State != admin.HealthOK {
		t.Errorf("/health: %+v", h)
	}
	c.write("k", 3)
	c.purged(1, `"key": "k"`)
	c.everywhere("k", 3)
}
