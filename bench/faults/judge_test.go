package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// What the harness calls wrong, short and broken: every row of its table stands
// on this, so S3 misbehaves here and no node is in between.
func TestEachMisbehaviourIsSeen(t *testing.T) {
	o := pattern.Object{Bucket: "b", Key: "k", Size: 300_000}
	old := pattern.Object{Bucket: "b", Key: "k", Size: 300_000, Version: "old"}
	etag := http.Header{"Etag": {s3test.ETag(o)}}
	cases := []struct {
		name     string
		stored   pattern.Object
		step     s3test.Step
		from, to int64
		class    class
	}{
		{"right", o, s3test.Step{}, 0, o.Size, whole},
		{"right range", o, s3test.Step{}, 1000, 200_000, whole},
		{"right first byte", o, s3test.Step{}, 0, 1, whole},
		{"an error", o, s3test.Step{Status: 503, Code: "SlowDown"}, 0, o.Size, status},
		{"no answer", o, s3test.Step{Drop: true}, 0, o.Size, broken},
		{"cut off", o, s3test.Step{End: &s3test.End{After: 100_000}}, 0, o.Size, broken},
		{"reset", o, s3test.Step{End: &s3test.End{After: 100_000, How: s3test.Reset}}, 0, o.Size, broken},
		{"cut off in a range", o, s3test.Step{End: &s3test.End{After: 10}}, 1000, 200_000, broken},
		{"short, with a length that agrees", o, s3test.Step{Extra: -1000}, 0, o.Size, short},
		{"long", o, s3test.Step{Extra: 5}, 0, o.Size, wrong},
		{"another version's bytes", old, s3test.Step{Header: etag}, 0, o.Size, wrong},
		{"an unknown version", old, s3test.Step{}, 0, o.Size, wrong},
		{"everything for a range", o, s3test.Step{IgnoreRange: true}, 1000, 200_000, wrong},
		{"another range", o, s3test.Step{Header: http.Header{"Content-Range": {"bytes 999-199998/300000"}}}, 1000, 200_000, wrong},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s3 := s3test.Start(t)
			s3.Put(c.stored, s3test.Meta{})
			// A client that gets no answer asks again by itself on a kept connection only.
			s3.Script("b", "k", c.step)
			w := want{path: pathOf(o), from: c.from, to: c.to, size: o.Size, version: func(etag string) (pattern.Object, bool) {
				return o, etag == s3test.ETag(o)
			}}
			b := balanced(s3)
			defer b.close()
			if got, node, err := ask(t.Context(), b, w); got != c.class || node != 0 || (err == nil) != (got == whole) {
				t.Errorf("%v through %d: %v, want %v", got, node, err, c.class)
			}
		})
	}
}

