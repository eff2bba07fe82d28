package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// cost is what S3 was asked for: requests, and bytes of the object that the
// answers to GETs promised.
type cost struct {
	heads, gets int
	promised    int64
}

func (c *testCluster) cost(key string) cost {
	promised, _ := c.s3.Bytes(bucket, key)
	return cost{c.s3.Count("HEAD", bucket, key), c.s3.Count("GET", bucket, key), promised}
}

// ending is how a read ends.
type ending struct {
	err    error // nil: every byte came, and was right
	status int   // of the OriginError, if err is one
	cut    bool  // after the answer had begun
}

func (e ending) String() string {
	return fmt.Sprintf("%v, status %d, in the body: %t", e.err, e.status, e.cut)
}

var (
	right  = ending{}
	broken = ending{err: object.ErrBroken}
	gone   = ending{err: object.ErrGone}
)

var errOrigin = errors.New("an answer of S3")

func refused(status int) ending { return ending{err: errOrigin, status: status} }
func cut(by ending) ending      { by.cut = true; return by }

// endingOf reads an object to see how it ends, and tells how far it is. A wrong
// byte ends the test.
func endingOf(t *testing.T, n *testNode, ask *object.Ask, byETag map[string]pattern.Object, far func(int64)) ending {
	t.Helper()
	a, err := n.Open(context.Background(), ask)
	e := ending{cut: err == nil}
	if err == nil {
		defer closeAnswer(a)
		o := byETag[a.Info.ETag]
		from, to, wrong := ask.Range.Resolve(o.Size)
		if wrong != nil || !ask.HeadOnly && (a.Offset != from || a.Length != to-from) {
			t.Fatalf("answer of [%d, +%d) of %s: %v", a.Offset, a.Length, a.Info.ETag, wrong)
		}
		err = checkBody(t, a, o, far)
	}
	var origin *object.OriginError
	switch {
	case err == nil:
		return right
	case errors.As(err, &origin):
		e.err, e.status = errOrigin, origin.Status
	case errors.Is(err, object.ErrBroken):
		e.err = object.ErrBroken
	case errors.Is(err, object.ErrGone):
		e.err = object.ErrGone
	default:
		t.Fatalf("an error of no kind: %v", err)
	}
	return e
}

// checkBody reads a body and returns its error. A wrong byte, and an end that
// comes too early, end the test.
func checkBody(t *testing.T, a *object.Answer, o pattern.Object, far func(int64)) error {
	t.Helper()
	p := make([]byte, 64<<10)
	for at := a.Offset; a.Body != nil; {
		n, err := a.Body.Read(p)
		if wrong := o.Check(p[:n], at); wrong != nil {
			t.Fatal(wrong)
		}
		at += int64(n)
		far(at - a.Offset/mib*mib) // in the body that S3 gives, of whole chunks
		whole := at == a.Offset+a.Length
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && whole:
			return nil
		case err == io.EOF:
			t.Fatalf("%d of %d bytes looked complete", at-a.Offset, a.Length)
		default:
			return err
		}
	}
	return nil
}

// script is one row: what S3 does, what is read meanwhile, how that ends and
// what it costs; and then the same read again, with S3 as it should be.
type script struct {
	name    string
	size    int64  // of the object
	etag    string // "" for a strong one
	known   bool   // its info is known before the script begins
	steps   []s3test.Step
	ask     *object.Ask
	want    ending
	costs   cost
	again   cost // of the second read
	timeout bool // S3 is silent: the wait for it is short in this row
	// overwritten: the first chunk of an older version was read before.
	overwritten bool
	// told: the node that reads, if it is not the key's owner, tells that one that
	// the version is gone; the owner asks for the info at once.
	told bool
}

// end is where a scripted body ends early, 0 if none does. S3 stops a byte before
// it until the reader has come so far: so the reader is there when it happens.
func (s *script) end() int64 {
	for _, step := range s.steps {
		if step.End != nil {
			return step.End.After
		}
	}
	return 0
}

