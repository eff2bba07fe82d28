package peer

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"rookery/internal/pattern"
	"rookery/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = []byte("a gossip key of 32 bytes, exactly")

// handlerFunc is the other node.
type handlerFunc func(ctx context.Context, ask *object.Ask) (*object.Answer, error)

func (f handlerFunc) OpenLocal(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	return f(ctx, ask)
}

func identity(t testing.TB, node string) *Identity {
	t.Helper()
	id, err := DeriveIdentity([][]byte{testKey}, "", node, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// blank is an identity for connections without TLS.
func blank() *Identity {
	id := new(Identity)
	id.papers.Store(new(papers))
	return id
}

func everyone(string) bool { return true }

// startServer serves as the node "owner" on loopback unless o says otherwise.
func startServer(t testing.TB, o ServerOptions) *Server {
	t.Helper()
	if o.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o.Listener = l
	}
	if o.Self == "" {
		o.Self = "owner"
	}
	if o.Identity == nil {
		o.Identity = identity(t, o.Self)
	}
	if o.Member == nil {
		o.Member = everyone
	}
	s := Serve(o)
	t.Cleanup(func() { s.Close() })
	return s
}

// startClient asks, as the node "asker", whoever listens at addr.
func startClient(t testing.TB, addr string, o ClientOptions) *Client {
	t.Helper()
	if o.Self == "" {
		o.Self = "asker"
	}
	if o.Identity == nil {
		o.Identity = identity(t, o.Self)
	}
	if o.Resolve == nil {
		o.Resolve = func(string) (string, bool) { return addr, true }
	}
	// The machine may be busy: no test is about these but those that set them.
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 20 * time.Second
	}
	if o.FirstByte == 0 {
		o.FirstByte = 20 * time.Second
	}
	c := NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// startPair is a client and the server that it asks.
func startPair(t testing.TB, h handlerFunc) (*Client, *Server) {
	t.Helper()
	s := startServer(t, ServerOptions{Handler: h})
	return startClient(t, s.Addr().String(), ClientOptions{}), s
}

func testObject(size int64) pattern.Object {
	return pattern.Object{Bucket: "b", Key: "some/key", Version: "v1", Size: size}
}

func infoOf(o pattern.Object) object.Info {
	etag := `"` + o.Version + `"`
	return object.Info{
		Version: object.VersionOf(etag, o.Size), Size: o.Size, ETag: etag,
		LastModified: time.Unix(1_700_000_000, 0).UTC(), Validated: time.Unix(1_800_000_000, 5).UTC(),
		Header: []object.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Amz-Meta-A", Value: "b"}},
	}
}

func keyOf(o pattern.Object) object.Key { return object.Key{Bucket: o.Bucket, Name: o.Key} }

// holder answers any ask for o as a node would that has all of it.
func holder(o pattern.Object) handlerFunc {
	return func(_ context.Context, ask *object.Ask) (*object.Answer, error) {
		a := &object.Answer{Info: infoOf(o), Source: object.SourceHot, Outcome: object.Hit}
		if ask.HeadOnly {
			return a, nil
		}
		from, to, err := ask.Range.Resolve(o.Size)
		if err != nil {
			return nil, err
		}
		a.Offset, a.Length = from, to-from
		if a.Length > 0 {
			a.Body = io.NopCloser(io.NewSectionReader(o.Reader(), from, to-from))
		}
		return a, nil
	}
}

// checkAnswer reads the answer to its end and checks each byte.
func checkAnswer(t testing.TB, a *object.Answer, o pattern.Object, from, to int64) {
	t.Helper()
	if a.Offset != from || a.Length != to-from {
		t.Errorf("answer has bytes [%d, %d), want [%d, %d)", a.Offset, a.Offset+a.Length, from, to)
	}
	body := a.Body
	if body == nil {
		body = io.NopCloser(bytes.NewReader(nil))
	}
	if _, err := o.CheckReader(body, from, to); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

// script is a body that plays its steps in turn and tells when it is closed.
type script struct {
	steps  []func(p []byte) (int, error)
	closed chan struct{}
	once   sync.Once
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.steps) == 0 {
		return 0, io.EOF
	}
	n, err := s.steps[0](p)
	s.steps = s.steps[1:]
	return n, err
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// gives is a step that reads bytes of o.
func gives(o pattern.Object, from, to int64) func([]byte) (int, error) {
	return func(p []byte) (int, error) { return copy(p, o.Bytes(from, to)), nil }
}

// fails is a step that ends a body.
func fails(err error) func([]byte) (int, error) {
	return func([]byte) (int, error) { return 0, err }
}

// hangs is a step that waits for the asker to go away.
func hangs(ctx context.Context) func([]byte) (int, error) {
	return func([]byte) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
}

// count reads a counter.
func count(set *metrics.Set, name string) int { return int(set.GetOrCreateCounter(name).Get()) }

// idleTo takes an idle connection to the owner out of the pool.
func idleTo(t testing.TB, c *Client) *conn {
	t.Helper()
	conn, err := c.pool.get(t.Context(), "owner", false)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