// balanced is a balancer with S3 in place of the nodes: one more, which refuses
// connections, is passed over each time.
func balanced(s3 *s3test.Server) *balancer {
	b := &balancer{stop: func() {}}
	for i, url := range []string{s3.URL, "http://127.0.0.1:1"} {
		e := &backend{machine: &machine{index: i, publicURL: url}, client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
		e.in.Store(true)
		b.backends = append(b.backends, e)
	}
	return b
}

// A request that net/http sends again when a kept connection breaks is an error
// that a client of another make would have seen.
func TestSilentRetryIsAnError(t *testing.T) {
	s3 := s3test.Start(t)
	o := pattern.Object{Bucket: "b", Key: "k", Size: 10}
	s3.Put(o, s3test.Meta{})
	s3.Script("b", "k", s3test.Step{}, s3test.Step{Drop: true})
	b := balanced(s3)
	defer b.close()
	w := want{path: pathOf(o), to: o.Size, size: o.Size, version: func(string) (pattern.Object, bool) { return o, true }}
	for i, class := range []class{whole, broken, whole} {
		if got, _, err := ask(t.Context(), b, w); got != class {
			t.Errorf("request %d: %v (%v), want %v", i, got, err, class)
		}
	}
}

// at makes samples, one each 10 ms from a time on.
func at(from, to time.Duration, s sample) (all []sample) {
	for s.at = from; s.at < to; s.at += 10 * time.Millisecond {
		all = append(all, s)
	}
	return all
}

func TestRecovery(t *testing.T) {
	const second = time.Second
	fine, bad, tardy := sample{took: 1}, sample{took: 1, class: broken}, sample{took: second}
	cases := []struct {
		name       string
		trouble    []sample
		fault, end string
	}{
		{"none", nil, "at once", "at once"},
		{"an error at once", at(2*second, 2*second+1, bad), "0.5 s", "at once"},
		{"errors for a while", at(2*second, 4*second+1, bad), "2.5 s", "at once"},
		{"slow answers for a while", at(3*second, 4*second, tardy), "2.0 s", "at once"},
		{"as long as it lasts", at(2*second, 8*second, tardy), "not", "at once"},
		{"and after", at(2*second, 8*second+1, bad), "not", "0.5 s"},
		{"to the end", at(9*second, 11*second, bad), "at once", "not"},
	}
	for _, c := range cases {
		r := &result{ran: 11 * second, spans: []span{{struck: 2 * second, healed: 8 * second}}}
		r.samples = append(at(0, 11*second, fine), c.trouble...)
		if fault, end := r.recovery(); fault.String() != c.fault || end.String() != c.end {
			t.Errorf("%s: %s and %s, want %s and %s", c.name, fault, end, c.fault, c.end)
		}
	}
}

func TestBar(t *testing.T) {
	second := time.Second
	fault := []span{{struck: 2 * second, healed: 8 * second, node: 1}}
	there := func(c class) sample { return sample{class: c, took: 1, node: 1} }
	cases := []struct {
		name string
		bar  bar
		bad  []sample
		want string // part of what is broken; "" is nothing
	}{
		{"nothing", bar{}, nil, ""},
		{"wrong", bar{changing: true, early: 1}, at(0, 1, there(wrong)), "WRONG"},
		{"short", bar{changing: true, early: 1}, at(0, 1, there(short)), "SHORT"},
		{"few early errors", bar{early: 0.005}, at(2*second, 2*second+1, there(broken)), ""},
		{"many early errors", bar{early: 0.005}, at(2*second, 3*second, there(status)), "in the first 5 s"},
		{"a late error", bar{early: 0.005}, at(7*second, 7*second+1, there(status)), "1 errors later"},
		{"an error before", bar{early: 0.005}, at(second, second+1, there(broken)), "1 errors later"},
		{"sent to a node that cannot answer", bar{excused: true}, at(2*second, 3*second, sample{class: broken, node: 1}), ""},
		{"an error elsewhere", bar{excused: true, early: 1}, at(2*second, 2*second+1, sample{class: broken, took: 1}), "not struck"},
		{"slow", bar{slowest: second}, at(3*second, 3*second+1, sample{took: 2 * second}), "took 2s"},
		{"slow at the struck node", bar{slowest: second}, at(3*second, 3*second+1, sample{took: 2 * second, node: 1}), ""},
	}
	for _, c := range cases {
		r := &result{ran: 11 * second, spans: fault, origin: 1, distinct: 1, samples: append(at(0, 11*second, sample{took: 1}), c.bad...)}
		c.bar.judge(r)
		if got := strings.Join(r.broken, "; "); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		bar                bar
		sent, again, owned int64
		fine               bool
	}{
		{bar{again: 0.4}, 140, 0, 0, true},
		{bar{again: 0.4}, 141, 0, 0, false},
		{bar{again: 0.4}, 150, 0, 60, false},
		{bar{again: 0.4}, 110, 2, 0, false},
		{bar{again: 0.02, owned: true}, 162, 0, 60, true},
		{bar{again: 0.02, owned: true}, 163, 0, 60, false},
		{bar{again: 0.02, owned: true}, 123, 0, 20, false},
	} {
		r := &result{ran: second, spans: fault, origin: c.sent, refetched: c.again, distinct: 100, owned: c.owned}
		c.bar.judge(r)
		if fine := len(r.broken) == 0; fine != c.fine {
			t.Errorf("%+v: S3 sent %d bytes of 100, %d of them late, %d were the struck node's: %q", c.bar, c.sent, c.again, c.owned, r.broken)
		}
	}
}