func times(n int, s s3test.Step) []s3test.Step {
	all := make([]s3test.Step, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func once(s s3test.Step) []s3test.Step { return times(1, s) }

// ends is a GET's body that ends early.
func ends(how s3test.How, after int64) s3test.Step {
	return s3test.Step{Method: "GET", End: &s3test.End{After: after, How: how}}
}

func with(field, value string) s3test.Step {
	return s3test.Step{Method: "GET", Header: http.Header{field: {value}}}
}

const elsewhere = "elsewhere"

// The object has three chunks, "large" two extents. A whole cold read is one GET
// of everything; a cold range is a HEAD and a GET of its chunks. A GET that S3
// drops on a connection that it had kept is repeated by net/http, which costs a
// request and no attempt.
func scripts(s3 string) []script {
	const size, large = 3 * mib, 70 * mib
	redirect := func(status int) s3test.Step { return s3test.Redirect(status, s3+"/"+bucket+"/"+elsewhere) }
	slow := s3test.Step{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {"1"}}}
	failing := s3test.Step{Status: 500, Code: "InternalError"}
	whole, part := get("k"), getRange("k", mib+5, 2*mib-1)
	partOfIt := func(s s3test.Step) s3test.Step { s.Method = "GET"; return s }
	all := []script{
		{name: "no script, whole", ask: whole, costs: cost{0, 1, size}},
		{name: "no script, range", ask: part, costs: cost{1, 1, mib}},
		{name: "no script, HEAD", ask: head("k"), costs: cost{1, 0, 0}},

		// What a second attempt mends.
		{name: "one 503", steps: once(slow), ask: whole, costs: cost{0, 2, size}},
		{name: "one 503 to a HEAD", steps: once(slow), ask: head("k"), costs: cost{2, 0, 0}},
		{name: "503 to the HEAD before a range", steps: once(slow), ask: part, costs: cost{2, 1, mib}},
		{name: "500 twice", steps: times(2, failing), ask: whole, costs: cost{0, 3, size}},
		{name: "500 twice to a part", steps: times(2, partOfIt(failing)), ask: part, costs: cost{1, 3, mib}},
		{name: "dropped", steps: once(s3test.Step{Drop: true}), ask: whole, costs: cost{0, 2, size}},
		{name: "reset in the middle", steps: once(ends(s3test.Reset, mib+10)), ask: whole, costs: cost{0, 2, -1}},
		{name: "cut in the middle", steps: once(ends(s3test.Cut, mib+10)), ask: whole, costs: cost{0, 2, size + size - mib - 10}},
		{name: "cut at the first byte", steps: once(ends(s3test.Cut, 0)), ask: whole, costs: cost{0, 2, 2 * size}},
		{name: "cut at the last byte", steps: once(ends(s3test.Cut, size-1)), ask: whole, costs: cost{0, 2, size + 1}},
		{name: "cut in a part", steps: once(ends(s3test.Cut, 1000)), ask: part, costs: cost{1, 2, mib + mib - 1000}},
		{
			name: "cut in the second extent", size: large, known: true, steps: []s3test.Step{{Method: "GET"}, ends(s3test.Cut, mib+10)},
			ask: whole, costs: cost{0, 3, large + 5*mib - 10},
		},
		{name: "silent, then well", timeout: true, steps: once(s3test.Step{Silent: true}), ask: whole, costs: cost{0, 2, size}},
		{name: "stalled in the body, then well", timeout: true, steps: once(ends(s3test.Stall, mib+10)), ask: whole, costs: cost{0, 2, size + size - mib - 10}},

		// What three attempts do not mend.
		{name: "503 storm", steps: times(3, slow), ask: whole, want: refused(503), costs: cost{0, 3, 0}, again: cost{0, 1, size}},
		{name: "503 storm over HEAD", steps: times(3, slow), ask: part, want: refused(503), costs: cost{3, 0, 0}, again: cost{1, 1, mib}},
		{name: "503 storm over a part", steps: times(3, partOfIt(slow)), ask: part, want: refused(503), costs: cost{1, 3, 0}, again: cost{0, 1, mib}},
		{name: "dropped thrice", steps: times(3, s3test.Step{Drop: true}), ask: whole, want: refused(502), costs: cost{0, 3, 0}, again: cost{0, 1, size}},
		{name: "silent thrice", timeout: true, steps: times(3, s3test.Step{Silent: true}), ask: whole, want: refused(504), costs: cost{0, 3, 0}, again: cost{0, 1, size}},
		{
			name: "cut and cut again", steps: times(3, ends(s3test.Cut, 1000)), ask: whole, want: cut(refused(502)),
			costs: cost{0, 3, 3*size - 3000}, again: cost{0, 1, size},
		},
		{
			name: "stalled and stalled again", timeout: true, steps: times(3, ends(s3test.Stall, 1000)), ask: whole, want: cut(refused(502)),
			costs: cost{0, 3, 3*size - 3000}, again: cost{0, 1, size},
		},

		// Answers that break their promise: nothing of them is used or kept, and
		// nobody asks the like again for this reader.
		{name: "200 to a Range", steps: once(s3test.Step{Method: "GET", IgnoreRange: true}), ask: part, want: broken, costs: cost{1, 1, size}, again: cost{0, 1, mib}},
		{name: "short range", steps: once(s3test.Step{Method: "GET", Extra: -5}), ask: part, want: broken, costs: cost{1, 1, mib - 5}, again: cost{0, 1, mib}},
		{name: "long range", steps: once(s3test.Step{Method: "GET", Extra: 5}), ask: part, want: broken, costs: cost{1, 1, mib + 5}, again: cost{0, 1, mib}},
		{name: "another range", steps: once(s3test.Step{Method: "GET", Shift: 4096}), ask: part, want: broken, costs: cost{1, 1, mib}, again: cost{0, 1, mib}},
		{name: "wrong Content-Range", steps: once(with("Content-Range", "bytes 0-1048575/3145728")), ask: part, want: broken, costs: cost{1, 1, mib}, again: cost{0, 1, mib}},
		{name: "no Content-Range", steps: once(s3test.Step{Method: "GET", Header: http.Header{"Content-Range": nil}}), ask: part, want: broken, costs: cost{1, 1, mib}, again: cost{0, 1, mib}},
		{name: "multipart/byteranges", steps: once(s3test.Step{Method: "GET", Multipart: true}), ask: part, want: broken, costs: cost{1, 1, mib}, again: cost{0, 1, mib}},
		{name: "a part without length", steps: once(s3test.Step{Method: "GET", NoLength: true}), ask: part, want: broken, costs: cost{1, 1, mib}, again: cost{0, 1, mib}},
		{name: "the whole without length", steps: once(s3test.Step{NoLength: true}), ask: whole, want: broken, costs: cost{0, 1, size}, again: cost{0, 1, size}},
		{name: "no ETag in a part", steps: once(s3test.Step{Method: "GET", Header: http.Header{"Etag": nil}}), ask: part, want: broken, costs: cost{1, 1, mib}, again: cost{0, 1, mib}},
		{
			name: "another range on resuming", steps: []s3test.Step{ends(s3test.Cut, mib+10), {Shift: -4096}}, ask: whole, want: cut(broken),
			costs: cost{0, 2, size + size - mib - 10}, again: cost{0, 1, 2 * mib},
		},
		{
			name: "200 on resuming", steps: []s3test.Step{ends(s3test.Cut, mib+10), {IgnoreRange: true}}, ask: whole, want: cut(broken),
			costs: cost{0, 2, 2 * size}, again: cost{0, 1, 2 * mib},
		},

		// Another version than the one that is asked for: the info is asked for
		// anew, twice at most, and a body that has begun is cut.
		{name: "a wrong ETag in a part", steps: once(with("Etag", `"another"`)), ask: part, costs: cost{2, 2, 2 * mib}},
		{name: "a wrong size in a part", steps: once(with("Content-Range", "bytes 1048576-2097151/4000000")), ask: part, costs: cost{2, 2, 2 * mib}},
		{name: "412 to a part", steps: once(s3test.Step{Method: "GET", Status: 412, Code: "PreconditionFailed"}), ask: part, costs: cost{2, 2, mib}},
		{
			name: "412 to every part", steps: times(3, s3test.Step{Method: "GET", Status: 412, Code: "PreconditionFailed"}), ask: part, want: gone,
			costs: cost{3, 3, 0}, again: cost{1, 1, mib},
		},
		{
			name: "a wrong ETag on resuming", steps: []s3test.Step{ends(s3test.Cut, mib+10), with("Etag", `"another"`)}, ask: whole, want: cut(gone), told: true,
			costs: cost{0, 2, 2*size - mib - 10}, again: cost{0, 2, size + 2*mib},
		},
		{
			name: "412 on resuming", steps: []s3test.Step{ends(s3test.Cut, mib+10), {Status: 412, Code: "PreconditionFailed"}}, ask: whole, want: cut(gone), told: true,
			costs: cost{0, 2, size}, again: cost{0, 2, size + 2*mib},
		},
		{name: "overwritten, a part that is not stored", overwritten: true, ask: part, costs: cost{1, 2, mib}},
		{
			name: "overwritten, the whole", overwritten: true, ask: whole, want: cut(gone), told: true,
			costs: cost{0, 1, 0}, again: cost{0, 1, size},
		},
		{name: "overwritten, what is stored and fresh", overwritten: true, ask: getRange("k", 5, 99)},

		// Without a strong ETag a body is never resumed.
		{
			name: "weak, cut in the middle", etag: `W/"1"`, steps: once(ends(s3test.Cut, mib+10)), ask: whole, want: cut(refused(502)),
			costs: cost{0, 1, size}, again: cost{0, 1, size},
		},
	}
	for _, status := range []int{301, 302, 307} { // pointing at an object that is there
		all = append(all,
			script{name: fmt.Sprint(status, " to a whole GET"), steps: once(redirect(status)), ask: whole, want: refused(status), costs: cost{0, 1, 0}, again: cost{0, 1, size}},
			script{name: fmt.Sprint(status, " to a HEAD"), steps: once(redirect(status)), ask: part, want: refused(status), costs: cost{1, 0, 0}, again: cost{1, 1, mib}},
			script{name: fmt.Sprint(status, " to a part"), steps: once(partOfIt(redirect(status))), ask: part, want: refused(status), costs: cost{1, 1, 0}, again: cost{0, 1, mib}},
		)
	}
	for i := range all {
		if all[i].size == 0 {
			all[i].size = size
		}
	}
	return all
}

// What S3 does wrong costs exactly what is written here, whether a node is alone
// or asks the key's owner, and leaves nothing wrong behind.
func TestScriptsOfS3(t *testing.T) {
	for _, names := range [][]string{{"alone"}, three} {
		for i, row := range scripts("") {
			t.Run(fmt.Sprint(len(names), " nodes/", row.name), func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, names, func(c *testCluster) {
					if row.timeout {
						c.timeout = 500 * time.Millisecond
					}
				})
				playScript(t, c, scripts(c.s3.URL)[i])
			})
		}
	}
}

