package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"rookery/gateway"
	"rookery/internal/pattern"
	"rookery/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	modified  = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	validated = modified.Add(time.Hour)
	clock     = validated.Add(90 * time.Second)
)

// fakeNode is a Reader over described objects. It keeps every Ask.
type fakeNode struct {
	mu      sync.Mutex
	held    map[object.Key]*heldObject
	asks    []object.Ask
	queries []object.Query
	// query is what Query answers with; nil is a 404.
	query func(q object.Query, wish *object.Wish) (string, error)
	open  int // bodies not yet closed

	// before runs ahead of every Open, with its number from 1 on.
	before func(n int, ask *object.Ask)
	// fail, if it returns an error, is what Open returns.
	fail func(ask *object.Ask) error
	// body, if set, replaces the body of an answer.
	body func(ctx context.Context, rest io.Reader) io.Reader
	// closed, if set, gets one for each body that is closed.
	closed chan struct{}
}

type heldObject struct {
	pattern pattern.Object
	answer  object.Answer // a template: Info, Source, Outcome, TTL and so on
}

func newFakeNode() *fakeNode { return &fakeNode{held: map[object.Key]*heldObject{}} }

// hold puts an object of size bytes behind key; version names its bytes and its
// ETag.
func (f *fakeNode) hold(key object.Key, version string, size int64) *heldObject {
	etag := `"` + version + `"`
	h := &heldObject{
		pattern: pattern.Object{Bucket: key.Bucket, Key: key.Name, Version: version, Size: size},
		answer: object.Answer{
			Info: object.Info{
				Version: object.VersionOf(etag, size), Size: size, ETag: etag, LastModified: modified, Validated: validated,
				Header: []object.Field{{Name: "Content-Type", Value: "text/plain"}},
			},
			Source: object.SourceHot, Outcome: object.Hit, TTL: time.Hour,
		},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held[key] = h
	return h
}

func (f *fakeNode) Open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	f.mu.Lock()
	f.asks = append(f.asks, *ask)
	n := len(f.asks)
	f.mu.Unlock()
	if f.before != nil {
		f.before(n, ask)
	}
	if f.fail != nil {
		if err := f.fail(ask); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h, ok := f.held[ask.Key]
	if !ok {
		return nil, &object.OriginError{Status: 404, Code: "NoSuchKey", Message: "The specified key does not exist."}
	}
	answer := h.answer
	if ask.HeadOnly {
		return &answer, nil
	}
	from, to, err := ask.Range.Resolve(h.pattern.Size)
	if err != nil {
		return nil, err
	}
	answer.Offset, answer.Length = from, to-from
	if to == from {
		return &answer, nil
	}
	var rest io.Reader = io.NewSectionReader(h.pattern.Reader(), from, to-from)
	if f.body != nil {
		rest = f.body(ctx, rest)
	}
	f.open++
	body := &fakeBody{Reader: rest, node: f}
	answer.Body = body
	if self, ok := rest.(selfWriting); ok {
		answer.Body = writingBody{body, self}
	}
	return &answer, nil
}

func (f *fakeNode) Query(_ context.Context, q object.Query, wish *object.Wish) (*object.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, q)
	if f.query == nil {
		return nil, &object.OriginError{Status: 404, Code: "NoSuchKey"}
	}
	text, err := f.query(q, wish)
	if err != nil {
		return nil, err
	}
	f.open++
	return &object.Answer{
		Info:   object.Info{Header: []object.Field{{Name: "X-Amz-Version-Id", Value: "v1"}}, Validated: validated},
		Source: object.SourceOrigin, Outcome: object.Bypass,
		Length: int64(len(text)), Body: &fakeBody{Reader: strings.NewReader(text), node: f},
	}, nil
}

// fakeBody counts itself closed, each time.
type fakeBody struct {
	io.Reader
	node *fakeNode
}

func (b *fakeBody) Close() error {
	b.node.mu.Lock()
	defer b.node.mu.Unlock()
	b.node.open--
	if b.node.closed != nil {
		b.node.closed <- struct{}{}
	}
	return nil
}

// selfWriting is what a test's body implements to be an io.WriterTo; the
// io.Readers of the standard library are none by accident.
type selfWriting interface {
	io.WriterTo
	writesItself()
}

type writingBody struct {
	*fakeBody
	io.WriterTo
}

func (f *fakeNode) asked() []object.Ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asks
}

func (f *fakeNode) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks = nil
}

// front is a gateway over a fake node behind a real socket.
type front struct {
	t      *testing.T
	node   *fakeNode
	set    *metrics.Set
	server *httptest.Server
	client *http.Client
}

func newFront(t *testing.T, change func(*gateway.Options)) *front {
	t.Helper()
	f := &front{t: t, node: newFakeNode(), set: metrics.NewSet()}
	o := gateway.Options{
		Reader:  f.node,
		Policy:  gateway.Policy{Routes: []gateway.Route{{Bucket: "public", PathPrefix: "/public"}}},
		Metrics: f.set,
		Log:     slog.New(slog.DiscardHandler),
		Now:     func() time.Time { return clock },
	}
	if change != nil {
		change(&o)
	}
	core, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(nil)
	f.server.Config = gateway.NewServer(core.Handler(), slog.New(slog.DiscardHandler))
	f.server.Listener = gateway.Listener(f.server.Listener)
	f.server.Start()
	f.client = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 20 * time.Second}
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		f.server.Close()
		f.node.mu.Lock()
		defer f.node.mu.Unlock()
		if f.node.open != 0 {
			t.Errorf("%d bodies were not closed", f.node.open)
		}
	})
	return f
}

// reply is an answer as the client saw it, its body read to the end.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

// do sends a request with the raw target; header is name, value, name, value.
func (f *front) do(method, target string, header ...string) reply {
	f.t.Helper()
	r, err := http.NewRequest(method, f.server.URL, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.URL.Opaque = target
	if len(target) > 1 && target[:2] == "//" {
		f.t.Fatal("net/http's client cannot send a target that begins with //; use raw")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	res, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, body, err}
}

// raw sends text as it stands and returns all that comes back.
func (f *front) raw(text string) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	all, _ := io.ReadAll(conn) // a connection broken off is an answer too
	return string(all)
}

func key(name string) object.Key { return object.Key{Bucket: "public", Name: name} }
