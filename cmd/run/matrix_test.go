package run_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rookery/internal/s3test"
)

// work is what all nodes and S3 have done for readers so far: looked up, asked each
// other, asked S3. A request that is refused before all of that adds to none of it.
func (m *matrix) work() map[string]float64 {
	all := map[string]float64{"requests at S3": float64(len(m.s3.Requests()))}
	for i := range m.testCluster.nodes {
		for name, value := range m.metrics(i) {
			family, _, _ := strings.Cut(name, "{")
			switch family {
			case "rookery_cache_hits_total", "rookery_cache_misses_total", "rookery_cache_bypassed_total", "rookery_collapsed_reads_total",
				"rookery_peer_reads_total", "rookery_peer_requests_total", "rookery_origin_requests_total", "rookery_sent_bytes_total":
				if !strings.Contains(name, `source="none"`) { // their own answers
					all[name] += value
				}
			}
		}
	}
	return all
}

// The matrix of issue 5: whoever asks for whatever, in whichever state it is. Who may
// not read is told the same, to the byte, whether it is cached, uncached or absent, and
// nothing is looked up for that one anywhere; who may gets what is there.
func TestWhoMayReadWhat(t *testing.T) {
	m := newMatrix(t)
	m.settle()
	before := m.work()
	denied := m.denied(false)
	m.s3.Everything(&s3test.Step{Status: http.StatusServiceUnavailable, Code: "SlowDown"})
	denied += m.denied(true)
	m.s3.Everything(nil)
	if after := m.work(); !maps.Equal(before, after) {
		for name, value := range after {
			if before[name] != value {
				t.Errorf("%s: %v before those who may not read, %v after", name, before[name], value)
			}
		}
	}
	allowed := m.allowed(false)
	m.s3.Everything(&s3test.Step{Status: http.StatusServiceUnavailable, Code: "SlowDown"})
	allowed += m.allowed(true)
	m.s3.Everything(nil)
	t.Logf("%d requests were denied, %d allowed", denied, allowed)
	if want := len(everybody) * len(matrixBuckets) * len(states); denied+allowed != want || denied < want/3 || allowed < want/3 {
		t.Errorf("%d requests were denied and %d allowed, of %d", denied, allowed, want)
	}
}

// settle waits until nothing is done in the background any more.
func (m *matrix) settle() {
	before := m.work()
	until(m.t, "rest", func() bool {
		now := m.work()
		rests := maps.Equal(before, now)
		before = now
		return rests
	})
}

// denied asks for everything that may not be had, and returns how much that is.
func (m *matrix) denied(down bool) (count int) {
	for _, b := range matrixBuckets {
		first := map[string]told{} // by method, and whether it is a list
		for i := range states {
			s := &states[i]
			for k := range everybody {
				w := &everybody[k]
				if w.mayRead(b) || s.down != down {
					continue
				}
				count++
				at := [2]string{b, s.name}
				got := m.mustAsk(b, s, w, m.nodes[at], m.objects[at].Key)
				kind := s.method + s.query
				want, there := first[kind]
				if !there {
					first[kind], want = got, got
				}
				m.isDenied(b, s, w, got, want)
			}
		}
	}
	return count
}

func (m *matrix) isDenied(b string, s *state, w *who, got, want told) {
	m.t.Helper()
	cell := w.name + ", " + b + ", " + s.name
	if got.status != http.StatusForbidden || s.method != http.MethodHead && !bytes.Contains(got.body, []byte("<Code>AccessDenied</Code>")) {
		m.t.Errorf("%s: %d %s", cell, got.status, got.body)
	}
	if !bytes.Equal(got.body, want.body) || !reflect.DeepEqual(got.header, want.header) {
		m.t.Errorf("%s: %v %s\nothers are told %v %s", cell, got.header, got.body, want.header, want.body)
	}
	for _, name := range []string{"X-Cache", "Cache-Status", "Age", "Etag", "Last-Modified", "Content-Range", "Accept-Ranges"} {
		if got.header.Get(name) != "" {
			m.t.Errorf("%s: %s: %s", cell, name, got.header.Get(name))
		}
	}
}

// allowed asks for everything that may be had.
func (m *matrix) allowed(down bool) (count int) {
	for _, b := range matrixBuckets {
		for i := range states {
			s := &states[i]
			for k := range everybody {
				w := &everybody[k]
				if !w.mayRead(b) || s.down != down {
					continue
				}
				count++
				m.isAllowed(b, s, w, k)
			}
		}
	}
	return count
}

func (m *matrix) isAllowed(b string, s *state, w *who, number int) {
	m.t.Helper()
	cell := w.name + ", " + b + ", " + s.name
	o, node := m.objects[[2]string{b, s.name}], m.nodes[[2]string{b, s.name}]
	if s.fresh {
		o = m.putIn(b, s, 1+number)
		node = m.ownerIn(b, o.Key)
	}
	got := m.mustAsk(b, s, w, node, o.Key)
	if got.status != s.status {
		m.t.Errorf("%s: %d, want %d: %s", cell, got.status, s.status, got.body)
		return
	}
	if s.to > 0 {
		if _, err := o.CheckReader(bytes.NewReader(got.body), s.from, s.to); err != nil {
			m.t.Errorf("%s: %v", cell, err)
		}
	}
	if s.query != "" && !bytes.Contains(got.body, []byte("<Key>users/7/hot")) {
		m.t.Errorf("%s: %s", cell, got.body)
	}
	if slices.Contains([]int{304}, s.status) && len(got.body) != 0 || s.method == http.MethodHead && len(got.body) != 0 {
		m.t.Errorf("%s: has a body of %d bytes", cell, len(got.body))
	}
	if s.cache != "" && got.header.Get("X-Cache") != s.cache || !strings.Contains(got.header.Get("Cache-Status"), s.detail) {
		m.t.Errorf("%s: X-Cache %s, Cache-Status %s, want %s %s", cell, got.header.Get("X-Cache"), got.header.Get("Cache-Status"), s.cache, s.detail)
	}
}

// ListBuckets names the buckets that whoever asks may see, and no others.
func TestWhoSeesWhichBuckets(t *testing.T) {
	m := &matrix{testCluster: newCluster(t, 1, matrixConfig(t))}
	for i := range everybody {
		w := &everybody[i]
		r := &http.Request{
			Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: m.testCluster.nodes[0].PublicAddr().String(), Path: "/"}, Header: http.Header{},
		}
		r.Host = r.URL.Host
		w.proof(t, r)
		response, err := m.client.Do(r.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v: %s", w.name, response.Status, err, body)
			continue
		}
		for _, b := range matrixBuckets {
			may := w.mayRead(b) || w.name == "reader of others" && b == "claims" // what is theirs is in it
			if sees := bytes.Contains(body, []byte("<Name>"+b+"</Name>")); sees != may {
				t.Errorf("%s sees %s: %t, may: %t", w.name, b, sees, may)
			}
		}
	}
	if n := len(m.s3.Requests()); n != 0 {
		t.Errorf("S3 was asked %d times", n)
	}
}
