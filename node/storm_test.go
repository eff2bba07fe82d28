package node_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
)

// One read of a cold object against an S3 that fails in each of its ways: what
// the reader gets, and exactly what S3 is asked.
func TestOriginFailuresAreRetriedSoOften(t *testing.T) {
	slow := func(after string) s3test.Step {
		return s3test.Step{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {after}}}
	}
	broken := s3test.Step{Status: 500, Code: "InternalError"}
	cut := func(after int64, how s3test.How) s3test.Step {
		return s3test.Step{End: &s3test.End{After: after, How: how}}
	}
	once := node.Retry{MaxAttempts: 1}
	cases := map[string]struct {
		policy node.Retry
		steps  []s3test.Step
		want   object.OriginError // the zero value is the right object
		gets   int
	}{
		"one 500":             {node.Retry{}, []s3test.Step{broken}, object.OriginError{}, 2},
		"two 500":             {node.Retry{}, []s3test.Step{broken, broken}, object.OriginError{}, 3},
		"a storm":             {node.Retry{}, []s3test.Step{broken, broken, broken, broken}, object.OriginError{Status: 500, Code: "InternalError"}, 3},
		"five attempts":       {node.Retry{MaxAttempts: 5, MaxBackoff: 1}, []s3test.Step{broken, broken, broken, broken}, object.OriginError{}, 5},
		"no retry":            {once, []s3test.Step{broken}, object.OriginError{Status: 500, Code: "InternalError"}, 1},
		"slow down, a second": {node.Retry{}, []s3test.Step{slow("1")}, object.OriginError{}, 2},
		"slow down for long":  {node.Retry{}, []s3test.Step{slow("9")}, object.OriginError{Status: 503, Code: "SlowDown", RetryAfter: 9}, 1},
		"slow down for good": {
			node.Retry{}, []s3test.Step{slow("0"), slow("0"), slow("1")}, object.OriginError{Status: 503, Code: "SlowDown", RetryAfter: 1}, 3,
		},
		"forbidden":      {node.Retry{}, []s3test.Step{{Status: 403, Code: "AccessDenied"}}, object.OriginError{Status: 403, Code: "AccessDenied"}, 1},
		"reset, resumed": {node.Retry{}, []s3test.Step{cut(mib+10, s3test.Reset)}, object.OriginError{}, 2},
		"cut, cut":       {node.Retry{}, []s3test.Step{cut(10, s3test.Cut), cut(10, s3test.Cut)}, object.OriginError{}, 3},
		"stalled":        {node.Retry{}, []s3test.Step{cut(mib+10, s3test.Stall)}, object.OriginError{}, 2},
		"cut, no retry":  {once, []s3test.Step{cut(10, s3test.Cut)}, object.OriginError{Status: 502}, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cl := newCluster(t, []string{"alone"}, func(tc *testCluster) {
				tc.retry, tc.timeout = c.policy, 500*time.Millisecond
			})
			o := cl.put("k", "1", 3*mib, s3test.Meta{})
			cl.s3.Script(bucket, "k", c.steps...)
			a, err := cl.nodes["alone"].Open(context.Background(), get("k"))
			if err == nil {
				err = check(a, o)
			}
			var refused *object.OriginError
			switch errors.As(err, &refused); {
			case c.want.Status == 0 && err != nil:
				t.Errorf("got %v, want the object", err)
			case c.want.Status != 0 && (refused == nil || refused.Status != c.want.Status || refused.Code != c.want.Code || refused.RetryAfter != c.want.RetryAfter):
				t.Errorf("got %v, want %v", err, &c.want)
			}
			cl.requests("k", 0, c.gets)
			for _, r := range cl.s3.Requests()[1:] {
				if r.Header.Get("Range") != "" && r.Header.Get("If-Match") != s3test.ETag(o) {
					t.Errorf("resumed without If-Match: %v", r)
				}
			}
		})
	}
}

// Many cold objects of an S3 that is away: it gets each first attempt, and
// retries for a fifth of them and ten.
func TestAStormIsNotAnsweredByAStorm(t *testing.T) {
	cl := newCluster(t, []string{"alone"}, func(tc *testCluster) { tc.retry = node.Retry{MaxBackoff: 1} })
	cl.s3.Everything(&s3test.Step{Status: 503, Code: "SlowDown"})
	for i := range 200 {
		if _, err := cl.nodes["alone"].Open(context.Background(), get(string(rune('a'+i)))); err == nil {
			t.Fatal("it was read")
		}
	}
	if got := cl.s3.Count("GET", "", ""); got != 200+10+200/5 {
		t.Errorf("S3 got %d requests for 200 reads, want 250", got)
	}
}
