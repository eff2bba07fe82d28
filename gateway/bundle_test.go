package gateway

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"rookery/internal/pattern"
	"rookery/object"
)

// bundlePair is both ends of a connection.
func bundlePair(t *testing.T) (*bundleConn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := Listener(ln).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server.(*bundleConn), client
}

func TestBundle(t *testing.T) {
	o := pattern.Object{Bucket: "b", Key: "k", Size: 3 * bundleBuffer}
	cases := []struct {
		name   string
		pieces []int
		held   []int // behind each piece
	}{
		{"a header and a body", []int{4096, 389}, []int{4096, 4485}},
		{"as much as fits", []int{4096, bundleBuffer - 4096}, []int{4096, bundleBuffer}},
		{"one byte more", []int{4096, bundleBuffer - 4095, 7}, []int{4096, 0, 0}},
		{"more at once", []int{2 * bundleBuffer, 1}, []int{0, 0}},
	}
	for _, c := range cases {
		b, client := bundlePair(t)
		b.hold()
		var at int64
		var held []int
		for _, n := range c.pieces {
			if wrote, err := b.Write(o.Bytes(at, at+int64(n))); wrote != n || err != nil {
				t.Fatalf("%s: %d, %v", c.name, wrote, err)
			}
			at += int64(n)
			if b.buffer == nil {
				b.held = 0
			}
			held = append(held, b.held)
		}
		if err := b.release(); err != nil || b.buffer != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		b.CloseWrite()
		if got, err := o.CheckReader(client, 0, at); got != at || err != nil {
			t.Errorf("%s: %d bytes, %v", c.name, got, err)
		}
		if !slices.Equal(held, c.held) {
			t.Errorf("%s: held %v, want %v", c.name, held, c.held)
		}
	}
}

func TestBundleReadFrom(t *testing.T) {
	o := pattern.Object{Bucket: "b", Key: "k", Size: 5000}
	b, client := bundlePair(t)
	b.hold()
	if _, err := b.Write(o.Bytes(0, 100)); err != nil {
		t.Fatal(err)
	}
	if n, err := b.ReadFrom(bytes.NewReader(o.Bytes(100, 5000))); n != 4900 || err != nil {
		t.Fatal(n, err)
	}
	b.CloseWrite()
	if _, err := o.CheckReader(client, 0, 5000); err != nil {
		t.Error(err)
	}
}

// spy is a Reader that looks at the connection it answers on.
type spy struct {
	Reader // nobody lists
	t      *testing.T
	held   []bool // while each body was whole, but not yet on its way
}

func (s *spy) Open(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
	conn := ctx.Value(bundleKey{}).(*bundleConn)
	if conn.buffer != nil {
		s.t.Error("something is held back from the answer before")
	}
	size, err := strconv.ParseInt(ask.Key.Name, 10, 64)
	if err != nil {
		return nil, err
	}
	o := pattern.Object{Bucket: "b", Key: ask.Key.Name, Size: size}
	a := &object.Answer{Info: object.Info{Size: size, ETag: `"v"`}, Length: size}
	if size > 0 {
		a.Body = &spiedBody{o.Reader(), func() { s.held = append(s.held, conn.buffer != nil) }}
	}
	return a, nil
}

type spiedBody struct {
	io.Reader
	closed func()
}

func (b *spiedBody) Close() error {
	b.closed()
	return nil
}

// Small answers are held until they are whole, large ones are not, and none
// waits for the next on its connection.
func TestSmallAnswersLeaveAtOnce(t *testing.T) {
	reader := &spy{t: t}
	core, err := New(Options{Reader: reader, Policy: Policy{Routes: []Route{{Bucket: "b", PathPrefix: "/b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = NewServer(core.Handler(), slog.New(slog.DiscardHandler))
	server.Listener = Listener(server.Listener)
	server.Start()
	defer server.Close()
	want := []bool{}
	for _, size := range []int64{1, 3000, 4096, 9000, bundleBytes, bundleBytes + 1, 0, 1 << 20, 5} {
		o := pattern.Object{Bucket: "b", Key: strconv.FormatInt(size, 10), Size: size}
		res, err := server.Client().Get(server.URL + "/b/" + o.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.CheckReader(res.Body, 0, size); err != nil {
			t.Error(err)
		}
		res.Body.Close()
		if size > 0 {
			want = append(want, size <= bundleBytes)
		}
	}
	server.Close()
	if !slices.Equal(reader.held, want) {
		t.Errorf("held %v, want %v", reader.held, want)
	}
}