func playScript(t *testing.T, c *testCluster, s script) {
	n, others := c.owner("k")
	if len(others) > 0 {
		n = others[0] // the owner is asked by a node that is none
	}
	versions := make(map[string]pattern.Object)
	if s.overwritten {
		old := c.put("k", "0", s.size, s3test.Meta{})
		versions[s3test.ETag(old)] = old
		n.read(t, getRange("k", 0, 0), old)
		c.settle(t)
		c.s3.Forget()
	}
	o := c.put("k", "1", s.size, s3test.Meta{ETag: s.etag})
	c.put(elsewhere, "1", s.size, s3test.Meta{})
	versions[s.etag], versions[s3test.ETag(o)] = o, o
	if s.known {
		n.read(t, head("k"), o)
		c.settle(t)
		c.s3.Forget()
	}
	c.s3.Script(bucket, "k", s.steps...)
	if s.told && len(others) > 0 {
		s.costs.heads++
		s.again = cost{0, 1, s.again.promised - s.size}
		if s.overwritten {
			s.again.promised = s.size
		}
	}
	gate := c.s3.Hold(bucket, "k", s.end()-1)
	far := func(at int64) {
		if at >= s.end()-1 {
			gate.Open()
		}
	}
	far(0)
	if got := endingOf(t, n, s.ask, versions, far); got != s.want {
		t.Errorf("the read ended with %v; want %v", got, s.want)
	}
	c.settle(t)
	c.spent(t, "the read", s.costs)
	c.s3.Forget()
	if got := endingOf(t, n, s.ask, versions, far); got != right {
		t.Errorf("the second read ended with %v", got)
	}
	c.settle(t)
	c.spent(t, "the second read", s.again)
	if all := c.s3.Count("", bucket, elsewhere); all != 0 {
		t.Errorf("a redirect was followed: %v", c.s3.Requests())
	}
}

// settle waits until no node asks S3 for anything.
func (c *testCluster) settle(t *testing.T) {
	t.Helper()
	for _, name := range c.names {
		c.nodes[name].Settle()
		c.nodes[name].flightsEnd(t)
	}
}

// spent compares what S3 was asked for; promised of -1 stands for what a reset
// leaves to chance.
func (c *testCluster) spent(t *testing.T, what string, want cost) {
	t.Helper()
	got := c.cost("k")
	if want.promised < 0 {
		want.promised = got.promised
	}
	if got != want {
		t.Errorf("%s cost %+v, want %+v: %v", what, got, want, c.s3.Requests())
	}
}
